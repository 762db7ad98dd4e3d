"""The accounts of an organization and their units, and which of them the preview reads.

Organizations is asked with few calls: one for the root, and for each unit one for its accounts and one for its units,
each with further pages. It throttles programs that ask for the parents of each account.
*Source:* awslabs/aws-deployment-framework, issues 784 and 788.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from preview.members import ACTIVE, Member, Organization
from preview.permissions import ORGANIZATION
from preview.words import printable
from tools.aws_session import ToolError, one_line

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_organizations.client import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

#: Waits longer and longer, and sends fewer calls a second, while Organizations throttles.
#: *Source:* botocore, "Retries": adaptive mode.
_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 10}, connect_timeout=5, read_timeout=20)
#: The IDs of the root and of the units down to one, and their names.
type _Path = tuple[tuple[str, ...], tuple[str, ...]]
_CALLS = ", ".join(action for action in ORGANIZATION if action.startswith("organizations:"))


def list_organization(session: boto3.Session, region: str) -> Organization:
    """Return the organization of the caller's account. ``region``: any region of its partition.

    Raises ToolError if the caller may not list it, or if there is none. Raises BotoCoreError and ClientError.
    """
    client = session.client("organizations", region_name=region, config=_CONFIG)
    try:
        units = _units(client)
        found = sorted(_members(client, units), key=lambda each: (each[1].unit_path.lower(), each[1].name.lower()))
    except ClientError as error:
        raise _explained(error) from error
    # As in arn:aws:organizations::999999999999:account/o-a1b2c3d4e5/111111111111
    organization_id = found[0][0].split("/")[1]
    return Organization(organization_id, tuple(member for _, member in found), frozenset(ids[-1] for ids, _ in units))


def _units(client: OrganizationsClient) -> list[_Path]:
    """Return the paths of the root and of all units."""
    roots = (root for page in client.get_paginator("list_roots").paginate() for root in page["Roots"])
    found: list[_Path] = [((root["Id"],), (printable(root["Name"]),)) for root in roots]
    for ids, names in found:  # which grows meanwhile
        for page in client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=ids[-1]):
            found += [((*ids, unit["Id"]), (*names, printable(unit["Name"]))) for unit in page["OrganizationalUnits"]]
    return found


def _members(client: OrganizationsClient, units: Iterable[_Path]) -> Iterator[tuple[str, Member]]:
    """Yield each account with its ARN."""
    for ids, names in units:
        for page in client.get_paginator("list_accounts_for_parent").paginate(ParentId=ids[-1]):
            for account in page["Accounts"]:
                yield account["Arn"], _member(account, ids, names)


def _member(account: AccountTypeDef, ids: tuple[str, ...], names: tuple[str, ...]) -> Member:
    """Return the account. ``State`` has replaced ``Status``. *Source:* Organizations API reference, "Account"."""
    name = printable(account.get("Name", "")).strip()
    return Member(account["Id"], name or account["Id"], account.get("State", ACTIVE), ids, names)


def choose(organization: Organization, arguments: argparse.Namespace) -> tuple[Member, ...]:
    """Return the accounts that the options ask for. Raises ToolError for those that do not exist, and if none is left.

    An account is chosen if each of ``--accounts``, ``--units`` and ``--exclude-accounts`` allows it.
    """
    known = {member.account_id for member in organization.members}
    for option, wanted, existing, what in (
        ("--accounts", arguments.accounts, known, "account"),
        ("--exclude-accounts", arguments.exclude_accounts, known, "account"),
        ("--units", arguments.units, organization.unit_ids, "organizational unit"),
    ):
        if unknown := [item for item in wanted if item not in existing]:
            raise ToolError(
                f"{', '.join(unknown)} is no {what} of the organization {organization.organization_id}: "
                f"correct {option}."
            )
    chosen = tuple(
        member
        for member in organization.members
        if (not arguments.accounts or member.account_id in arguments.accounts)
        and (not arguments.units or set(arguments.units) & set(member.unit_ids))
        and member.account_id not in arguments.exclude_accounts
    )
    if not chosen:
        raise ToolError("no account is left: name others with --accounts, --units and --exclude-accounts.")
    return chosen


def _explained(error: ClientError) -> Exception:
    """Return what to do about the refusal, or the error itself if it is none."""
    said = one_line(error_message(error)).rstrip(".")
    match error_code(error):
        case "AccessDeniedException":
            return ToolError(
                f"the accounts of the organization cannot be listed: {said}. Use credentials of the management "
                "account, or of an account that is a delegated administrator of a service of the organization, and "
                f"allow {_CALLS}; or leave out --organization to read the account of your credentials alone."
            )
        case "AWSOrganizationsNotInUseException":
            return ToolError(
                f"the account of these credentials is in no organization: {said}. Name another --profile, or leave out "
                "--organization to read this account alone."
            )
        case _:
            return error
