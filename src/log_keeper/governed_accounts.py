"""The accounts that the Enforce function works in: the stack's own, and the member accounts of an organization."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from log_keeper.aws.clients import Clients
from log_keeper.aws.stage_queue import postpone
from log_keeper.enforcement import Enforcer
from log_keeper.events.cloudtrail import read_event
from log_keeper.events.hints import Hint, UnreadableEventError
from log_keeper.events.own_events import OWN_DETAIL_TYPES
from log_keeper.following import Follower
from log_keeper.reporting import Reporter
from log_keeper.settings import Deployment, Settings

if TYPE_CHECKING:
    from log_keeper.aws.members import Member, Members

#: Calls to API Gateway that a message leads to: a read and a write.
_CALLS = 2


class Governed(NamedTuple):
    """A governed account: its clients, its deployment, and what follows its events."""

    clients: Clients
    deployment: Deployment
    follower: Follower

    def read(self, event: object) -> Hint:
        """Return what an event of the account is about. Raises UnreadableEventError."""
        account, own = self.deployment.account.account_id, self.deployment.own_role_arn
        return read_event(event, account=account, regions=self.deployment.regions, own_role_arn=own)


class GovernedAccounts:
    """Finds the account of an event. ``wait``: waits for a number of seconds, or raises an error if there is no time.

    ``clock``: returns the time now, with its zone. ``monotonic``: returns seconds that never decrease.
    """

    def __init__(
        self,
        clients: Clients,
        settings: Settings,
        reporter: Reporter,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._clock = clock
        self._monotonic = monotonic
        self._wait = wait
        self._clients = clients
        self._own = self._governed(clients, settings.deployment)
        self._members: Members | None = None
        #: With the member from which each was made: a member that is assumed again has other clients.
        self._others: dict[str, tuple[Member, Governed]] = {}
        #: When the next message that is postponed has its turn, by account and region.
        self._turns: dict[tuple[str, str], float] = {}

    def of_event(self, event: object) -> Governed:
        """Return the account that EventBridge says the event is from.

        Raises UnreadableEventError if it is not governed; MemberRoleError, BotoCoreError and ClientError.
        """
        account_id = event.get("account") if isinstance(event, dict) else None
        own = self._own.deployment
        if account_id == own.account.account_id or own.organization is None:
            return self._own  # which refuses events of other accounts
        if not isinstance(account_id, str) or not account_id.isascii() or not account_id.isdigit():
            raise UnreadableEventError("the event is from no account")
        # A sweep sends messages about enforced accounts only.
        is_own = isinstance(event, dict) and event.get("detail-type") in OWN_DETAIL_TYPES
        member = self._find_members().member(account_id, should_be_enforced=is_own)
        if member is None:
            self._others.pop(account_id, None)
            raise UnreadableEventError(f"the event is from account {account_id}, which is not governed")
        known = self._others.get(account_id)
        if known is None or known[0] is not member:
            self._others[account_id] = known = (member, self._governed(member.clients, member.deployment))
        return known[1]

    def postpones(self, governed: Governed, event: dict[str, object], body: str) -> bool:
        """Put the message back on its queue if its account and region have no call free now. Return whether that is so.

        Without an organization no message is put back: the work itself waits for the pace.

        Raises BotoCoreError and ClientError.
        """
        seconds = self._seconds_to_wait(governed, event.get("region"))
        if seconds:
            postpone(self._clients, self._own.deployment, body, seconds)
        return seconds > 0

    def _seconds_to_wait(self, governed: Governed, region: object) -> float:
        """Return in how many seconds a message of this account and region has its turn; 0 if it has it now."""
        if governed.deployment.organization is None or region not in governed.deployment.regions:
            return 0.0
        key = (governed.deployment.account.account_id, str(region))
        pace, now = governed.clients.pace(key[1]), self._monotonic()
        wait = pace.wait(_CALLS)
        if wait == 0:
            return 0.0
        turn = max(self._turns.get(key, 0.0), now + wait)
        self._turns[key] = turn + pace.seconds(_CALLS)
        return turn - now

    def _find_members(self) -> Members:
        if self._members is None:
            from log_keeper.aws.members import Members

            self._members = Members(self._clients, self._own.deployment, self._clock, remediates=True)
        return self._members

    def _governed(self, clients: Clients, deployment: Deployment) -> Governed:
        settings = Settings(self._settings.policy, deployment)
        enforcer = Enforcer(clients, settings, self._clock, self._wait)
        return Governed(
            clients, deployment, Follower(clients, enforcer, self._reporter, self._clock, deployment.account.account_id)
        )
