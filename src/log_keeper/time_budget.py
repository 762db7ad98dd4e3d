"""The time that remains in an invocation."""

from __future__ import annotations

import math
from collections.abc import Callable

from log_keeper.aws.clients import TRY_SECONDS

#: Seconds of an invocation that are kept for one more try of a call, and for reporting.
_RESERVE = TRY_SECONDS + 1


class OutOfTimeError(Exception):
    """The invocation would end before the work does. SQS delivers the message again."""


class TimeBudget:
    """Waits, but never beyond the end of the invocation. Without ``begin`` there is no end.

    ``sleep``: waits for a number of seconds.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._remaining: Callable[[], float] = lambda: math.inf

    def begin(self, remaining: Callable[[], float]) -> None:
        """Start an invocation. ``remaining``: returns the milliseconds until it ends."""
        self._remaining = remaining

    def __call__(self, seconds: float) -> None:
        """Wait. Raises OutOfTimeError if there is not enough time."""
        self.require(seconds)
        self._sleep(seconds)

    def require(self, seconds: float = 0) -> None:
        """Raise OutOfTimeError unless one call can be made after so many seconds.

        The remaining messages then return to the queue one by one. If Lambda ended the invocation instead, all messages
        of the batch would return, also those that were processed.
        """
        if self._remaining() < (seconds + _RESERVE) * 1000:
            raise OutOfTimeError(
                "not enough time is left in this invocation for another call; the message will be delivered again"
            )
