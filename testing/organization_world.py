"""Log Keeper in the hub of an organization in simulated time, and scenarios in a member account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.core.account import Account
from testing.accounts import get_stage, make_rest_stage, make_role, set_log_role
from testing.builders import ORGANIZATION_SETTINGS, updated
from testing.organizations import add_role, add_stack_set, new_member, new_organization
from testing.scenarios import VALID_ROLE
from testing.world import World, world

MEMBER = "111111111111"
READ, REMEDIATE = "log-keeper-member-read", "log-keeper-member-remediate"
MEMBERS, ENFORCE = "log-keeper-members", "log-keeper-enforce"
#: What the roles may do in the member account. What they may not is tested with the real templates.
MAY_READ = ["apigateway:GET", "cloudtrail:*", "events:*", "iam:Get*", "iam:List*", "iam:Simulate*", "logs:*", "sqs:*"]
ACTIONS = {READ: MAY_READ, REMEDIATE: [*MAY_READ, "apigateway:*", "iam:PassRole"]}


@contextmanager
def organization_world(*, is_enforced: bool) -> Iterator[tuple[World, Account]]:
    """Start an organization of a hub and one member account, whose stacks are current."""
    with world(ORGANIZATION_SETTINGS._replace(units=("r-ab12",))) as here:
        hub = here.sandbox
        organization = new_organization(hub)
        unit = organization.add_unit("workloads")
        member = new_member(hub, organization, MEMBER, unit)
        for role in (READ, REMEDIATE) if is_enforced else (READ,):
            add_role(member, role, *ACTIONS[role])
        add_stack_set(hub, MEMBERS, [unit])
        add_stack_set(hub, ENFORCE, [unit] if is_enforced else [])
        arn = make_role(member, VALID_ROLE)
        here.time.sleep(2 * hub.iam_propagation_seconds)
        set_log_role(member, arn)
        yield here, member


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
