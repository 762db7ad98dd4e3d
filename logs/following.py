"""Shows new requests of a stage as their lines arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from logs.model import LogLine, Request, Sources
from logs.reading import Reader
from logs.searching import read_requests

#: Seconds between two rounds. Each round is one call for each log group.
PAUSE = 3.0
#: Lines arrive out of order, so each round begins so many milliseconds before the end of the last one.
_OVERLAP = 120_000
#: A request is shown when no line of it has arrived for this time, in milliseconds.
_QUIET = 6_000


class Follower:
    """Reads new lines, and keeps those of requests that are not shown yet.

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

    def round(self) -> Iterator[Request]:
        """Read once, and yield the requests whose lines are complete, as far as that can be known.

        A request of which more lines arrive later is yielded again. Raises BotoCoreError and ClientError.
        """
        now = self._now()
        begin = max(self._since, now - _OVERLAP)
        self._reader.start()
        for groups, lines in ((self._sources.access, self._access), (self._sources.execution, self._execution)):
            lines |= {line.event_id: line for line in self._reader.read(groups, begin, now)}
        requests, _ = read_requests(self._sources, self._access.values(), self._execution.values())
        for request in requests:
            key, size = f"{request.request_id} {request.value('extendedRequestId')}", _size(request)
            changed, known = self._changed.get(key, (now, 0))
            if size != known:
                self._changed[key] = changed, known = now, size
            if size != self._shown.get(key) and now - changed >= _QUIET:
                self._shown[key] = size
                yield request
        self._forget(now, requests)

    def _forget(self, now: int, requests: tuple[Request, ...]) -> None:
        """Drop what is older than any later round reads."""
        oldest = now - 2 * _OVERLAP
        for lines in (self._access, self._execution):
            for event_id in [event_id for event_id, line in lines.items() if line.time < oldest]:
                del lines[event_id]
        current = {f"{request.request_id} {request.value('extendedRequestId')}" for request in requests}
        for known in (self._changed, self._shown):
            for key in known.keys() - current:
                del known[key]


def _size(request: Request) -> int:
    return len(request.steps) + (request.access is not None)
