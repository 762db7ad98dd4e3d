"""Create what teams have in an account (APIs, stages, roles, log groups) with few calls, and read its state back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.core.account import ACCOUNT_ID, Account

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
PUSH_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


@contextmanager
def turned(sandbox: Account, **switches: Any) -> Iterator[None]:
    """Set behaviour switches of the sandbox, and reset them at the end."""
    usual = sandbox.behaviour
    sandbox.turn(**switches)
    try:
        yield
    finally:
        sandbox.accounts.behaviour = usual


def make_rest_api(sandbox: Account, region: str = "us-east-1") -> str:
    """Create a REST API with one mock method and no deployment. Return its id."""
    client = sandbox.client("apigateway", region)
    api_id: str = client.create_rest_api(name="shop")["id"]
    root = client.get_resources(restApiId=api_id)["items"][0]["id"]
    client.put_method(restApiId=api_id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    client.put_integration(restApiId=api_id, resourceId=root, httpMethod="GET", type="MOCK")
    return api_id


def make_rest_stage(sandbox: Account, stage_name: str = "prod", region: str = "us-east-1") -> str:
    """Create a REST API and deploy it to a new stage. Return the API's id."""
    api_id = make_rest_api(sandbox, region)
    sandbox.client("apigateway", region).create_deployment(restApiId=api_id, stageName=stage_name)
    return api_id


def make_role(
    sandbox: Account, name: str = "Logs", trust: dict[str, Any] = TRUST, policy: str | None = PUSH_POLICY
) -> str:
    """Create a role, by default a valid log role. Return its ARN. ``policy``: ARN of a managed policy, or None."""
    iam = sandbox.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if policy is not None:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return arn


def make_log_key(sandbox: Account, region: str = "us-east-1") -> str:
    """Create a KMS key that CloudWatch Logs may use, and return its ARN."""
    account = {"AWS": f"arn:aws:iam::{sandbox.account_id}:root"}
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        for principal in (account, {"Service": f"logs.{region}.amazonaws.com"})
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    arn: str = sandbox.client("kms", region).create_key(Policy=policy)["KeyMetadata"]["Arn"]
    return arn


def set_log_role(sandbox: Account, role_arn: str, region: str = "us-east-1") -> None:
    """Set the log role in the account settings of API Gateway."""
    patch(sandbox.client("apigateway", region).update_account, ("replace", "/cloudwatchRoleArn", role_arn))


def give_log_role(sandbox: Account, region: str = "us-east-1") -> str:
    """Create a valid log role, ``logs``, set it in the region's account settings, and return its ARN."""
    arn = make_role(sandbox, "logs")
    set_log_role(sandbox, arn, region)
    return arn


def log_role(sandbox: Account, region: str = "us-east-1") -> str | None:
    """Return the ARN of the log role in the account settings of API Gateway, or None."""
    role_arn: str | None = sandbox.client("apigateway", region).get_account().get("cloudwatchRoleArn")
    return role_arn


def patch_stage(sandbox: Account, api_id: str, *operations: tuple[str, ...], stage_name: str = "prod") -> None:
    """Call UpdateStage on a REST stage with operations of the form (op, path, value)."""
    client = sandbox.client("apigateway")
    patch(lambda **kwargs: client.update_stage(restApiId=api_id, stageName=stage_name, **kwargs), *operations)


def patch(call: Any, *operations: tuple[str, ...]) -> None:
    """Call an update method of API Gateway with operations of the form (op, path, value)."""
    call(patchOperations=[dict(zip(("op", "path", "value"), operation, strict=False)) for operation in operations])


def make_leaking_stage(sandbox: Account) -> str:
    """Create a REST stage ``prod`` that logs request and response bodies, and set a log role. Return the API's id."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    return api_id


def get_stage(sandbox: Account, api_id: str, stage_name: str = "prod", region: str = "us-east-1") -> dict[str, Any]:
    """Return a REST stage as GetStage answers."""
    stage: dict[str, Any] = sandbox.client("apigateway", region).get_stage(restApiId=api_id, stageName=stage_name)
    return stage


def levels(stage: dict[str, Any]) -> dict[str, str | None]:
    """Return the logging level of each entry of a REST stage's method settings."""
    return {method: settings.get("loggingLevel") for method, settings in stage["methodSettings"].items()}


