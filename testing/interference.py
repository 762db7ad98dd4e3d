"""Changes in the account by another user, just before a call of Log Keeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.call import Call, Caller
from testing.accounts import (
    PUSH_POLICY,
    make_role,
    patch,
)
from testing.scenarios import VALID_ROLE


def _delete_log_groups(sandbox: Sandbox) -> None:
    logs = sandbox.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])


def _delete_stages(sandbox: Sandbox) -> None:
    rest, v2 = sandbox.client("apigateway"), sandbox.client("apigatewayv2")
    for api in rest.get_rest_apis()["items"]:
        for stage in rest.get_stages(restApiId=api["id"])["item"]:
            rest.delete_stage(restApiId=api["id"], stageName=stage["stageName"])
    for api in v2.get_apis()["Items"]:
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            v2.delete_stage(ApiId=api["ApiId"], StageName=stage["StageName"])


def _delete_apis(sandbox: Sandbox) -> None:
    rest, v2 = sandbox.client("apigateway"), sandbox.client("apigatewayv2")
    for api in rest.get_rest_apis()["items"]:
        rest.delete_rest_api(restApiId=api["id"])
    for api in v2.get_apis()["Items"]:
        v2.delete_api(ApiId=api["ApiId"])


def _delete_roles(sandbox: Sandbox) -> None:
    iam = sandbox.client("iam")
    for name in (VALID_ROLE, "APIGatewayCloudWatchLogs"):
        if any(role["RoleName"] == name for role in iam.list_roles()["Roles"]):
            for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
            iam.delete_role(RoleName=name)


def _set_another_log_role(sandbox: Sandbox) -> None:
    client = sandbox.client("apigateway")
    arn = f"arn:aws:iam::{sandbox.account_id}:role/Another"
    if "Another" not in [role["RoleName"] for role in sandbox.client("iam").list_roles()["Roles"]]:
        make_role(sandbox, "Another", policy=PUSH_POLICY)
        sandbox.role_changes.pop("Another")  # the role is not new, so that it can be used at once
        patch(client.update_account, ("replace", "/cloudwatchRoleArn", arn))


def _use_up_the_quota(sandbox: Sandbox) -> None:
    """Use up the account's quota of control plane calls, and that of UpdateAccount."""
    sandbox.quotas.are_on = True
    for _ in range(39):
        sandbox.client("apigateway").get_rest_apis()
    role = sandbox.client("apigateway").get_account().get("cloudwatchRoleArn")
    patch_account = sandbox.client("apigateway").update_account
    if role is not None:
        sandbox.quotas.are_on = False
        patch(patch_account, ("replace", "/cloudwatchRoleArn", role))
        sandbox.quotas.are_on = True


#: By name: the change, which is made once, and whether the stages still exist after it.
INTERFERENCES: dict[str, tuple[Callable[[Sandbox], None], bool]] = {
    "log groups deleted": (_delete_log_groups, True),
    "stages deleted": (_delete_stages, False),
    "APIs deleted": (_delete_apis, False),
    "log roles deleted": (_delete_roles, True),
    "another log role set": (_set_another_log_role, True),
    "quota used up": (_use_up_the_quota, True),
}


class Interference:
    """An interposer of the gateway that makes a change before Log Keeper's first call of an operation."""

    def __init__(self, program: Caller, service: str, operation: str, act: Callable[[Sandbox], None]) -> None:
        self._wanted = program, service, operation
        self._act = act
        self.has_acted = False

    def interpose(self, sandbox: Sandbox, call: Call, answer: Callable[[], Any]) -> Any:
        if not self.has_acted and (call.caller, call.service, call.operation) == self._wanted:
            self.has_acted = True
            self._act(sandbox)
        return answer()
