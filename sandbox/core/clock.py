"""The clock of the account, which tests can move: ``Sandbox(clock=MovableClock())``."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def machine_time() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


class MovableClock:
    """The machine's clock plus an offset. It continues to run, and can be set to any time."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    def __call__(self) -> datetime:
        return self.now()

    def now(self) -> datetime:
        return machine_time() + self._offset

    @property
    def offset(self) -> timedelta:
        """Return how far this clock is ahead of the machine's clock."""
        return self._offset

    def advance(self, by: timedelta) -> None:
        """Move the clock forward, and start everything that is due by then, in the order of the due times.

        The caller must not hold ``account.lock``, which the started work needs.
        """
        with self._lock:
            self._offset += by
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher()

    def set(self, moment: datetime) -> None:
        """Set the clock to the moment, and start everything that is due by then, as ``advance`` does."""
        self.advance(moment - self.now())

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` after every move, on the thread that moved the clock."""
        with self._lock:
            self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Undo ``watch``."""
        with self._lock:
            self._watchers.remove(watcher)
