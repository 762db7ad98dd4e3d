"""Member accounts: which role the functions get in them, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import MemberRoleError
from log_keeper.aws.members import Members, list_instances
from log_keeper.aws.pace import Pace
from log_keeper.settings import Deployment
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.clock import MovableClock
from sandbox.services.organizations.organization import Organization
from testing.builders import DEPLOYMENT, ORGANIZATION_SETTINGS
from testing.organizations import add_role, add_stack_set, caller_with, new_member, new_organization

MEMBER, EXCLUDED = "111111111111", "222222222222"
READ, REMEDIATE = "log-keeper-member-read", "log-keeper-member-remediate"
GOVERNING = DEPLOYMENT._replace(organization=ORGANIZATION_SETTINGS._replace(excluded_accounts=(EXCLUDED,)))
#: What the hub's functions may do.
ALLOWED = (
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
    {"Effect": "Allow", "Action": "cloudformation:ListStackInstances", "Resource": "*"},
    {"Effect": "Allow", "Action": "organizations:ListDelegatedAdministrators", "Resource": "*"},
)
MAY_DESCRIBE = {"Effect": "Allow", "Action": "organizations:DescribeAccount", "Resource": "*"}


@pytest.fixture
def hub() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        yield sandbox


@pytest.fixture
def organization(hub: Sandbox) -> Organization:
    return new_organization(hub)


@pytest.fixture
def member(hub: Sandbox, organization: Organization) -> Account:
    return new_member(hub, organization, MEMBER, organization.add_unit("workloads"))


def members(
    hub: Sandbox, deployment: Deployment = GOVERNING, *, remediates: bool = True, may_describe: bool = True
) -> Members:
    session = hub.session(caller_with(hub, "function", *ALLOWED, *((MAY_DESCRIBE,) if may_describe else ())))
    return Members(Clients(lambda: Pace(10), session), deployment, hub.now, remediates=remediates)


def deploy_stack_set(hub: Sandbox, name: str) -> None:
    """Create a stack set whose stacks in all units are current, and contain no role."""
    organization = hub.client("organizations")
    [root] = organization.list_parents(ChildId=hub.account_id)["Parents"]
    units = organization.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
    add_stack_set(hub, name, [unit["Id"] for unit in units])


def assumed(hub: Sandbox) -> list[str]:
    return [record.call.params["RoleArn"] for record in hub.calls if record.call.operation == "AssumeRole"]


@pytest.mark.parametrize(
    ("roles", "is_audit"),
    [((READ, REMEDIATE), False), ((READ,), True), ((), None)],
    ids=["enforced", "audited", "none"],
)
def test_role_that_can_be_assumed_is_the_mode(
    hub: Sandbox, member: Account, roles: tuple[str, ...], is_audit: bool | None
) -> None:
    for role in roles:
        add_role(member, role)
    deploy_stack_set(hub, "log-keeper-others")
    deployment = GOVERNING._replace(
        organization=GOVERNING.organization and GOVERNING.organization._replace(
            members_stack_set="log-keeper-others" if roles else "log-keeper-none", enforce_stack_set="log-keeper-none"
        )
    )  # fmt: skip
    add_stack_set(hub, "log-keeper-none")
    found = members(hub, deployment).member(MEMBER)
    if is_audit is None:
        assert found is None
        return
    assert found is not None
    assert found.deployment.is_audit is is_audit
    assert found.deployment.account.account_id == MEMBER
    assert found.deployment.own_role_arn == f"arn:aws:iam::{MEMBER}:role/{REMEDIATE}"
    identity = found.clients.sts("us-east-1").get_caller_identity()
    assert identity["Arn"].split("/")[1] == (READ if is_audit else REMEDIATE)
    # The stack's own queues stay those of the hub.
    assert found.clients.sqs().meta.region_name == "us-east-1"
    assert found.clients.sqs() is not found.clients.sqs("us-east-1")


def test_remediate_role_is_not_tried_in_audit_mode_and_by_the_sweep(hub: Sandbox, member: Account) -> None:
    for role in (READ, REMEDIATE):
        add_role(member, role)
    assert members(hub, GOVERNING._replace(is_audit=True)).member(MEMBER) is not None
    assert assumed(hub) == [f"arn:aws:iam::{MEMBER}:role/{READ}"]


@pytest.mark.parametrize("stack_set", ["log-keeper-members", "log-keeper-enforce"])
def test_role_that_is_refused_although_its_stack_is_current_is_an_error(
    hub: Sandbox, member: Account, stack_set: str
) -> None:
    for name in ("log-keeper-members", "log-keeper-enforce"):
        if name == stack_set:
            deploy_stack_set(hub, name)
    if stack_set == "log-keeper-members":
        deploy_stack_set(hub, "log-keeper-enforce")
        add_role(member, REMEDIATE)
        found = members(hub, remediates=False)
    else:
        add_role(member, READ)
        found = members(hub)
    role = READ if stack_set == "log-keeper-members" else REMEDIATE
    with pytest.raises(MemberRoleError, match=f"{role} cannot be assumed although the stack of {stack_set}"):
        found.member(MEMBER)


def test_credentials_are_kept_and_then_refreshed(hub: Sandbox, member: Account) -> None:
    add_role(member, REMEDIATE)
    found = members(hub)
    first = found.member(MEMBER)
    assert found.member(MEMBER) is first
    assert len(assumed(hub)) == 1
    assert first is not None
    first.clients.pace("us-east-1").take(5)
    clock = hub.clock
    assert isinstance(clock, MovableClock)
    clock.advance(timedelta(minutes=41))
    second = found.member(MEMBER)
    assert second is not None
    assert second is not first
    assert len(assumed(hub)) == 2
    assert second.clients.pace("us-east-1") is first.clients.pace("us-east-1")


def test_promotion_takes_effect_within_minutes_and_at_once_for_the_sweeps_own_messages(
    hub: Sandbox, member: Account
) -> None:
    add_role(member, READ)
    deploy_stack_set(hub, "log-keeper-others")
    organization = GOVERNING.organization
    assert organization is not None
    add_stack_set(hub, "log-keeper-enforce")
    found = members(hub)
    first = found.member(MEMBER)
    assert first is not None
    assert first.deployment.is_audit
    add_role(member, REMEDIATE)
    assert found.member(MEMBER) is first
    promoted = found.member(MEMBER, should_be_enforced=True)
    assert promoted is not None
    assert not promoted.deployment.is_audit


def test_instances_are_listed_with_their_status(hub: Sandbox, member: Account) -> None:
    deploy_stack_set(hub, "log-keeper-members")
    session = hub.session(caller_with(hub, "lister", *ALLOWED))
    clients = Clients(lambda: Pace(10), session)
    [instance] = list_instances(clients, GOVERNING, "log-keeper-members")
    assert (instance.account, instance.region, instance.is_current, instance.status) == (
        MEMBER, "us-east-1", True, "CURRENT",
    )  # fmt: skip
    assert list(list_instances(clients, GOVERNING, "log-keeper-members", "999999999998")) == []


@pytest.mark.parametrize("may_describe", [True, False])
def test_account_has_its_name_and_unit_where_organizations_says_them(
    hub: Sandbox, organization: Organization, member: Account, *, may_describe: bool
) -> None:
    add_role(member, REMEDIATE)
    found = members(hub, may_describe=may_describe).member(MEMBER)
    assert found is not None
    known = {"accountName": "account-1111", "organizationalUnitId": organization.parents[MEMBER]}
    assert found.deployment.account.known() == (known if may_describe else {})


def test_name_and_unit_are_read_again_after_an_hour(hub: Sandbox, member: Account) -> None:
    add_role(member, REMEDIATE)
    found = members(hub)
    clock = hub.clock
    assert isinstance(clock, MovableClock)
    for minutes, described in ((0, 1), (41, 1), (41, 2)):
        clock.advance(timedelta(minutes=minutes))
        assert found.member(MEMBER) is not None
        assert len([each for each in hub.calls if each.call.operation == "DescribeAccount"]) == described


def test_role_is_assumed_again_after_its_credentials_were_refused(hub: Sandbox, member: Account) -> None:
    add_role(member, REMEDIATE)
    found = members(hub)
    first = found.member(MEMBER)
    found.forget(MEMBER)
    assert found.member(MEMBER) is not first
    assert len(assumed(hub)) == 2


@pytest.mark.usefixtures("member")
def test_account_that_is_left_out_is_not_governed_although_its_roles_exist(
    hub: Sandbox, organization: Organization
) -> None:
    other = new_member(hub, organization, EXCLUDED, organization.parents[MEMBER])
    add_role(other, REMEDIATE)
    assert members(hub).member(EXCLUDED) is None
    assert assumed(hub) == []


def test_the_clients_of_few_accounts_are_kept(
    hub: Sandbox, organization: Organization, member: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("log_keeper.aws.members._MOST", 2)
    unit = organization.parents[MEMBER]
    accounts = [member, *(new_member(hub, organization, f"33333333333{number}", unit) for number in range(2))]
    found = members(hub)
    for account in accounts:
        add_role(account, REMEDIATE)
        kept = found.member(account.account_id)
        assert kept is not None
        kept.clients.sts("us-east-1")
        kept.clients.iam("us-east-1")
    assert list(found.kept()) == [accounts[1].account_id, accounts[2].account_id]
    assert found.member(accounts[2].account_id) is kept
    assert list(found.kept()) == [accounts[2].account_id]
