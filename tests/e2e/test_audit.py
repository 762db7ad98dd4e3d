"""Audit mode: everything is read, planned and reported; nothing is changed, and nothing could be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_http_stage,
    make_stage,
    make_websocket_stage,
    v2_stage,
)
from stacks import Deployed


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    return deploy(Mode="Audit")


def test_stage_is_reported_and_left(stack: Deployed) -> None:
    api_id = make_stage(stack.sandbox)
    line = stack.wait_until_logged("would change", api_id)
    assert '"setting":"execution logging level"' in line
    assert '"setting":"access log destination"' in line
    stage = get_stage(stack.sandbox, api_id)
    assert levels(stage) == {}
    assert "accessLogSettings" not in stage
    assert not [name for name in log_groups(stack.sandbox) if api_id in name]


def test_http_and_websocket_stages_are_reported_and_left(stack: Deployed) -> None:
    http, websocket = make_http_stage(stack.sandbox), make_websocket_stage(stack.sandbox)
    stack.wait_until_logged("would change", http, '"protocol":"HTTP"')
    stack.wait_until_logged("would change", websocket, '"protocol":"WEBSOCKET"')
    assert "AccessLogSettings" not in v2_stage(stack.sandbox, http, "$default")
    assert "AccessLogSettings" not in v2_stage(stack.sandbox, websocket)


def test_dead_log_role_is_reported_and_left(stack: Deployed) -> None:
    stack.sandbox.wait_until(lambda: any("Account log role dead" in line for line in stack.log()))
    assert log_role(stack.sandbox) is None
    assert stack.wait_until_quiet() == 0


def test_role_lacks_the_permission_to_change_anything(stack: Deployed) -> None:
    """Asked with the function's own credentials."""
    sandbox, api_id = stack.sandbox, make_stage(stack.sandbox)
    enforcer = next(
        role["Arn"] for role in sandbox.client("iam").list_roles()["Roles"] if "EnforceRole" in role["RoleName"]
    )
    key = sandbox.caller_of_role(enforcer, "test")["AccessKeyId"]

    def client(service: str) -> object:
        return sandbox.client(service, caller=sandbox.caller_of_key(key))

    websocket = make_websocket_stage(sandbox)
    patch = [{"op": "replace", "path": "/description", "value": "x"}]
    for service, operation, parameters in (
        ("apigateway", "update_stage", {"restApiId": api_id, "stageName": "prod", "patchOperations": patch}),
        ("apigateway", "update_account", {"patchOperations": []}),
        ("apigatewayv2", "update_stage", {"ApiId": websocket, "StageName": "prod", "Description": "x"}),
        ("logs", "create_log_group", {"logGroupName": "x"}),
        ("logs", "put_retention_policy", {"logGroupName": stack.outputs["EnforceLogGroup"], "retentionInDays": 1}),
        ("iam", "create_role", {"RoleName": "APIGatewayCloudWatchLogs", "AssumeRolePolicyDocument": "{}"}),
        ("scheduler", "delete_schedule", {"GroupName": "log-keeper-opt-ins", "Name": "x"}),
    ):
        caller = client(service)
        with pytest.raises(caller.exceptions.ClientError, match="AccessDenied"):  # type: ignore[attr-defined]
            getattr(caller, operation)(**parameters)
