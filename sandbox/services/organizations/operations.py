"""The calls of Organizations that only read. An organization is built by ``Organization``, not by calls.

*Source:* Organizations API reference: these operations "can be called only from the organization's management account
or by a member account that is a delegated administrator".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError, Need
from sandbox.core.iam import authorization
from sandbox.core.registry import rule
from sandbox.services.organizations.organization import Organization, organization_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_MOST_ON_A_PAGE = 20


@rule("organizations", "DescribeOrganization")
def _describe_organization(account: Account, _: Call, __: Proceed) -> dict[str, Any]:
    """Describe the organization. Each member may ask."""
    found = organization_of(account)
    if found is None:
        message = "Your account is not a member of an organization."
        raise AwsError("AWSOrganizationsNotInUseException", message)
    management = found.management.account_id
    arn = f"arn:aws:organizations::{management}:organization/{found.organization_id}"
    return {
        "Organization": {"Id": found.organization_id, "Arn": arn, "FeatureSet": "ALL", "MasterAccountId": management}
    }


@rule("organizations", "ListRoots")
def _list_roots(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the root. An organization has exactly one."""
    found = _readable(account, call)
    root = found.units[found.root_id]
    arn = found.unit_arn(root.unit_id)
    return {"Roots": [{"Id": root.unit_id, "Arn": arn, "Name": root.name, "PolicyTypes": []}]}


@rule("organizations", "ListAccounts")
def _list_accounts(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """List all accounts, in pages."""
    found = _readable(account, call)
    return _page(call, "Accounts", [_described(found, account_id) for account_id in found.parents])


@rule("organizations", "DescribeAccount")
def _describe_account(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Describe one account."""
    account_id = call.params["AccountId"]
    found = _readable(account, call, of_account=account_id)
    if account_id not in found.parents:
        raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.")
    return {"Account": _described(found, account_id)}


@rule("organizations", "ListParents")
def _list_parents(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the unit in which an account is. It has exactly one."""
    found = _readable(account, call, of_account=call.params["ChildId"])
    parent = found.parents.get(call.params["ChildId"])
    if parent is None:
        raise AwsError("ChildNotFoundException", "You specified a child that doesn't exist.")
    kind = "ROOT" if parent == found.root_id else "ORGANIZATIONAL_UNIT"
    return {"Parents": [{"Id": parent, "Type": kind}]}


@rule("organizations", "ListAccountsForParent")
def _list_accounts_for_parent(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """List the accounts that are in a unit itself, in pages."""
    wanted = call.params["ParentId"]
    found = _readable(account, call, of_unit=wanted)
    inside = [account_id for account_id, parent in found.parents.items() if parent == wanted]
    return _page(call, "Accounts", [_described(found, account_id) for account_id in inside])


@rule("organizations", "ListOrganizationalUnitsForParent")
def _list_units_for_parent(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """List the units that are in a unit itself, in pages."""
    wanted = call.params["ParentId"]
    found = _readable(account, call, of_unit=wanted)
    inside = [unit for unit in found.units.values() if unit.parent == wanted]
    return _page(call, "OrganizationalUnits", [{"Id": unit.unit_id, "Name": unit.name} for unit in inside])


def _readable(
    account: Account, call: Call, *, of_account: str | None = None, of_unit: str | None = None
) -> Organization:
    """Return the organization. Refuse accounts that are neither its management account nor a delegated administrator.

    ``of_account``, ``of_unit``: the call is authorised for the ARN of this account or unit; None: it takes no resource.

    *Source:* Service Authorization Reference, "Actions, resources, and condition keys for AWS Organizations".
    """
    found = organization_of(account)
    if found is None:
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    is_delegated = any(account.account_id in accounts for accounts in found.delegated.values())
    if account is not found.management and not is_delegated:
        message = "You don't have permissions to access this resource."
        raise AwsError("AccessDeniedException", message)
    arn = "*" if of_account is None else found.account_arn(of_account)
    need = Need(f"organizations:{call.operation}", arn if of_unit is None else found.unit_arn(of_unit))
    call.further_needs.append(need)
    authorization.authorise(account, call, (need,))
    return found


def _described(organization: Organization, account_id: str) -> dict[str, Any]:
    """Return the account as the API describes it.

    *Source:* an answer of DescribeAccount of 2026-08-24, with the form of ``Paths``; Organizations API reference:
    ``State`` has replaced ``Status``, which ended on 2026-09-09.
    """
    units = "/".join([organization.organization_id, *reversed(organization.path(account_id)), account_id])
    return {
        "Id": account_id,
        "Arn": organization.account_arn(account_id),
        "Name": organization.names[account_id],
        "Email": f"{account_id}@example.com",
        "State": organization.states.get(account_id, "ACTIVE"),
        "Paths": [f"{units}/"],
        "JoinedMethod": "CREATED",
    }


def _page(call: Call, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    start = int(call.params.get("NextToken") or 0)
    end = start + int(call.params.get("MaxResults") or _MOST_ON_A_PAGE)
    return {name: items[start:end], **({"NextToken": str(end)} if end < len(items) else {})}
