"""The classes of log groups, as other services see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError

if TYPE_CHECKING:
    from sandbox.core.account import Account


def check_destination(account: Account, region: str, name: str) -> None:
    """Refuse a log group of the class Infrequent Access as access log destination, if the switch says so.

    No source says that API Gateway refuses one, so the text is an invention.
    """
    group = logs_backends[account.account_id][region].groups.get(name)
    is_infrequent = group is not None and vars(group).get("log_group_class") == "INFREQUENT_ACCESS"
    if is_infrequent and account.behaviour.refuses_infrequent_access_destinations:
        raise AwsError("BadRequestException", f"Log group {name} cannot receive access logs because of its class")
