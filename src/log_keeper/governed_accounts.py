"""The accounts that the Enforce function works in: the stack's own, and the member accounts of an organization."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS, MemberRoleError, are_credentials_refused
from log_keeper.enforcement import Enforcer
from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import ApiStagesNamed, Hint, Ignored, IgnoreReason, UnreadableEventError
from log_keeper.events.own_events import OWN_DETAIL_TYPES
from log_keeper.events.read_stages import StagesAtMoment, from_detail
from log_keeper.following import Follower
from log_keeper.policy.findings import Finding, Problem
from log_keeper.reporting import Reporter
from log_keeper.settings import Deployment, Settings
from log_keeper.time_budget import OutOfTimeError

if TYPE_CHECKING:
    from log_keeper.aws.members import Member, Members
    from log_keeper.postponement import Postponement


#: For how long a finding about the role of a member account is not repeated.
_REPORTED_FOR = timedelta(hours=1)


class CredentialsRefusedError(Exception):
    """AWS refuses calls with the credentials of a member account's role, as if it was deleted meanwhile."""


class Governed(NamedTuple):
    """A governed account: its clients, its deployment, and what follows its events."""

    clients: Clients
    deployment: Deployment
    follower: Follower


class Message(NamedTuple):
    """A message that was read: what it is about, and the account whose stages that are.

    ``read``: the stages as the sweep that sent the message has read them; None in any other message.
    """

    event: Mapping[str, Any]
    governed: Governed
    hint: Hint
    read: StagesAtMoment | None = None

    @property
    def account_id(self) -> str:
        return self.governed.deployment.account.account_id