def log_groups(sandbox: Account, region: str = "us-east-1") -> dict[str, int | None]:
    """Return the retention of each log group in days, None where it never expires."""
    pages = sandbox.client("logs", region).get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}


def described_log_groups(sandbox: Account, region: str = "us-east-1") -> dict[str, dict[str, Any]]:
    """Return what DescribeLogGroups says about each log group, by name."""
    pages = sandbox.client("logs", region).get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"]: dict(group) for page in pages for group in page["logGroups"]}


def log_group_tags(sandbox: Account, region: str = "us-east-1") -> dict[str, dict[str, str]]:
    """Return the tags of each log group, by name."""
    logs, prefix = sandbox.client("logs", region), f"arn:aws:logs:{region}:{sandbox.account_id}:log-group:"
    names = log_groups(sandbox, region)
    return {name: logs.list_tags_for_resource(resourceArn=prefix + name)["tags"] for name in names}


def make_http_stage(sandbox: Account, stage_name: str = "$default", region: str = "us-east-1") -> str:
    """Create an HTTP API with one stage and return the API's id."""
    client = sandbox.client("apigatewayv2", region)
    api_id: str = client.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
    client.create_stage(ApiId=api_id, StageName=stage_name, AutoDeploy=True)
    return api_id


def make_websocket_stage(sandbox: Account, stage_name: str = "prod", region: str = "us-east-1", **stage: Any) -> str:
    """Create a WebSocket API with the routes ``$connect`` and ``send`` and one stage. Return the API's id."""
    client = sandbox.client("apigatewayv2", region)
    api_id: str = client.create_api(
        Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    for route in ("$connect", "send"):
        client.create_route(ApiId=api_id, RouteKey=route)
    client.create_stage(ApiId=api_id, StageName=stage_name, **stage)
    return api_id


def v2_stage(sandbox: Account, api_id: str, stage_name: str = "prod") -> dict[str, Any]:
    """Return a stage of an HTTP or WebSocket API as GetStage answers."""
    stage: dict[str, Any] = sandbox.client("apigatewayv2").get_stage(ApiId=api_id, StageName=stage_name)
    return stage


def tag_rest_stage(sandbox: Account, api_id: str, tags: dict[str, str]) -> None:
    """Add tags to stage ``prod`` of a REST API."""
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    sandbox.client("apigateway").tag_resource(resourceArn=arn, tags=tags)


def v2_arn(api_id: str, stage_name: str) -> str:
    """Return the ARN of a stage of an HTTP or WebSocket API."""
    return f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/{stage_name}"


def stage_arn(api_id: str, stage_name: str = "prod", region: str = "us-east-1") -> str:
    """Return the ARN of a REST stage as a source of log delivery, in its documented form."""
    return f"arn:aws:apigateway:{region}:{ACCOUNT_ID}:/restapis/{api_id}/stages/{stage_name}"


def make_delivery(
    sandbox: Account, api_id: str, destination: str, name: str = "shop", *, source_arn: str | None = None
) -> str:
    """Create a delivery of a stage's execution logs and return its id.

    ``name``: of its source and of its destination.
    """
    logs = sandbox.client("logs")
    logs.put_delivery_source(name=name, resourceArn=source_arn or stage_arn(api_id), logType="EXECUTION_LOGS")
    put = logs.put_delivery_destination(
        name=name, deliveryDestinationConfiguration={"destinationResourceArn": destination}
    )
    arn = put["deliveryDestination"]["arn"]
    return str(logs.create_delivery(deliverySourceName=name, deliveryDestinationArn=arn)["delivery"]["id"])
