"""Puts messages back on StageQueue: those of an account without free calls, and those for which a role was refused.

The function goes on with the messages of other accounts meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from log_keeper.aws.postponed import Postponed, put_back, refusals_of, turn_of
from log_keeper.events.hints import ApiStagesNamed, Hint
from log_keeper.events.read_stages import StagesAtMoment
from log_keeper.turns import Turns

if TYPE_CHECKING:
    from log_keeper.aws.clients import Clients
    from log_keeper.aws.pace import Pace

#: Seconds after a sweep's read within which its message is processed in time, so that the stages are not read again.
_SOON = 8.0
#: Seconds until a message is tried again for which a role was refused: IAM takes a while to propagate a role that was
#: created, and credentials of a role that was deleted are refused. After the last one, the message fails.
PAUSES = (15, 60)


class Postponement:
    """Collects the messages of an invocation that are postponed, and puts them back together.

    ``clock``: returns the time now, with its zone.
    """

    def __init__(self, clients: Clients, queue_url: str, clock: Callable[[], datetime]) -> None:
        self._clients = clients
        self._queue_url = queue_url
        self._seconds: Callable[[], float] = lambda: clock().timestamp()
        self._turns = Turns(self._seconds)
        self._postponed: list[Postponed] = []

    def postpones(
        self, place: tuple[str, str], pace: Pace, hint: Hint, read: StagesAtMoment | None, record: Mapping[str, Any]
    ) -> bool:
        """Return whether the message is postponed: its account and region have no calls free now.

        ``place``: the account and the region. ``hint``, ``read``: what the message is about, and the stages in it.
        ``record``: the message as Lambda passes it on.
        """
        now, turn = self._seconds(), turn_of(record)
        if read is not None and now - read.moment.timestamp() < _SOON:
            turn = now  # the sweep has reserved the time of the message's calls, and delayed it until then
        turn = self._turns.postponed_until(*place, pace, _calls(hint), turn)
        if turn is not None:
            refusals = refusals_of(record)
            self._postponed.append(Postponed(record["messageId"], record["body"], turn, True, refusals))
        return turn is not None

    def tries_again(self, record: Mapping[str, Any]) -> bool:
        """Return whether the message, for which a role was refused, is tried again after a pause.

        ``record``: the message as Lambda passes it on.
        """
        refusals = refusals_of(record)
        if refusals >= len(PAUSES):
            return False
        time = self._seconds() + PAUSES[refusals]
        self._postponed.append(Postponed(record["messageId"], record["body"], time, False, refusals + 1))
        return True

    def put_back(self) -> Iterator[tuple[str, Exception]]:
        """Put the postponed messages back on the queue. Yield the ids and errors of those that failed."""
        messages, self._postponed = self._postponed, []
        yield from put_back(self._clients, self._queue_url, messages, self._seconds())


def _calls(hint: Hint) -> int:
    """Return how many calls to API Gateway a message leads to: a read of a stage or of an API, and a write each."""
    return 1 + (len(hint.refs) if isinstance(hint, ApiStagesNamed) else 1)