class GovernedAccounts:
    """Finds the account of an event, and does the work in it. ``wait``: waits for a number of seconds, or raises.

    ``clock``: returns the time now, with its zone.
    """

    def __init__(
        self,
        clients: Clients,
        settings: Settings,
        reporter: Reporter,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._clock = clock
        self._wait = wait
        self._clients = clients
        self._own = self._governed(clients, settings.deployment)
        self._members: Members | None = None
        self._postponement: Postponement | None = None
        #: Until when a refused role is not reported again, by account.
        self._reported: dict[str, datetime] = {}
        #: With the member from which each was made: a member that is assumed again has other clients.
        self._others: dict[str, tuple[Member, Governed]] = {}

    def read_all[Record: Mapping[str, Any]](
        self, records: Iterable[Record]
    ) -> list[tuple[Record, Message | Exception]]:
        """Return each message of a batch as Lambda passes it on, with what it is about, or why it cannot be read.

        All are read before the first is followed, so that the facts about their stages are read together.
        """
        found: list[tuple[Record, Message | Exception]] = []
        for record in records:
            try:
                message = self.read(_json(record["body"]), record.get("attributes", {}).get("SenderId", ""))
            except Exception as error:  # noqa: BLE001 - raised by the caller when it is the turn of the message
                found.append((record, error))
                continue
            if message.read is not None:
                message.governed.follower.expect(message.read)
            found.append((record, message))
        return found

    def read(self, event: Any, sender: str = "") -> Message:
        """Return what the event is about, and the account that EventBridge says it is from.

        ``sender``: who sent the message with the event, as SQS knows it; empty if it was in no queue.

        Log Keeper's own event about an account that has left meanwhile, for example the end of an opt-in, is ignored.

        Raises UnreadableEventError if the account is not governed; MemberRoleError, BotoCoreError and ClientError.
        """
        account_id = event.get("account") if isinstance(event, dict) else None
        governed = self._own  # which refuses events of other accounts
        if account_id != governed.deployment.account.account_id and governed.deployment.organization is not None:
            is_own = isinstance(event, dict) and event.get("detail-type") in OWN_DETAIL_TYPES
            member = self._member(account_id, is_own=is_own)
            if member is None and is_own:
                return Message(event, self._own, Ignored(IgnoreReason.ACCOUNT_LEFT, event["detail-type"]))
            if member is None:
                raise UnreadableEventError(f"the event is from account {account_id}, which is not governed")
            governed = member
        deployment = governed.deployment
        hint = read_event(
            event,
            account=deployment.account.account_id,
            regions=deployment.regions,
            own_role_arn=deployment.own_role_arn,
            names=self._settings.policy.access_log_names,
        )
        # SQS sets the sender's id, and a role's begins with its unique id. Stages that anybody else has put into a
        # message are not believed. *Source:* Amazon SQS API reference, ReceiveMessage.
        is_sweeps = bool(sender) and sender.partition(":")[0] == self._own.deployment.sweep_role_id
        read = from_detail(event["detail"], hint.refs) if is_sweeps and isinstance(hint, ApiStagesNamed) else None
        return Message(event, governed, hint, read)

    def follow(self, message: Message) -> None:
        """Do the work that the event leads to. Raises its errors, and CredentialsRefusedError."""
        try:
            message.governed.follower.follow(message.hint, cause_of(message.event), message.read)
        except Exception as error:
            if self._members is None or message.governed is self._own or not are_credentials_refused(error):
                raise
            self._members.forget(message.account_id)
            raise CredentialsRefusedError(
                f"AWS refuses calls in account {message.account_id}: {error}. If the role exists, find what denies the "
                "call: a service control policy, or a permissions boundary."
            ) from error

    def postpones(self, message: Message, record: Mapping[str, Any]) -> bool:
        """Return whether the message is postponed: its account and region have no calls free now.

        ``record``: the message as Lambda passes it on. Without an organization no message is postponed: the work itself
        waits for the pace.
        """
        governed, region = message.governed, message.event.get("region")
        if governed.deployment.organization is None or isinstance(message.hint, Ignored):
            return False
        pace = governed.clients.pace(str(region))
        place = message.account_id, str(region)
        return self._postponing().postpones(place, pace, message.hint, message.read, record)

    def tries_again(self, error: Exception, record: Mapping[str, Any]) -> bool:
        """Return whether the message that failed is tried again soon, since a role of a member account was refused.

        The last refusal of a role whose stack is current is reported. ``record``: the message as Lambda passes it on.
        """
        if not isinstance(error, MemberRoleError | CredentialsRefusedError):
            return False
        if self._postponing().tries_again(record):
            self._reporter.message_put_back(error, record["messageId"])
            return True
        if isinstance(error, MemberRoleError):
            self._report_refusal(error)
        return False

    def put_back(self) -> Iterator[tuple[str, Exception]]:
        """Put the postponed messages back on the queue. Yield the ids and errors of those that failed."""
        if self._postponement is not None:
            yield from self._postponement.put_back()

    def _postponing(self) -> Postponement:
        if self._postponement is None:
            from log_keeper.postponement import Postponement

            self._postponement = Postponement(self._clients, self._own.deployment.queues.stage_queue_url, self._clock)
        return self._postponement

    def _report_refusal(self, error: MemberRoleError) -> None:
        """Report the refusal as a finding, unless it was reported a short while ago."""
        now = self._clock()
        if now < self._reported.get(error.account_id, now):
            return
        self._reported[error.account_id] = now + _REPORTED_FOR
        if self._members is not None:
            # Without an answer of Organizations, the finding has the account's ID only.
            with suppress(*CALL_ERRORS, OutOfTimeError):
                self._reporter.know(self._members.described(error.account_id))
        finding = Finding(Problem.MEMBER_ROLE_REFUSED, str(error))
        self._reporter.organization_finding(error.account_id, self._own.deployment.regions[0], finding)

    def _member(self, account_id: object, *, is_own: bool) -> Governed | None:
        """Return the member account, or None if it is not governed. ``is_own``: the event is of Log Keeper's sweep."""
        if not isinstance(account_id, str) or not account_id.isascii() or not account_id.isdigit():
            raise UnreadableEventError("the event is from no account")
        if self._members is None:
            from log_keeper.aws.members import Members

            self._members = Members(self._clients, self._own.deployment, self._clock, remediates=True)
        # A sweep sends messages about enforced accounts only.
        member = self._members.member(account_id, should_be_enforced=is_own)
        known = self._others.pop(account_id, None)
        if member is None:
            return None
        if known is None or known[0] is not member:
            self._reporter.know(member.deployment.account)
            known = (member, self._governed(member.clients, member.deployment))
        self._others[account_id] = known
        for forgotten in self._others.keys() - self._members.kept():
            del self._others[forgotten]
        return known[1]

    def _governed(self, clients: Clients, deployment: Deployment) -> Governed:
        settings = Settings(self._settings.policy, deployment)
        enforcer = Enforcer(clients, settings, self._clock, self._wait)
        return Governed(
            clients, deployment, Follower(clients, enforcer, self._reporter, self._clock, deployment.account)
        )


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except (RecursionError, ValueError) as error:
        raise UnreadableEventError(f"the message is not JSON: {error}") from error
