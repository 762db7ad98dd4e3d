"""Shows new requests of a stage as their lines arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from logs.model import LogLine, Request, Sources
from logs.reading import Reader
from logs.searching import read_requests

#: Seconds between two rounds. Each round is one call for each log group.
PAUSE = 3.0
#: Each round begins so many milliseconds before the last one did. Lines arrive late and out of order, and those of a
#: request of 29 seconds can have the time at which it began. *Source* for the access log line:
#: ministryofjustice/modernisation-platform-environments, pull request 3807; for the 29 seconds: API Gateway quotas.
_OVERLAP = 90_000
#: Milliseconds for which lines are kept, so that a late line is shown with its request.
_KEPT = 300_000
#: A request is shown when no line of it has arrived for this time, in milliseconds.
_QUIET = 6_000


class Follower:
    """Reads new lines, and keeps those of requests that may get more.

    ``now``: returns milliseconds since 1970.
    """

    def __init__(self, reader: Reader, sources: Sources, since: int, now: Callable[[], int]) -> None:
        self._reader = reader
        self._sources = sources
        self._since = since
        self._now = now
        self._access: dict[str, LogLine] = {}
        self._execution: dict[str, LogLine] = {}
        #: When a line of each request last arrived, and how many lines it has.
        self._changed: dict[str, tuple[int, int]] = {}
        #: How many lines of each request were there when it was shown.
        self._shown: dict[str, int] = {}
        #: Which limit ended the last round early, so that lines are missing; None if none did.
        self.stopped_by: str | None = None

    def round(self) -> Iterator[Request]:
        """Read once, and yield the requests whose lines are complete, as far as that can be known.

        A request of which more lines arrive later is yielded again. Raises BotoCoreError and ClientError.
        """
        now = self._now()
        begin, self._since = self._since, max(self._since, now - _OVERLAP)
        self._reader.start()
        for groups, lines in ((self._sources.access, self._access), (self._sources.execution, self._execution)):
            lines |= {line.event_id: line for line in self._reader.read(groups, begin, now)}
        self.stopped_by = self._reader.stopped_by
        requests, _ = read_requests(self._sources, self._access.values(), self._execution.values())
        keys = _keys(requests)
        for key, request in zip(keys, requests, strict=True):
            size = len(request.steps) + (request.access is not None)
            changed, known = self._changed.get(key, (now, 0))
            if size > known:
                self._changed[key] = changed, known = now, size
            if size > self._shown.get(key, 0) and now - changed >= _QUIET:
                self._shown[key] = size
                yield request
        self._forget(now, keys)

    def _forget(self, now: int, keys: list[str]) -> None:
        """Drop lines that are so old that no more of their requests are expected."""
        oldest = now - _KEPT
        for lines in (self._access, self._execution):
            for event_id in [event_id for event_id, line in lines.items() if line.time < oldest]:
                del lines[event_id]
        for known in (self._changed, self._shown):
            for key in known.keys() - set(keys):
                del known[key]


def _keys(requests: tuple[Request, ...]) -> list[str]:
    """Return a key for each request: its id, and its extended id if several have the same, which clients can choose."""
    count = Counter(request.request_id for request in requests)
    return [
        f"{each.request_id} {each.value('extendedRequestId')}" if count[each.request_id] > 1 else each.request_id
        for each in requests
    ]
