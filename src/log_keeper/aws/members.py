"""The member accounts of an organization: the roles that may be assumed in them, and the stacks that create the roles.

No registry of accounts exists. An account is governed if one of the roles can be assumed in it, and it is enforced if
that is the role that remediates. The stack instances say which accounts should be governed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients, Credentials
from log_keeper.aws.errors import MemberRoleError, error_code, error_message
from log_keeper.aws.organization import describe
from log_keeper.settings import Deployment
from log_keeper.stages import Account

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackInstanceSummaryTypeDef

#: A role is assumed again when its credentials end within this time: an invocation takes at most 15 minutes.
_RESERVE = timedelta(minutes=20)
#: For how long a refusal counts. After that, an account that was moved to another unit is found to be enforced.
_REFUSED_FOR = timedelta(minutes=3)
#: For how long the refusal of a role counts whose stack is current: all messages of a moment cause two calls.
_WRONGLY_REFUSED_FOR = timedelta(seconds=10)
#: For how long the name and the unit of an account count.
_DESCRIBED_FOR = timedelta(hours=1)
#: The most clients of member accounts that are kept: a third of a megabyte each, and the function has 512 MB.
_MOST = 120
_SESSION_NAME = "log-keeper"


class Member(NamedTuple):
    """A governed member account. ``deployment``: as it is for this account; in Audit mode if it is not enforced."""

    clients: Clients
    deployment: Deployment


class Instance(NamedTuple):
    """A stack in a member account. ``reason``: why it is not current, as CloudFormation says it."""

    account: str
    region: str
    is_current: bool
    status: str
    reason: str


class _Known(NamedTuple):
    """What is known of an account. ``member``: None if it is not governed. ``until``: for how long this counts.

    ``described``: when Organizations was asked for its name and unit. ``error``: why its role cannot be assumed.
    """

    member: Member | None
    until: datetime
    described: datetime | None = None
    error: MemberRoleError | None = None

    @property
    def is_enforced(self) -> bool:
        return self.member is not None and not self.member.deployment.is_audit


class Members:
    """Finds the clients of member accounts, and keeps them. ``remediates``: this function may assume the second role.

    ``clock``: returns the time now, with its zone.
    """

    def __init__(
        self, home: Clients, deployment: Deployment, clock: Callable[[], datetime], *, remediates: bool
    ) -> None:
        self._home = home
        self._deployment = deployment
        self._clock = clock
        self._remediates = remediates
        self._known: dict[str, _Known] = {}

    def member(self, account_id: str, *, should_be_enforced: bool = False) -> Member | None:
        """Return the member account, or None if it is not governed.

        ``should_be_enforced``: a sweep has found the account enforced, perhaps since it was moved to another unit.

        An account that is left out is not governed, even if CloudFormation has deployed to it.

        Raises MemberRoleError, BotoCoreError and ClientError.
        """
        known, now = self._known.pop(account_id, None), self._clock()
        is_wrong = should_be_enforced and known is not None and not known.is_enforced and known.error is None
        if known is None or known.until <= now or is_wrong:
            known = self._find(account_id, now, known)
        self._known[account_id] = known  # the last one is the one that was used last
        self._forget_oldest()
        if known.error is not None:
            raise known.error
        return known.member

    def kept(self) -> Collection[str]:
        """Return the ids of the accounts that are kept."""
        return self._known.keys()

    def forget(self, account_id: str) -> None:
        """Assume the role again for the next message: AWS has refused the credentials, as if the role was deleted."""
        self._known.pop(account_id, None)

    def _forget_oldest(self) -> None:
        """Keep as many accounts as the memory allows, but at least the last one."""
        count = sum(each.member.clients.count for each in self._known.values() if each.member is not None)
        for account_id, known in list(self._known.items())[:-1]:
            if count <= _MOST and len(self._known) <= _MOST:
                break
            del self._known[account_id]
            count -= 0 if known.member is None else known.member.clients.count

    def _find(self, account_id: str, now: datetime, before: _Known | None) -> _Known:
        organization = self._deployment.organization
        if organization is None or account_id in organization.excluded_accounts:
            return _Known(None, now + _REFUSED_FOR)
        found = None
        try:
            if self._remediates and not self._deployment.is_audit and organization.enforce_stack_set is not None:
                found = self._assume(account_id, organization.member_remediate_role, organization.enforce_stack_set)
            is_audit = found is None
            if found is None:
                found = self._assume(account_id, organization.member_read_role, organization.members_stack_set)
        except MemberRoleError as error:
            return _Known(None, now + _WRONGLY_REFUSED_FOR, error=error)
        if found is None:
            return _Known(None, now + _REFUSED_FOR)
        credentials, ends = found
        account, described = self._describe(account_id, now, before)
        clients = self._home.of_member(account_id, credentials)
        member = Member(clients, self._deployment.in_member(organization, account, is_audit=is_audit))
        until = ends - _RESERVE
        until = min(until, now + _REFUSED_FOR) if is_audit and self._remediates else until
        return _Known(member, until, described)

    def _describe(self, account_id: str, now: datetime, before: _Known | None) -> tuple[Account, datetime]:
        """Return the account with its name and unit, and when Organizations was asked for them."""
        if before is not None and before.member is not None and before.described is not None:
            age = now - before.described
            if age < _DESCRIBED_FOR:
                return before.member.deployment.account, before.described
        return self.described(account_id), now

    def described(self, account_id: str) -> Account:
        """Return the account with its name and unit, if Organizations says them.

        Raises BotoCoreError and ClientError.
        """
        account = Account(account_id, self._deployment.account.partition)
        return describe(self._home.organizations(self._deployment.regions[0]), account)

    def _assume(self, account_id: str, role: str, stack_set: str) -> tuple[Credentials, datetime] | None:
        """Return credentials of the role and when they end; None if it is refused and no current stack creates it."""
        arn = f"arn:{self._deployment.account.partition}:iam::{account_id}:role{role}"
        try:
            answer = self._home.sts(self._deployment.regions[0]).assume_role(RoleArn=arn, RoleSessionName=_SESSION_NAME)
        except ClientError as error:
            if error_code(error) != "AccessDenied":
                raise
            if any(each.is_current for each in list_instances(self._home, self._deployment, stack_set, account_id)):
                raise MemberRoleError(
                    account_id,
                    f"{arn} cannot be assumed although the stack of {stack_set} in the account is current: "
                    f"{error_message(error)}. Check the trust policy of the role, and the service control policies of "
                    "the organization.",
                ) from error
            return None
        given = answer["Credentials"]
        credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return credentials, given["Expiration"]


def has_role(member: Member, role: str) -> bool:
    """Return whether the member account has the role. ``role``: path and name. Raises BotoCoreError and ClientError."""
    name = role.rsplit("/", 1)[-1]
    try:
        member.clients.iam(member.deployment.regions[0]).get_role(RoleName=name)
    except ClientError as error:
        if error_code(error) != "NoSuchEntity":
            raise
        return False
    return True


def list_instances(
    home: Clients, deployment: Deployment, stack_set: str, account_id: str | None = None
) -> Iterator[Instance]:
    """Yield the stack instances of a stack set, or those in one account. Raises BotoCoreError and ClientError."""
    client = home.cloudformation(deployment.regions[0])
    wanted = {} if account_id is None else {"StackInstanceAccount": account_id}
    pages = client.get_paginator("list_stack_instances").paginate(
        StackSetName=stack_set,
        CallAs="DELEGATED_ADMIN",
        **wanted,  # type: ignore[arg-type] # the one parameter above
    )
    for page in pages:
        yield from map(_instance, page["Summaries"])


def _instance(summary: StackInstanceSummaryTypeDef) -> Instance:
    detailed = summary.get("StackInstanceStatus", {}).get("DetailedStatus", "")
    status = summary["Status"]
    words = f"{status}, {detailed}" if detailed and detailed != "SUCCEEDED" else str(status)
    return Instance(summary["Account"], summary["Region"], status == "CURRENT", words, summary.get("StatusReason", ""))
