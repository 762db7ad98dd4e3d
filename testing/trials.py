"""Try the permissions of the stack's roles with their own credentials: one call for each permission of Enforce mode."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from testing.accounts import PUSH_POLICY, TRUST, make_http_stage, make_rest_stage, make_role, make_websocket_stage
from testing.permissions import TRIAL, Permission

#: The name of the log role that Log Keeper creates by default.
MADE = "APIGatewayCloudWatchLogs"
OF_LAMBDA: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

#: The log group of each scene.
LOG_GROUP = "team/shop"

#: Return the client of a service with the credentials of the role.
type Client = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a region has that the roles can change, besides the log group: an API of each protocol."""

    region: str
    rest: str
    http: str
    websocket: str


def scene(sandbox: Sandbox, region: str = "us-east-1") -> Scene:
    """Create a scene, and a role with the name of Log Keeper's log role that API Gateway cannot use."""
    if MADE not in _roles(sandbox):
        make_role(sandbox, MADE, OF_LAMBDA, policy=None)
    sandbox.client("logs", region).create_log_group(logGroupName=LOG_GROUP)
    return Scene(
        region,
        make_rest_stage(sandbox, region=region),
        make_http_stage(sandbox, region=region),
        make_websocket_stage(sandbox, region=region),
    )


def role_arn(sandbox: Sandbox, logical_id: str) -> str:
    """Return the ARN of one of the stack's roles by its logical id."""
    return next(str(role["Arn"]) for name, role in _roles(sandbox).items() if f"-{logical_id}-" in name)


def client_of(sandbox: Sandbox, logical_id: str, region: str = "us-east-1") -> Client:
    """Return a factory of clients that use new credentials of one of the stack's roles."""
    credentials = sandbox.caller_of_role(role_arn(sandbox, logical_id), TRIAL)
    caller = sandbox.caller_of_key(credentials["AccessKeyId"])
    return lambda service: sandbox.client(service, region, caller=caller)


def _deliver_logs(client: Client, scene: Scene) -> None:
    """Update an HTTP API's access logs: API Gateway checks these permissions. No call of customers needs them."""
    client("apigatewayv2").update_stage(
        ApiId=scene.http,
        StageName="$default",
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:{scene.region}:{Sandbox.account_id}:log-group:{LOG_GROUP}",
            "Format": "$context.requestId",
        },
    )


def _set_log_role(client: Client, scene: Scene) -> None:
    operation = {
        "op": "replace",
        "path": "/cloudwatchRoleArn",
        "value": f"arn:aws:iam::{Sandbox.account_id}:role/{MADE}",
    }
    client("apigateway").update_account(patchOperations=[operation])


def schedule(client: Client, call: str, role: str = f"arn:aws:iam::{Sandbox.account_id}:role/{MADE}") -> None:
    """Create, update or delete a schedule. ``call``: the method of the client."""
    getattr(client("scheduler"), call)(
        GroupName="log-keeper-opt-ins",
        Name="x",
        ScheduleExpression="at(2030-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:sqs:us-east-1:{Sandbox.account_id}:x", "RoleArn": role},
    )


#: A log group under each of the names that Log Keeper creates, in the order of the statement's resources.
CREATED_LOG_GROUPS = (
    "API-Gateway-Execution-Logs_a1b2c3d4e5/tried",
    "/aws/apigateway/a1b2c3d4e5/tried",
    "/aws/vendedlogs/apigateway/a1b2c3d4e5/tried",
    "/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/tried",
)


def _create_log_group(name: str, client: Client, _: Scene) -> None:
    client("logs").create_log_group(logGroupName=name)


def _set_retention(name: str, client: Client, _: Scene) -> None:
    client("logs").put_retention_policy(logGroupName=name, retentionInDays=1)


def _tag_log_group(name: str, client: Client, scene: Scene) -> None:
    arn = f"arn:aws:logs:{scene.region}:{Sandbox.account_id}:log-group:{name}"
    client("logs").tag_resource(resourceArn=arn, tags={"tried": "tried"})


_RENAMED = [{"op": "replace", "path": "/description", "value": "tried"}]
_STATEMENT = {"Effect": "Allow", "Principal": {"Service": "es.amazonaws.com"}, "Action": "logs:*", "Resource": "*"}
_POLICY = {"policyName": "tried", "policyDocument": json.dumps({"Version": "2012-10-17", "Statement": [_STATEMENT]})}

