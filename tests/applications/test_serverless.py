"""Serverless Framework 3: ``sls deploy``, again, with the logs turned off, and ``sls remove``, by the calls it makes.

*Source:* serverless 3.40, run for its templates; of its calls ``lib/plugins/aws/deploy``, ``lib/plugins/aws/lib/update-
stack.js`` and ``lib/plugins/aws/package/compile/events/api-gateway/lib/hack/update-stage.js``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import get_stage, log_role, v2_stage
from testing.applications import serverless_application as sls
from testing.applications.account_view import (
    GROUP,
    deploy_change_set,
    destination,
    entries,
    failures,
    is_there,
    log_group_names,
    resources,
    stack,
    wait_until_v2_compliant,
)
from testing.applications.serverless_log_role import LOG_ROLE_HANDLER
from testing.stacks import Deployed

CHANGE_SET = f"{sls.STACK}-change-set"


def deploy(sandbox: Sandbox, number: int, *, rest_logs: bool = True) -> str:
    """Make the calls of ``sls deploy``. Return the id of the REST API."""
    cloudformation = sandbox.client("cloudformation")
    if sls.STACK not in {each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]}:
        body = {"TemplateBody": json.dumps(sls.core())}
        made = deploy_change_set(sandbox, sls.STACK, CHANGE_SET, "CREATE", body)
        assert made["StackStatus"] == "CREATE_COMPLETE", failures(sandbox, sls.STACK)
    bucket = resources(sandbox, sls.STACK)["ServerlessDeploymentBucket"]
    folder = f"serverless/{sls.SERVICE}/{sls.STAGE}/{number}"
    template = sls.compiled(folder, number, rest_logs=rest_logs)
    code = f"def hello(event, context): return {number}"
    for name, content in {
        "compiled-cloudformation-template.json": json.dumps(template).encode(),
        f"{sls.SERVICE}.zip": sls.package(handler=code),
        "custom-resources.zip": sls.package(handler=LOG_ROLE_HANDLER),
    }.items():
        sandbox.client("s3").put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=content)
    url = {"TemplateURL": f"https://s3.amazonaws.com/{bucket}/{folder}/compiled-cloudformation-template.json"}
    cloudformation.validate_template(**url)
    updated = deploy_change_set(sandbox, sls.STACK, CHANGE_SET, "UPDATE", url)
    assert updated["StackStatus"] == "UPDATE_COMPLETE", failures(sandbox, sls.STACK)
    return update_stage(sandbox, rest_logs=rest_logs)


def update_stage(sandbox: Sandbox, *, rest_logs: bool) -> str:
    """Make the calls that ``sls deploy`` makes to API Gateway after the deployment of the stack."""
    gateway = sandbox.client("apigateway")
    account = sandbox.client("sts").get_caller_identity()["Account"]
    apis = gateway.get_rest_apis(limit=500)["items"]
    api: str = next(each["id"] for each in apis if each["name"] == f"{sls.STAGE}-{sls.SERVICE}")
    gateway.get_deployments(restApiId=api, limit=500)
    gateway.get_stage(restApiId=api, stageName=sls.STAGE)
    group = f"arn:aws:logs:us-east-1:{account}:log-group:{sls.REST_GROUP}"
    values = {"/*/*/logging/dataTrace": "false", "/*/*/logging/loglevel": "OFF"}
    if rest_logs:
        values = {
            "/accessLogSettings/destinationArn": group,
            "/accessLogSettings/format": sls.REST_FORMAT,
            "/*/*/logging/dataTrace": "true",
            "/*/*/logging/loglevel": "INFO",
        }
    patch: list[Any] = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    gateway.update_stage(restApiId=api, stageName=sls.STAGE, patchOperations=patch)
    if not rest_logs:
        logs = sandbox.client("logs")
        with suppress(logs.exceptions.ResourceNotFoundException):  # it does not mention it either
            logs.delete_log_group(logGroupName=sls.REST_GROUP)
    return api


def remove(sandbox: Sandbox) -> None:
    """Make the calls of ``sls remove``."""
    s3, bucket = sandbox.client("s3"), resources(sandbox, sls.STACK)["ServerlessDeploymentBucket"]
    keys = [{"Key": each["Key"]} for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    stack_id = stack(sandbox, sls.STACK)["StackId"]
    sandbox.client("cloudformation").delete_stack(StackName=sls.STACK)
    assert stack(sandbox, stack_id)["StackStatus"] == "DELETE_COMPLETE", failures(sandbox, stack_id)


@pytest.fixture
def sandbox(keeper: Deployed) -> Iterator[Sandbox]:
    """Remove the service from the account after the test, with a log group that may remain."""
    yield keeper.sandbox
    stacks = keeper.sandbox.client("cloudformation").describe_stacks()["Stacks"]
    if sls.STACK in {each["StackName"] for each in stacks}:
        remove(keeper.sandbox)
    keeper.wait_until_quiet()
    if sls.REST_GROUP in log_group_names(keeper):
        keeper.sandbox.client("logs").delete_log_group(logGroupName=sls.REST_GROUP)


def test_service_of_serverless_is_remediated_after_each_deployment_and_can_be_removed(
    keeper: Deployed, sandbox: Sandbox
) -> None:
    api = deploy(sandbox, 1)
    made = resources(sandbox, sls.STACK)
    web, chat = made["HttpApi"], made["WebsocketsApi"]
    assert log_role(sandbox) == f"arn:aws:iam::{sandbox.account_id}:role/serverlessApiGatewayCloudWatchRole"

    keeper.wait_until_compliant(api, sls.STAGE)
    assert entries(keeper, api, sls.STAGE) == {"*/*": ("ERROR", False)}
    own = {"destinationArn": GROUP + sls.REST_GROUP, "format": sls.REST_FORMAT}
    assert get_stage(sandbox, api, sls.STAGE)["accessLogSettings"] == own
    wait_until_v2_compliant(keeper, web, "$default", websocket=False)
    assert v2_stage(sandbox, web, "$default")["AccessLogSettings"]["DestinationArn"] == GROUP + sls.HTTP_GROUP
    chat_stage = wait_until_v2_compliant(keeper, chat, sls.STAGE, websocket=True)
    assert chat_stage["AccessLogSettings"]["DestinationArn"] == GROUP + sls.WEBSOCKET_GROUP

    assert deploy(sandbox, 2) == api
    keeper.wait_until_quiet()
    keeper.wait_until_compliant(api, sls.STAGE)
    assert get_stage(sandbox, api, sls.STAGE)["accessLogSettings"] == own
    wait_until_v2_compliant(keeper, chat, sls.STAGE, websocket=True)

    remove(sandbox)
    keeper.wait_until_quiet()
    assert not any(is_there(keeper, each) for each in (api, web, chat))
    assert {sls.REST_GROUP, sls.HTTP_GROUP, sls.WEBSOCKET_GROUP}.isdisjoint(log_group_names(keeper))

    again = deploy(sandbox, 3)
    assert again != api
    keeper.wait_until_compliant(again, sls.STAGE)


def test_stage_whose_logs_serverless_turns_off_still_logs_errors(keeper: Deployed, sandbox: Sandbox) -> None:
    """With ``logs.restApi: false`` it also deletes its log group, to which the stage still points."""
    api = deploy(sandbox, 1)
    keeper.wait_until_compliant(api, sls.STAGE)

    deploy(sandbox, 2, rest_logs=False)
    keeper.wait_until_quiet()
    keeper.wait_until_compliant(api, sls.STAGE)
    assert destination(keeper, api, sls.STAGE) is not None


def test_logs_that_serverless_turned_off_can_be_turned_on_again(keeper: Deployed, sandbox: Sandbox) -> None:
    api = deploy(sandbox, 1)
    keeper.wait_until_quiet()
    assert destination(keeper, api, sls.STAGE) == GROUP + sls.REST_GROUP
    deploy(sandbox, 2, rest_logs=False)
    keeper.wait_until_quiet()
    assert sls.REST_GROUP not in log_group_names(keeper), "or the next deployment finds its name taken"

    assert deploy(sandbox, 3) == api
    keeper.wait_until_compliant(api, sls.STAGE)
    assert destination(keeper, api, sls.STAGE) == GROUP + sls.REST_GROUP
