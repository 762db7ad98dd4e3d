"""Timers of rules and schedules. The sandbox's Scheduler runs both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.core.registry import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sandbox.core.account import Account
    from sandbox.services.eventbridge.schedule_expressions import Expression


@dataclass(frozen=True, slots=True)
class Attempt:
    """One future invocation of a schedule's target."""

    #: The time that the schedule names.
    scheduled: datetime
    #: The time of the attempt. For a retry it is later than ``scheduled``.
    due: datetime
    #: Number of the attempt; the first is 1.
    number: int = 1


@dataclass(slots=True)
class Timer:
    """The timer of one of moto's schedules or rules. It is an attribute of moto's object, and is deleted with it."""

    expression: Expression
    #: The next occurrence, if there is one.
    occurrence: datetime | None
    end: datetime | None = None
    #: Retries of attempts that failed, oldest first.
    retries: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop_at_end()

    @property
    def due(self) -> datetime | None:
        """Return the time of the next attempt, or None."""
        return min((each.due for each in self._coming()), default=None)

    def take(self) -> Attempt:
        """Remove the attempt that is due first, and return it."""
        attempt = min(self._coming(), key=lambda each: each.due)
        if attempt in self.retries:
            self.retries.remove(attempt)
        else:
            self.occurrence = self.expression.following(attempt.scheduled)
            self._stop_at_end()
        return attempt

    def _coming(self) -> list[Attempt]:
        return self.retries + ([] if self.occurrence is None else [Attempt(self.occurrence, self.occurrence)])

    def _stop_at_end(self) -> None:
        if self.occurrence is not None and self.end is not None and self.occurrence >= self.end:
            self.occurrence = None


class TimerChanges:
    """Tells watchers that a timer was set or changed."""

    def __init__(self, _: Account) -> None:
        self._watchers: list[Callable[[], None]] = []

    def start(self) -> None:
        """Forget the watchers of an earlier start."""
        self._watchers.clear()

    def stop(self) -> None:
        """Do nothing: the watchers end by themselves."""

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` after each change from now on."""
        self._watchers.append(watcher)

    def notify(self) -> None:
        """Call the watchers, because a timer was set or changed."""
        for watcher in self._watchers:
            watcher()


SERVICES.append(TimerChanges)
