"""The pace of calls to API Gateway: its control plane takes ten calls a second from the whole account."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Spreads calls evenly over time, after a burst.

    ``rate``: calls per second. ``burst``: calls that can be made at once after a pause that is long enough for them.
    ``clock``: returns seconds that never decrease. ``sleep``: waits for a number of seconds, or raises an error.
    """

    def __init__(
        self,
        rate: float,
        *,
        burst: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate
        #: How far the next call's time may lie in the past: the call itself is one of the burst.
        self._burst = max(burst - 1, 0) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._next = clock() - self._burst
        self._granted = 0

    def seconds(self, calls: int) -> float:
        """Return how many seconds a number of calls takes."""
        return calls * self._interval

    def wait(self, calls: int) -> float:
        """Return in how many seconds this number of calls can be made one after another without a pause."""
        now = self._clock()
        return max(0.0, max(self._next, now - self._burst) + self.seconds(calls - 1) - now)

    def grant(self, calls: int) -> None:
        """Let so many of the next calls be made without waiting, since their time was reserved in another way.

        Earlier grants that were not used end.
        """
        self._granted = calls

    def take(self, calls: int = 1) -> None:
        """Wait until the next call can be made, and reserve the time of ``calls`` calls from then on."""
        now = self._clock()
        self._next = max(self._next, now - self._burst)
        if self._granted >= calls:
            self._granted -= calls
            # They count, so that other calls wait for them, but not more of them than those of a burst.
            self._next = min(self._next, now + self._burst)
        elif self._next > now:
            self._sleep(self._next - now)
        self._next += calls * self._interval
