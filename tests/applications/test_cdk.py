"""AWS CDK: ``cdk deploy``, again after a change, and ``cdk destroy``, by the calls that its command line makes."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.accounts import get_stage, log_groups, log_role, v2_stage
from testing.applications import cdk_application as cdk
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
from testing.stacks import Deployed

NAME = "Shop"


def bootstrap(sandbox: Sandbox) -> str:
    """Create the resources of ``cdk bootstrap`` that a deployment uses. Return the name of the assets' bucket."""
    sandbox.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Type="String", Value="21")
    bucket = f"cdk-hnb659fds-assets-{sandbox.account_id}-us-east-1"
    sandbox.client("s3").create_bucket(Bucket=bucket)
    return bucket


def deploy(sandbox: Sandbox, bucket: str, kind: str, template: dict[str, Any]) -> None:
    key = f"{kind}.json"
    sandbox.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(template).encode())
    url = {"TemplateURL": f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"}
    done = deploy_change_set(sandbox, NAME, "cdk-deploy-change-set", kind, url)
    assert done["StackStatus"] == f"{kind}_COMPLETE", failures(sandbox, NAME)


def test_application_of_cdk_is_remediated_after_each_deployment_and_can_be_destroyed(keeper: Deployed) -> None:
    sandbox = keeper.sandbox
    bucket = bootstrap(sandbox)
    first = cdk.template("ApiDeploymentB17BE62Deb04f59b", burst=5, greeting="hello", can_post=False)
    deploy(sandbox, bucket, "CREATE", first)
    made = resources(sandbox, NAME)
    api, web, chat, logs = made[cdk.API], made[cdk.WEB], made[cdk.CHAT], made[cdk.LOGS]
    assert log_role(sandbox) == f"arn:aws:iam::{sandbox.account_id}:role/{made[cdk.LOG_ROLE]}"

    keeper.wait_until_compliant(api)
    assert entries(keeper, api, "prod") == {"*/*": ("ERROR", False), "~1pets/GET": ("ERROR", False)}
    assert get_stage(sandbox, api)["accessLogSettings"] == {"destinationArn": GROUP + logs, "format": cdk.REST_FORMAT}
    wait_until_v2_compliant(keeper, web, "$default", websocket=False)
    own = {"DestinationArn": GROUP + logs, "Format": cdk.HTTP_FORMAT}
    assert v2_stage(sandbox, web, "$default")["AccessLogSettings"] == own
    chat_stage = wait_until_v2_compliant(keeper, chat, "live", websocket=True)
    assert log_groups(sandbox)[logs] == 30

    second = cdk.template("ApiDeploymentB17BE62D5a01c9d2", burst=7, greeting="bye", can_post=True)
    deploy(sandbox, bucket, "UPDATE", second)
    keeper.wait_until_quiet()
    keeper.wait_until_compliant(api)
    stage = get_stage(sandbox, api)
    assert stage["methodSettings"]["~1pets/GET"]["throttlingBurstLimit"] == 7
    assert stage["deploymentId"] == resources(sandbox, NAME)["ApiDeploymentB17BE62D5a01c9d2"]
    assert destination(keeper, api, "prod") == GROUP + logs
    assert v2_stage(sandbox, chat, "live")["AccessLogSettings"] == chat_stage["AccessLogSettings"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack(sandbox, NAME)["Outputs"]}
    assert outputs["Echo"] == "bye"

    stack_id = stack(sandbox, NAME)["StackId"]
    sandbox.client("cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, stack_id)["StackStatus"] == "DELETE_COMPLETE", failures(sandbox, stack_id)
    keeper.wait_until_quiet()
    assert not any(is_there(keeper, each) for each in (api, web, chat))
    assert logs not in log_group_names(keeper)
    # CDK retains the log role, and the account's setting with it.
    assert log_role(sandbox) == f"arn:aws:iam::{sandbox.account_id}:role/{made[cdk.LOG_ROLE]}"
