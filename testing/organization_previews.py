"""Accounts of an organization for tests of its preview: three members, with a role that reads in each."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.services.organizations.organization import Organization
from testing.accounts import make_rest_stage
from testing.organizations import MANAGEMENT, add_role, new_member

SHOP, PAY, LAB = "111111111111", "222222222222", "333333333333"
ROLE = "ops/Reader"


def new_members(sandbox: Sandbox, organization: Organization) -> dict[str, Account]:
    """Create three accounts with a stage each: shop and pay in units below ``workloads``, lab in the root."""
    workloads = organization.add_unit("workloads")
    units = {SHOP: organization.add_unit("prod", workloads), PAY: workloads, LAB: organization.root_id}
    names = {SHOP: "shop", PAY: "pay", LAB: "lab"}
    found = {each: new_member(sandbox, organization, each, unit, names[each]) for each, unit in units.items()}
    for account in found.values():
        account.iam_propagation_seconds = 0
        add_role(account, ROLE, "*")
        make_rest_stage(account)
    return found


def unit_id(organization: Organization, name: str) -> str:
    """Return the ID of the unit with the name."""
    return next(unit.unit_id for unit in organization.units.values() if unit.name == name)


def by_account(output: str) -> dict[str, dict[str, Any]]:
    """Return the accounts of the JSON document, by ID."""
    return {account["accountId"]: account for account in json.loads(output)["accounts"]}


def only_members(*arguments: str) -> list[str]:
    """Return arguments that leave out the management account, in which the role does not exist."""
    return ["--organization", ROLE, "--exclude-accounts", MANAGEMENT, *arguments]
