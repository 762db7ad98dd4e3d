"""Messages of SweepQueue: each starts a sweep, or does the work of one in a region of an account."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from log_keeper.aws.clients import Clients
from log_keeper.aws.sweep_queue import send_works
from log_keeper.events.sweep_work import Start, Work
from log_keeper.reporting import Reporter
from log_keeper.settings import Deployment, Settings
from log_keeper.sweep import Sweep

if TYPE_CHECKING:
    from log_keeper.organization_sweep import OrganizationSweep


class Sweeps:
    """Does the work of each message. ``clock``: returns the time now, with its zone."""

    def __init__(self, clients: Clients, settings: Settings, reporter: Reporter, clock: Callable[[], datetime]) -> None:
        self._clients = clients
        self._settings = settings
        self._deployment = settings.deployment
        self._reporter = reporter
        self._clock = clock

    def handle(self, body: str, has_time: Callable[[], bool]) -> None:
        """Do the work that the message asks for; send what remains of it to SweepQueue.

        ``has_time``: returns whether another API can be started.

        Raises UnreadableWorkError, BotoCoreError and ClientError; an ExceptionGroup if parts of a region failed.
        """
        work = Work.from_message(body, self._deployment.regions, self._deployment.account.account_id)
        if isinstance(work, Start):
            self._start(work)
        elif work.account is None:
            self._sweep(work, self._clients, self._deployment, has_time)
        elif self._organization is not None and (member := self._organization.member(work, work.account)) is not None:
            self._sweep(work, member.clients, member.deployment, has_time)
        self._reporter.flush()

    def _start(self, start: Start) -> None:
        """Send a message for each region of each account to sweep."""
        own = map(Work, self._deployment.regions) if start.account is None else ()
        others = () if self._organization is None else self._organization.works(start)
        send_works(self._clients, self._deployment, chain(own, others))

    def _sweep(self, work: Work, clients: Clients, deployment: Deployment, has_time: Callable[[], bool]) -> None:
        report = functools.partial(self._reporter.evaluated, is_audit=deployment.is_audit)
        settings = Settings(self._settings.policy, deployment)
        swept = Sweep(clients, settings, self._clock, has_time, report).run(work)
        self._reporter.sweep_finished(swept)
        send_works(clients, deployment, () if swept.left is None else (swept.left,))
        if swept.errors:
            raise ExceptionGroup(f"not all of {work.region} could be read", swept.errors)

    @functools.cached_property
    def _organization(self) -> OrganizationSweep | None:
        organization = self._deployment.organization
        if organization is None:
            return None
        from log_keeper.organization_sweep import OrganizationSweep

        return OrganizationSweep(self._clients, self._deployment, organization, self._reporter, self._clock)
