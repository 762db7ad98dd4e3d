"""What is known about the account's log role in each region, between events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from log_keeper.aws.account_role import AccountRole, AccountRoleError, check_role, ensure_valid_role
from log_keeper.aws.clients import Clients
from log_keeper.aws.role_reading import LogRole
from log_keeper.settings import Deployment

#: For how long a valid role counts as valid, and for how long a failed repair is not tried again: UpdateAccount takes
#: one call in 20 s, so the other messages of a batch need not try.
_VALID_FOR = timedelta(minutes=5)
_FAILED_FOR = timedelta(seconds=20)


@dataclass(slots=True)
class _Known:
    """What a check of a region's log role has shown, and until when it counts."""

    until: datetime
    failure: AccountRoleError | None
    role: LogRole | None = None


class LogRoles:
    """Checks and repairs the account's log role in each region, and keeps the answer for a while.

    ``clock``: returns the time now, with its zone. ``wait``: waits for a number of seconds, or raises an error if there
    is no time.
    """

    def __init__(
        self,
        clients: Clients,
        deployment: Deployment,
        clock: Callable[[], datetime],
        wait: Callable[[float], None],
    ) -> None:
        self._clients = clients
        self._deployment = deployment
        self._clock = clock
        self._wait = wait
        self._known: dict[str, _Known] = {}

    def ensure_valid(self, region: str) -> AccountRole:
        """Make sure that the account settings of the region name a valid role. In Audit mode, only check it.

        Raises AccountRoleError and ClientError.
        """
        try:
            if self._deployment.is_audit:
                role = check_role(self._clients, self._deployment.account, region)
            else:
                role = ensure_valid_role(self._clients, self._deployment, region, self._wait)
        except AccountRoleError as error:
            self._known[region] = _Known(self._clock() + _FAILED_FOR, error)
            raise
        self._known[region] = _Known(self._clock() + _VALID_FOR, None, role.log_role)
        return role

    def ensure_valid_if_due(self, region: str) -> AccountRole | None:
        """Do the same unless the last check still counts: then return None, or raise the error of that check."""
        known = self._known.get(region)
        if known is None or self.is_due(region):
            return self.ensure_valid(region)
        if known.failure is not None:
            raise AccountRoleError(*known.failure.args) from known.failure
        return None

    def is_due(self, region: str) -> bool:
        """Return whether the last check does not count any more, or there was none."""
        known = self._known.get(region)
        return known is None or known.until <= self._clock()

    def known(self, region: str) -> LogRole | None:
        """Return the region's log role as the last check has shown it; None if there was no check, or it failed."""
        known = self._known.get(region)
        return None if known is None else known.role

    def forget(self, region: str) -> None:
        """Forget the last check, because the role has turned out to be missing."""
        self._known.pop(region, None)
