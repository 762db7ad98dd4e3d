"""With parameter LogRoleArn the owner makes the role, and the function may make or change none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts import log_role, make_role, make_stage
from sandbox.account import Sandbox
from stacks import Deployed


@pytest.fixture(scope="module")
def stack(account: Sandbox, deploy: Callable[..., Deployed]) -> Deployed:
    return deploy(LogRoleArn=make_role(account, "OwnersLogRole"))


def test_owners_role_is_set(stack: Deployed) -> None:
    stack.wait_until_in_line(make_stage(stack.sandbox))
    assert str(log_role(stack.sandbox)).endswith(":role/OwnersLogRole")


def test_function_may_make_no_role(stack: Deployed) -> None:
    """Asked with the function's own credentials."""
    role_arn = next(
        role["Arn"] for role in stack.sandbox.client("iam").list_roles()["Roles"] if "EnforceRole" in role["RoleName"]
    )
    credentials = stack.sandbox.caller_of_role(role_arn, "test")
    iam = stack.sandbox.client("iam", caller=stack.sandbox.caller_of_key(credentials["AccessKeyId"]))
    for call, parameters in (
        (iam.create_role, {"RoleName": "APIGatewayCloudWatchLogs", "AssumeRolePolicyDocument": "{}"}),
        (iam.update_assume_role_policy, {"RoleName": "OwnersLogRole", "PolicyDocument": "{}"}),
        (
            iam.attach_role_policy,
            {"RoleName": "OwnersLogRole", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
    ):
        with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
            call(**parameters)
    assert iam.get_role(RoleName="OwnersLogRole")["Role"]["RoleName"] == "OwnersLogRole"
