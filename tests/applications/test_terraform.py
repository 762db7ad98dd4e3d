"""Terraform: its own calls, in its order, of ``apply``, ``apply`` with a change, and ``destroy``.

The configuration: ``aws_api_gateway_account`` with its role, a REST API with a method, ``aws_api_gateway_stage`` with
``access_log_settings``, and two of ``aws_api_gateway_method_settings``: ``*/*``, and ``pets/GET`` without ``~1``, as
its documentation says. *Source:* the calls that terraform-provider-aws 5.100.0 made when it was run against the
sandbox; it retries UpdateAccount while the role has not spread (``internal/service/apigateway/account.go``).
"""

from __future__ import annotations

import json
from typing import Any

from testing.accounts import PUSH_POLICY, TRUST, get_stage, log_role
from testing.applications.account_view import GROUP, destination, entries, is_there, log_group_names
from testing.stacks import Deployed

FORMAT = "$context.requestId $context.identity.sourceIp $context.status"
ROLE, ACCESS = "api-gateway-logs", "shop-access"


def replaced(**values: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": path, "value": value} for path, value in values.items()]


def apply(keeper: Deployed) -> tuple[str, str, str]:
    """Create everything. Return the ids of the API, its deployment and its resource."""
    iam, logs = keeper.sandbox.client("iam"), keeper.sandbox.client("logs")
    gateway = keeper.sandbox.client("apigateway")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    logs.create_log_group(logGroupName=ACCESS)
    logs.put_retention_policy(logGroupName=ACCESS, retentionInDays=14)
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=PUSH_POLICY)
    logs.describe_log_groups(logGroupNamePrefix=ACCESS)
    api = gateway.create_rest_api(name="shop")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    pets = gateway.create_resource(restApiId=api, parentId=root, pathPart="pets")["id"]
    gateway.put_method(restApiId=api, resourceId=pets, httpMethod="GET", authorizationType="NONE")
    gateway.update_account(patchOperations=replaced(**{"/cloudwatchRoleArn": role}))
    gateway.put_integration(
        restApiId=api, resourceId=pets, httpMethod="GET", type="MOCK", connectionType="INTERNET", timeoutInMillis=29_000
    )
    deployment = gateway.create_deployment(
        restApiId=api, stageName="", stageDescription="", description="", variables={}
    )["id"]
    gateway.create_stage(restApiId=api, stageName="prod", deploymentId=deployment)
    update(
        keeper,
        api,
        **{
            "/deploymentId": deployment,
            "/accessLogSettings/destinationArn": GROUP + ACCESS,
            "/accessLogSettings/format": FORMAT,
        },
    )
    gateway.get_stage(restApiId=api, stageName="prod")
    update(
        keeper,
        api,
        **{
            "/pets/GET/logging/loglevel": "OFF",
            "/pets/GET/logging/dataTrace": "true",
            "/pets/GET/throttling/burstLimit": "5",
            "/pets/GET/throttling/rateLimit": "10.000000",
        },
    )
    update(
        keeper,
        api,
        **{
            "/*/*/metrics/enabled": "true",
            "/*/*/logging/loglevel": "INFO",
            "/*/*/throttling/burstLimit": "-1",
            "/*/*/throttling/rateLimit": "-1.000000",
        },
    )
    gateway.get_stage(restApiId=api, stageName="prod")
    return api, deployment, pets


def update(keeper: Deployed, api: str, **values: str) -> None:
    keeper.sandbox.client("apigateway").update_stage(
        restApiId=api, stageName="prod", patchOperations=replaced(**values)
    )


def destroy(keeper: Deployed, api: str, deployment: str, pets: str) -> None:
    gateway, iam = keeper.sandbox.client("apigateway"), keeper.sandbox.client("iam")
    for path in ("/*/*", "/pets/GET"):
        patch: list[dict[str, Any]] = [{"op": "remove", "path": path}]
        gateway.update_stage(restApiId=api, stageName="prod", patchOperations=patch)
    gateway.delete_stage(restApiId=api, stageName="prod")
    keeper.sandbox.client("logs").delete_log_group(logGroupName=ACCESS)
    gateway.delete_deployment(restApiId=api, deploymentId=deployment)
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=PUSH_POLICY)
    gateway.delete_integration(restApiId=api, resourceId=pets, httpMethod="GET")
    gateway.delete_method(restApiId=api, resourceId=pets, httpMethod="GET")
    iam.delete_role(RoleName=ROLE)
    gateway.delete_resource(restApiId=api, resourceId=pets)
    gateway.delete_rest_api(restApiId=api)


def test_stage_of_terraform_is_remediated_after_each_apply_and_can_be_destroyed(keeper: Deployed) -> None:
    api, deployment, pets = apply(keeper)
    keeper.wait_until_compliant(api)
    assert entries(keeper, api, "prod") == {"*/*": ("ERROR", False), "pets/GET": ("ERROR", False)}
    stage = get_stage(keeper.sandbox, api)
    assert (stage["methodSettings"]["pets/GET"]["throttlingBurstLimit"], stage["deploymentId"]) == (5, deployment)
    assert stage["methodSettings"]["*/*"]["metricsEnabled"] is True
    assert destination(keeper, api, "prod") == GROUP + ACCESS
    assert log_role(keeper.sandbox) == f"arn:aws:iam::{keeper.sandbox.account_id}:role/{ROLE}"

    # Its next plan shows what Log Keeper changed, and its apply restores its own values.
    update(
        keeper,
        api,
        **{
            "/*/*/logging/loglevel": "INFO",
            "/*/*/throttling/burstLimit": "-1",
            "/*/*/throttling/rateLimit": "-1.000000",
            "/*/*/caching/ttlInSeconds": "300",
        },
    )
    update(keeper, api, **{"/pets/GET/logging/loglevel": "OFF", "/pets/GET/logging/dataTrace": "true"})
    keeper.wait_until_compliant(api)
    assert entries(keeper, api, "prod") == {"*/*": ("ERROR", False), "pets/GET": ("ERROR", False)}

    destroy(keeper, api, deployment, pets)
    keeper.wait_until_quiet()
    assert not is_there(keeper, api)
    assert ACCESS not in log_group_names(keeper)