#: By statement, action, and which of the statement's resources: a call that needs this permission.
CALLS: dict[tuple[str, str, int], Callable[[Client, Scene], Any]] = {
    ("ChangeStages", "apigateway:PATCH", 0): lambda client, scene: client("apigateway").update_stage(
        restApiId=scene.rest, stageName="prod", patchOperations=_RENAMED
    ),
    ("ChangeStages", "apigateway:PATCH", 1): lambda client, scene: client("apigatewayv2").update_stage(
        ApiId=scene.websocket, StageName="prod", Description="tried"
    ),
    **{
        ("CreateLogGroupsThatExpire", action, number): partial(call, name)
        for action, call in {
            "logs:CreateLogGroup": _create_log_group,
            "logs:PutRetentionPolicy": _set_retention,
            "logs:TagResource": _tag_log_group,
        }.items()
        for number, name in enumerate(CREATED_LOG_GROUPS)
    },
    ("ReadStacksOfStages", "cloudformation:DescribeStacks", 0): lambda client, _: client(
        "cloudformation"
    ).describe_stacks(StackName=f"arn:aws:cloudformation:us-east-1:{Sandbox.account_id}:stack/log-keeper/x"),
    ("EnableHttpApiAccessLogs", "logs:CreateLogDelivery", 0): _deliver_logs,
    ("EnableHttpApiAccessLogs", "logs:GetLogDelivery", 0): _deliver_logs,
    ("EnableHttpApiAccessLogs", "logs:UpdateLogDelivery", 0): _deliver_logs,
    ("EnableHttpApiAccessLogs", "logs:DeleteLogDelivery", 0): _deliver_logs,
    ("EnableHttpApiAccessLogs", "logs:ListLogDeliveries", 0): _deliver_logs,
    ("EnableHttpApiAccessLogs", "logs:PutResourcePolicy", 0): lambda client, _: client("logs").put_resource_policy(
        **_POLICY
    ),
    ("ScheduleEndOfOptIns", "scheduler:GetSchedule", 0): lambda client, _: client("scheduler").get_schedule(
        GroupName="log-keeper-opt-ins", Name="x"
    ),
    ("ScheduleEndOfOptIns", "scheduler:CreateSchedule", 0): lambda client, _: schedule(client, "create_schedule"),
    ("ScheduleEndOfOptIns", "scheduler:UpdateSchedule", 0): lambda client, _: schedule(client, "update_schedule"),
    ("ScheduleEndOfOptIns", "scheduler:DeleteSchedule", 0): lambda client, _: client("scheduler").delete_schedule(
        GroupName="log-keeper-opt-ins", Name="x"
    ),
    ("PassScheduleRole", "iam:PassRole", 0): lambda client, _: schedule(client, "create_schedule"),
    ("ChangeAccountSettings", "apigateway:PATCH", 0): lambda client, _: client("apigateway").update_account(
        patchOperations=[]
    ),
    ("PassLogRole", "iam:PassRole", 0): _set_log_role,
    ("CreateTheLogRole", "iam:CreateRole", 0): lambda client, _: client("iam").create_role(
        RoleName=MADE, AssumeRolePolicyDocument=json.dumps(TRUST)
    ),
    ("RepairLogRoleTrust", "iam:UpdateAssumeRolePolicy", 0): lambda client, _: client("iam").update_assume_role_policy(
        RoleName=MADE, PolicyDocument=json.dumps(TRUST)
    ),
    ("AttachLogRolePolicy", "iam:AttachRolePolicy", 0): lambda client, _: client("iam").attach_role_policy(
        RoleName=MADE, PolicyArn=PUSH_POLICY
    ),
}


def assert_refused(sandbox: Sandbox, permission: Permission, scene: Scene) -> None:
    """Assert that the role may not make the call that needs the permission, and that nothing has changed.

    Raise KeyError for a permission of the template that CALLS does not have.
    """
    call = CALLS[permission.sid, permission.action, permission.number]
    client, before = client_of(sandbox, permission.role, scene.region), state(sandbox, scene.region)
    with pytest.raises(ClientError) as refusal:
        call(client, scene)
    assert refusal.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    assert state(sandbox, scene.region) == before


def state(sandbox: Sandbox, region: str) -> dict[str, Any]:
    """Return everything in a region that the stack could change, and all roles."""
    rest, v2, logs = (sandbox.client(service, region) for service in ("apigateway", "apigatewayv2", "logs"))
    scheduler, account = sandbox.client("scheduler"), rest.get_account()
    return {
        "stages": [rest.get_stages(restApiId=api["id"])["item"] for api in rest.get_rest_apis()["items"]],
        "v2 stages": [v2.get_stages(ApiId=api["ApiId"])["Items"] for api in v2.get_apis()["Items"]],
        "log role": account.get("cloudwatchRoleArn"),
        # Without their size, which changes by itself.
        "log groups": [group | {"storedBytes": None} for group in logs.describe_log_groups()["logGroups"]],
        "resource policies": logs.describe_resource_policies()["resourcePolicies"],
        "schedules": scheduler.list_schedules()["Schedules"],
        "roles": _roles(sandbox),
        "attached": {name: _attached(sandbox, name) for name in _roles(sandbox)},
    }


def _roles(sandbox: Sandbox) -> dict[str, Any]:
    return {role["RoleName"]: role for role in sandbox.client("iam").list_roles()["Roles"]}


def _attached(sandbox: Sandbox, name: str) -> list[Any]:
    iam = sandbox.client("iam")
    return [
        *iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
        *iam.list_role_policies(RoleName=name)["PolicyNames"],
    ]
