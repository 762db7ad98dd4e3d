"""When messages about a member account have their turn, so that many changes in one account do not hold up others.

Each account and region has its own pace. A message that would wait for it returns to the queue with a turn, and the
function goes on with the messages of other accounts. Pure.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from log_keeper.aws.pace import Pace

#: Seconds by which a message may miss its turn. After them, messages that are late for the same reason, for example
#: because all environments were busy, would make their calls at once.
_LATE = 5.0
#: The most accounts and regions whose turns are kept before those in the past are forgotten.
_MOST = 500


class Turns:
    """Gives turns to the messages that one environment postpones. A turn reserves the time of the message's calls.

    ``clock``: returns the time now, in seconds since 1970, since a turn is also read by other environments.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: When the next message that is postponed has its turn, by account and region.
        self._next: dict[tuple[str, str], float] = {}

    def postponed_until(self, account_id: str, region: str, pace: Pace, calls: int, turn: float | None) -> float | None:
        """Return when the message has its turn, in seconds since 1970; None if it is processed now.

        ``calls``: to API Gateway that the message leads to.
        ``turn``: that it was given before, perhaps by another environment; None if it is new. A new message is the last
        of those that wait. At its turn, a message's calls do not wait for the pace.
        """
        now, wait = self._clock(), pace.wait(calls)
        if turn is not None and turn > now:  # the longest delay of SQS is shorter
            return turn
        if turn is not None and turn > now - _LATE:
            pace.grant(calls)
            return None
        pace.grant(0)
        key = (account_id, region)
        end = self._next.get(key, 0.0)
        if wait == 0 and (turn is not None or end <= now):
            return None
        if end <= now:
            # The environments postpone the first messages at the same moment, but should not call at the same moment.
            end = now + wait + random.random() * pace.seconds(calls)  # noqa: S311 - not a secret
        if len(self._next) >= _MOST:
            self._next = {each: later for each, later in self._next.items() if later > now}
        self._next[key] = end + pace.seconds(calls)
        return end
