"""How fast API Gateway is called: its control plane takes ten calls a second from the whole account."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Environments of Enforce that run at once, as the template's MaximumConcurrency has it: they share the rate.
ENVIRONMENTS = 2


class Pace:
    """Spreads calls evenly, after a burst.

    ``rate``: calls a second. ``burst``: calls that may be made ahead of it, after a pause as long as they would take.
    ``clock``: seconds that never run back. ``sleep``: lets so many seconds pass, or raises.
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
        self._burst = burst * self._interval
        self._clock = clock
        self._sleep = sleep
        self._next = clock() - self._burst

    def seconds(self, calls: int) -> float:
        """How long so many calls take."""
        return calls * self._interval

    def take(self, calls: int = 1) -> None:
        """The time for so many calls more has come; they, or others in their place, may be made."""
        now = self._clock()
        self._next = max(self._next, now - self._burst)
        if self._next > now:
            self._sleep(self._next - now)
        self._next += calls * self._interval
