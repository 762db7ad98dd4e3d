"""Log Keeper in the hub of an organization in simulated time, and scenarios in a member account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from log_keeper.settings import Organization
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from testing.accounts import get_stage, make_rest_stage, make_role, set_log_role
from testing.builders import updated
from testing.organizations import new_member, new_organization
from testing.scenarios import VALID_ROLE
from testing.world import World, world

MEMBER = "111111111111"
READ, REMEDIATE = "log-keeper-member-read", "log-keeper-member-remediate"
MEMBERS, ENFORCE = "log-keeper-members", "log-keeper-enforce"
GOVERNED = Organization(
    units=("r-ab12",),
    excluded_accounts=(),
    member_read_role=f"/{READ}",
    member_remediate_role=f"/{REMEDIATE}",
    members_stack_set=MEMBERS,
    enforce_stack_set=ENFORCE,
    rules=("log-keeper-stages",),
)
#: What the roles may do in the member account. What they may not is tested with the real templates.
MAY_READ = ["apigateway:GET", "cloudtrail:*", "events:*", "iam:Get*", "iam:List*", "iam:Simulate*", "logs:*", "sqs:*"]
ACTIONS = {READ: MAY_READ, REMEDIATE: [*MAY_READ, "apigateway:*", "iam:PassRole"]}


@contextmanager
def organization_world(*, is_enforced: bool) -> Iterator[tuple[World, Account]]:
    """Start an organization of a hub and one member account, whose stacks are current."""
    with world(GOVERNED) as here:
        hub = here.sandbox
        organization = new_organization(hub)
        unit = organization.add_unit("workloads")
        member = new_member(hub, organization, MEMBER, unit)
        for role in (READ, REMEDIATE) if is_enforced else (READ,):
            _add_role(hub, member, role)
        _add_stack_set(here, MEMBERS, [unit])
        _add_stack_set(here, ENFORCE, [unit] if is_enforced else [])
        arn = make_role(member, VALID_ROLE)
        here.time.sleep(2 * hub.iam_propagation_seconds)
        set_log_role(member, arn)
        yield here, member


def _add_role(hub: Sandbox, member: Account, name: str) -> None:
    iam = member.client("iam")
    principal = {"AWS": f"arn:aws:iam::{hub.account_id}:root"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(Action="sts:AssumeRole", Principal=principal))
    iam.put_role_policy(
        RoleName=name, PolicyName="own", PolicyDocument=_policy(Action=ACTIONS[name], Resource="*")
    )  # fmt: skip


def _add_stack_set(here: World, name: str, units: list[str]) -> None:
    """Create a stack set of a template without resources of Log Keeper: the roles exist already."""
    client = here.sandbox.client("cloudformation")
    where: dict[str, Any] = {"StackSetName": name, "CallAs": "DELEGATED_ADMIN"}
    body = json.dumps({"Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
    client.create_stack_set(**where, TemplateBody=body, PermissionModel="SERVICE_MANAGED")
    if units:
        targets = {"OrganizationalUnitIds": units}
        client.create_stack_instances(**where, DeploymentTargets=targets, Regions=["us-east-1"])
        here.sandbox.wait_until(
            lambda: {each["Status"] for each in client.list_stack_instances(**where)["Summaries"]} == {"CURRENT"}
        )


def _policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def has_logs(member: Account, api_id: str) -> bool:
    """Return whether the stage has access logs and execution logs at ERROR."""
    stage = get_stage(member, api_id)
    levels = {each.get("loggingLevel") for each in stage["methodSettings"].values()}
    return "destinationArn" in stage.get("accessLogSettings", {}) and levels == {"ERROR"}


def _changed(here: World, member: Account) -> Callable[[], bool]:
    api_id = make_rest_stage(member)
    here.send(updated(api_id, "prod") | {"account": MEMBER})
    return lambda: has_logs(member, api_id)


def _swept(here: World, member: Account) -> Callable[[], bool]:
    api_id = make_rest_stage(member)
    here.begin_sweep()
    return lambda: has_logs(member, api_id)


#: With the check whether all stages are compliant. Each scenario prepares an enforced member account.
MEMBER_SCENARIOS: dict[str, Callable[[World, Account], Callable[[], bool]]] = {
    "change in a member account": _changed,
    "sweep of a member account": _swept,
}
