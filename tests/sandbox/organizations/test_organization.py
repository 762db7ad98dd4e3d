"""Organizations: units, moves, policies, and who may read them."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.organizations.organization import STACK_SETS, Organization
from testing.clients import refusal
from testing.organizations import MANAGEMENT, ORGANIZATION, caller_with, new_member, new_organization

FIRST, SECOND = "111111111111", "222222222222"


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


def test_delegated_administrator_reads_accounts_and_units(sandbox: Sandbox, organization: Organization) -> None:
    unit = organization.add_unit("workloads")
    new_member(sandbox, organization, FIRST, unit, "shop")
    client = sandbox.client("organizations")
    listed = {each["Id"]: each["Name"] for each in client.list_accounts()["Accounts"]}
    assert listed == {MANAGEMENT: "management", sandbox.account_id: "security-tooling", FIRST: "shop"}
    assert client.describe_account(AccountId=FIRST)["Account"]["Arn"] == (
        f"arn:aws:organizations::{MANAGEMENT}:account/{ORGANIZATION}/{FIRST}"
    )
    assert client.list_parents(ChildId=FIRST)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
    assert [each["Id"] for each in client.list_accounts_for_parent(ParentId=unit)["Accounts"]] == [FIRST]
    [found] = client.list_organizational_units_for_parent(ParentId=organization.root_id)["OrganizationalUnits"]
    assert (found["Id"], found["Name"]) == (unit, "workloads")
    assert [(each["Id"], each["Name"]) for each in client.list_roots()["Roots"]] == [(organization.root_id, "Root")]
    assert client.describe_organization()["Organization"]["MasterAccountId"] == MANAGEMENT


def test_account_has_a_state(sandbox: Sandbox, organization: Organization) -> None:
    """``State`` has replaced ``Status``. *Source:* Organizations API reference, "Account"."""
    new_member(sandbox, organization, FIRST, organization.root_id)
    organization.states[FIRST] = "SUSPENDED"
    listed = sandbox.client("organizations").list_accounts()["Accounts"]
    states = {each["Id"]: each["State"] for each in listed}
    assert states == {MANAGEMENT: "ACTIVE", sandbox.account_id: "ACTIVE", FIRST: "SUSPENDED"}
    assert not any("Status" in each for each in listed)


def test_accounts_are_listed_in_pages(sandbox: Sandbox, organization: Organization) -> None:
    pages = sandbox.client("organizations").get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 1})
    assert [len(page["Accounts"]) for page in pages] == [1, 1]


def test_other_members_may_not_read_the_organization(sandbox: Sandbox, organization: Organization) -> None:
    member = new_member(sandbox, organization, FIRST, organization.root_id)
    code, message = refusal(member.client("organizations").list_accounts)
    assert (code, message) == ("AccessDeniedException", "You don't have permissions to access this resource.")
    organization.delegated[STACK_SETS].clear()
    assert refusal(sandbox.client("organizations").list_accounts)[0] == "AccessDeniedException"


def test_account_outside_of_an_organization_has_none(sandbox: Sandbox) -> None:
    code, message = refusal(sandbox.client("organizations").describe_organization)
    assert code == "AWSOrganizationsNotInUseException"
    assert "not a member" in message


def test_caller_needs_the_permission_for_the_account(sandbox: Sandbox, organization: Organization) -> None:
    new_member(sandbox, organization, FIRST, organization.root_id)
    new_member(sandbox, organization, SECOND, organization.root_id)
    arn = f"arn:aws:organizations::*:account/{ORGANIZATION}/{FIRST}"
    allow = {"Effect": "Allow", "Action": "organizations:DescribeAccount", "Resource": arn}
    caller = caller_with(sandbox, "reader", allow)
    client = sandbox.client("organizations", caller=caller)
    assert client.describe_account(AccountId=FIRST)["Account"]["Id"] == FIRST
    assert refusal(lambda: client.describe_account(AccountId=SECOND))[0] == "AccessDeniedException"


def test_account_that_leaves_is_of_no_organization(sandbox: Sandbox, organization: Organization) -> None:
    member = new_member(sandbox, organization, FIRST, organization.root_id)
    assert member.organization_id == ORGANIZATION
    organization.leave(member)
    assert member.organization_id == ""
    code, _ = refusal(lambda: sandbox.client("organizations").describe_account(AccountId=FIRST))
    assert code == "AccountNotFoundException"
