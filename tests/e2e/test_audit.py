"""Audit mode: everything is read, planned and reported; nothing is changed, and nothing could be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testing import trials
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    v2_stage,
)
from testing.permissions import Permission, each, granted
from testing.stacks import Deployed

#: How the account begins.
HAS_LOG_ROLE = False


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    return deploy(Mode="Audit")


def test_stage_is_reported_and_left(stack: Deployed) -> None:
    api_id = make_rest_stage(stack.sandbox)
    line = stack.wait_until_logged("would be remediated", api_id)
    assert '"setting":"execution logging level"' in line
    assert '"setting":"access log destination"' in line
    assert f'"/aws/vendedlogs/apigateway/{api_id}/prod":"would be created"' in line
    assert '"created"' not in line
    stage = get_stage(stack.sandbox, api_id)
    assert levels(stage) == {}
    assert "accessLogSettings" not in stage
    assert not [name for name in log_groups(stack.sandbox) if api_id in name]


def test_http_and_websocket_stages_are_reported_and_left(stack: Deployed) -> None:
    http, websocket = make_http_stage(stack.sandbox), make_websocket_stage(stack.sandbox)
    stack.wait_until_logged("would be remediated", http, '"protocol":"HTTP"')
    stack.wait_until_logged("would be remediated", websocket, '"protocol":"WEBSOCKET"')
    assert "AccessLogSettings" not in v2_stage(stack.sandbox, http, "$default")
    assert "AccessLogSettings" not in v2_stage(stack.sandbox, websocket)


def test_missing_log_role_is_reported_and_not_created(stack: Deployed) -> None:
    stack.sandbox.wait_until(lambda: any("Log role invalid" in line for line in stack.log()))
    assert log_role(stack.sandbox) is None
    assert stack.wait_until_quiet() == 0


#: What Audit mode does without.
ENFORCE_ALONE = sorted(set(granted({})) - set(granted({"Mode": "Audit"})))


@pytest.fixture(scope="module")
def scene(stack: Deployed) -> trials.Scene:
    made = trials.scene(stack.sandbox)
    stack.wait_until_quiet()
    return made


@pytest.mark.parametrize("permission", ENFORCE_ALONE, ids=str)
def test_call_that_only_enforce_mode_allows_is_refused(
    stack: Deployed, scene: trials.Scene, permission: Permission
) -> None:
    trials.assert_refused(stack.sandbox, permission, scene)


def test_no_policy_of_the_role_names_what_only_enforce_mode_allows(stack: Deployed) -> None:
    """On any resource: a refused call names only the first permission that is missing."""
    iam, name = stack.sandbox.client("iam"), trials.role_arn(stack.sandbox, "EnforceRole").rsplit("/", 1)[-1]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    held = {permission.action for document in documents for permission in each("EnforceRole", document)}
    assert held & {permission.action for permission in ENFORCE_ALONE} == set()
    assert not [action for action in held if "*" in action]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
