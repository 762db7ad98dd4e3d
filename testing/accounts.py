"""What teams do in an account, in the fewest calls, and what a look at it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.assembly import Sandbox

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
PUSH_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


@contextmanager
def turned(sandbox: Sandbox, **switches: Any) -> Iterator[None]:
    """Behaviour switches are in these positions, and then as they were."""
    usual = sandbox.behaviour
    sandbox.turn(**switches)
    try:
        yield
    finally:
        sandbox.behaviour = usual


def make_rest_api(sandbox: Sandbox, region: str = "us-east-1") -> str:
    """The id of a REST API with one mocked method, not deployed yet."""
    client = sandbox.client("apigateway", region)
    api_id: str = client.create_rest_api(name="shop")["id"]
    root = client.get_resources(restApiId=api_id)["items"][0]["id"]
    client.put_method(restApiId=api_id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    client.put_integration(restApiId=api_id, resourceId=root, httpMethod="GET", type="MOCK")
    return api_id


def make_rest_stage(sandbox: Sandbox, stage_name: str = "prod", region: str = "us-east-1") -> str:
    """The id of a new API, deployed to a new stage."""
    api_id = make_rest_api(sandbox, region)
    sandbox.client("apigateway", region).create_deployment(restApiId=api_id, stageName=stage_name)
    return api_id


def make_role(
    sandbox: Sandbox, name: str = "Logs", trust: dict[str, Any] = TRUST, policy: str | None = PUSH_POLICY
) -> str:
    """The ARN of a role, live by default."""
    iam = sandbox.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if policy is not None:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return arn


def make_log_key(sandbox: Sandbox, region: str = "us-east-1") -> str:
    """The ARN of a KMS key whose policy lets CloudWatch Logs use it."""
    account = {"AWS": f"arn:aws:iam::{sandbox.account_id}:root"}
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        for principal in (account, {"Service": f"logs.{region}.amazonaws.com"})
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    arn: str = sandbox.client("kms", region).create_key(Policy=policy)["KeyMetadata"]["Arn"]
    return arn


def set_log_role(sandbox: Sandbox, role_arn: str, region: str = "us-east-1") -> None:
    patch(sandbox.client("apigateway", region).update_account, ("replace", "/cloudwatchRoleArn", role_arn))


def give_log_role(sandbox: Sandbox, region: str = "us-east-1") -> str:
    """Create a valid log role, ``logs``, set it in the region's account settings, and return its ARN."""
    arn = make_role(sandbox, "logs")
    set_log_role(sandbox, arn, region)
    return arn


def log_role(sandbox: Sandbox, region: str = "us-east-1") -> str | None:
    role_arn: str | None = sandbox.client("apigateway", region).get_account().get("cloudwatchRoleArn")
    return role_arn


def patch_stage(sandbox: Sandbox, api_id: str, *operations: tuple[str, ...], stage_name: str = "prod") -> None:
    """UpdateStage with operations of (op, path, value)."""
    client = sandbox.client("apigateway")
    patch(lambda **kwargs: client.update_stage(restApiId=api_id, stageName=stage_name, **kwargs), *operations)


def patch(call: Any, *operations: tuple[str, ...]) -> None:
    call(patchOperations=[dict(zip(("op", "path", "value"), operation, strict=False)) for operation in operations])


def make_leaking_stage(sandbox: Sandbox) -> str:
    """The id of an API whose stage, ``prod``, logs request and response bodies, in an account with a log role."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    return api_id


def get_stage(sandbox: Sandbox, api_id: str, stage_name: str = "prod", region: str = "us-east-1") -> dict[str, Any]:
    stage: dict[str, Any] = sandbox.client("apigateway", region).get_stage(restApiId=api_id, stageName=stage_name)
    return stage


def levels(stage: dict[str, Any]) -> dict[str, str | None]:
    return {method: settings.get("loggingLevel") for method, settings in stage["methodSettings"].items()}


def log_groups(sandbox: Sandbox, region: str = "us-east-1") -> dict[str, int | None]:
    """Retention in days by name, None for a group that never expires."""
    pages = sandbox.client("logs", region).get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}


def make_http_stage(sandbox: Sandbox, stage_name: str = "$default", region: str = "us-east-1") -> str:
    """The id of a new HTTP API with one stage."""
    client = sandbox.client("apigatewayv2", region)
    api_id: str = client.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    client.create_stage(ApiId=api_id, StageName=stage_name, AutoDeploy=True)
    return api_id


def make_websocket_stage(sandbox: Sandbox, stage_name: str = "prod", region: str = "us-east-1", **stage: Any) -> str:
    """The id of a new WebSocket API with the routes ``$connect`` and ``send``, and one stage."""
    client = sandbox.client("apigatewayv2", region)
    api_id: str = client.create_api(
        Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    for route in ("$connect", "send"):
        client.create_route(ApiId=api_id, RouteKey=route)
    client.create_stage(ApiId=api_id, StageName=stage_name, **stage)
    return api_id


def v2_stage(sandbox: Sandbox, api_id: str, stage_name: str = "prod") -> dict[str, Any]:
    stage: dict[str, Any] = sandbox.client("apigatewayv2").get_stage(ApiId=api_id, StageName=stage_name)
    return stage


def v2_arn(api_id: str, stage_name: str) -> str:
    return f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/{stage_name}"


def stage_arn(api_id: str, stage_name: str = "prod", region: str = "us-east-1") -> str:
    """The ARN of a REST stage as a source of log delivery, in its documented form."""
    return f"arn:aws:apigateway:{region}:{Sandbox.account_id}:/restapis/{api_id}/stages/{stage_name}"


def make_delivery(
    sandbox: Sandbox, api_id: str, destination: str, name: str = "shop", *, source_arn: str | None = None
) -> str:
    """The id of a new delivery of a stage's execution logs; its source and its destination have the name."""
    logs = sandbox.client("logs")
    logs.put_delivery_source(name=name, resourceArn=source_arn or stage_arn(api_id), logType="EXECUTION_LOGS")
    put = logs.put_delivery_destination(
        name=name, deliveryDestinationConfiguration={"destinationResourceArn": destination}
    )
    arn = put["deliveryDestination"]["arn"]
    return str(logs.create_delivery(deliverySourceName=name, deliveryDestinationArn=arn)["delivery"]["id"])
