"""A clock for code that waits in seconds."""

from __future__ import annotations


class Clock:
    """A clock that moves only by sleeping, or if a test sets ``now``. In seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds
