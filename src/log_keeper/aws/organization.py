"""What Organizations knows about the member accounts: their names and units, and which accounts the units have.

Organizations answers the management account and delegated administrators, as the hub is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.stages import Account

if TYPE_CHECKING:
    from mypy_boto3_organizations.client import OrganizationsClient

#: The answers if the account left the organization meanwhile, or if the hub may not ask.
_UNKNOWN = ("AccountNotFoundException", "AccessDeniedException", "AWSOrganizationsNotInUseException")


def describe(client: OrganizationsClient, account: Account) -> Account:
    """Return the account with its name and unit; without them if Organizations does not say.

    The path in the answer is as in ``o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/111111111111/``.
    *Source:* Organizations API reference, "Account"; an answer of 2026-08-24 that has this form.

    Raises BotoCoreError and ClientError.
    """
    try:
        answer = client.describe_account(AccountId=account.account_id)["Account"]
    except ClientError as error:
        if error_code(error) not in _UNKNOWN:
            raise
        return account
    path = next(iter(answer.get("Paths", [])), "").strip("/").split("/")
    return account._replace(name=answer.get("Name"), organizational_unit_id=path[-2] if len(path) > 2 else None)


def active_accounts(client: OrganizationsClient, units: Iterable[str], partition: str) -> Iterator[Account]:
    """Yield the active accounts in these units, and in all units below them, without the management account.

    CloudFormation never deploys to that one. The ARN of each account contains its ID.
    *Source:* CloudFormation user guide, "Create StackSets with service-managed permissions"; Organizations API
    reference, "Account".

    Raises BotoCoreError and ClientError.
    """
    waiting, seen = list(units), set[str]()
    while waiting:
        unit = waiting.pop()
        if unit in seen:
            continue
        seen.add(unit)
        for accounts in client.get_paginator("list_accounts_for_parent").paginate(ParentId=unit):
            # ``State`` has replaced ``Status``, which ends on 2026-09-09. *Source:* Organizations API reference.
            for each in accounts["Accounts"]:
                if each.get("State", "ACTIVE") == "ACTIVE" and each["Arn"].split(":")[4] != each["Id"]:
                    yield Account(each["Id"], partition, each.get("Name"), unit if unit.startswith("ou-") else None)
        for units_below in client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit):
            waiting += [each["Id"] for each in units_below["OrganizationalUnits"]]
