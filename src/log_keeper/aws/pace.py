"""The pace of calls to API Gateway, whose control plane takes ten calls a second from the whole account.

Some calls of CloudWatch Logs, of which it takes five or ten a second, have paces of their own beside it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

#: A throttled call divides the rate by two, at most once in this number of seconds: several throttled calls of the same
#: moment are one sign. The rate is never less than an eighth.
_SLOWS_EVERY = 1.0
_SLOWEST = 1 / 8
#: The part of the rate that each second without a throttled call gives back.
_RECOVERY = 1 / 100


class Pace:
    """Spreads calls evenly over time, after a burst.

    A throttled call makes it slower, and the time after it faster again (additive increase, multiplicative decrease):
    the calls of the account's owner count in the same quota and come first.

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
        #: The part of the rate that was left after the last throttled call, and when that was.
        self._part, self._throttled = 1.0, -math.inf
        #: How far the next call's time may lie in the past: the call itself is one of the burst.
        self._burst = max(burst - 1, 0) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._next = clock() - self._burst
        self._granted = 0.0
        self._beside: dict[str, Pace] = {}
        self._lock = threading.Lock()

    def beside(self, name: str, rate: float) -> Pace:
        """Return the pace of this name for other calls, with the same clock: the same one each time.

        ``rate``: calls a second.
        """
        if name not in self._beside:
            self._beside[name] = Pace(rate, burst=2, clock=self._clock, sleep=self._sleep)
        return self._beside[name]

    def throttled(self) -> None:
        """Make the next calls at half of the present rate, and none of them at once. The rate recovers with time."""
        now = self._clock()
        if now - self._throttled >= _SLOWS_EVERY:
            self._part, self._throttled = max(self._present_part(now) / 2, _SLOWEST), now
            self._next = max(self._next, now + self._present_interval(now))

    def _present_part(self, now: float) -> float:
        return min(1.0, self._part + (now - self._throttled) * _RECOVERY)

    def _present_interval(self, now: float) -> float:
        return self._interval / self._present_part(now)

    def seconds(self, calls: float) -> float:
        """Return how many seconds a number of calls takes, at the present rate."""
        return calls * self._present_interval(self._clock())

    def wait(self, calls: int) -> float:
        """Return in how many seconds this number of calls can be made one after another without a pause."""
        now = self._clock()
        return max(0.0, max(self._next, now - self._burst) + self.seconds(calls - 1) - now)

    def grant(self, calls: int) -> None:
        """Let so many of the next calls be made without waiting, since their time was reserved in another way.

        Earlier grants that were not used end.
        """
        self._granted = calls

    def take(self, calls: float = 1) -> None:
        """Wait until the next call can be made, and reserve the time of ``calls`` calls from then on."""
        now = self._clock()
        self._next = max(self._next, now - self._burst)
        if self._granted >= calls:
            self._granted -= calls
            # They count, so that other calls wait for them, but not more of them than those of a burst.
            self._next = min(self._next, now + self._burst)
        elif self._next > now:
            self._sleep(self._next - now)
        self._next += self.seconds(calls)

    def take_in_thread(self) -> None:
        """Wait until the next call can be made, in one of several threads that do so."""
        with self._lock:
            self.take()
