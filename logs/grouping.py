"""Puts the lines of each request together, whatever log group and stream they are in. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from logs.access_lines import Format, read_values
from logs.execution_lines import extended_request_id, kind_of, split
from logs.model import AccessEntry, LogLine, Request, Step, epoch_milliseconds

#: The id of a request, and its extended id, which no client can choose; None if no line has that.
#: *Source:* API Gateway developer guide, "Variables for access logging for API Gateway", requestId.
type _Key = tuple[str, str | None]


def group(
    access: Iterable[LogLine], execution: Iterable[LogLine], formats: Iterable[Format]
) -> tuple[tuple[Request, ...], tuple[LogLine, ...]]:
    """Return the requests in the order in which they began, and the lines that belong to no request.

    A client of a REST API can choose the id of its request, so several requests can have the same id. The extended id
    distinguishes them, where their lines have it.
    """
    steps, unknown = _execution_lines(execution)
    formats = tuple(formats)
    entries, ids = [], defaultdict[str, int](int)
    for line in _in_order(access):
        entry = AccessEntry(line, read_values(line.message, formats))
        if not entry.values.keys() & {"requestId", "extendedRequestId"}:
            unknown.append(line)
            continue
        entries.append(entry)
        ids[entry.values.get("requestId", "")] += 1
    by_extended_id: dict[str | None, _Key] = {key[1]: key for key in steps if key[1] is not None}
    requests = []
    for entry in entries:
        own = entry.values.get("requestId") or entry.values["extendedRequestId"]
        key: _Key = (own, entry.values.get("extendedRequestId"))
        if key not in steps:
            # Without the requestId in the format, the line of the extended id connects the two.
            key = by_extended_id.get(key[1], key) if "requestId" not in entry.values else (own, None)
        lines = steps.pop(key, []) if key[1] is not None or ids[own] == 1 else []
        if not lines and ids[own] == 1:
            # The format has no extended id, but the execution log has it.
            lines = steps.pop(next((each for each in steps if each[0] == own), key), [])
        requests.append(_request(key[0], entry, lines))
    requests += [_request(key[0], None, lines) for key, lines in steps.items()]
    return tuple(sorted(requests, key=lambda each: each.started)), tuple(unknown)


def _execution_lines(lines: Iterable[LogLine]) -> tuple[dict[_Key, list[LogLine]], list[LogLine]]:
    """Return the lines of each request without the id, and the lines of another shape."""
    found, unknown = defaultdict[_Key, list[LogLine]](list), list[LogLine]()
    current: dict[tuple[str, str], str] = {}  # the extended id, by stream and id
    for line in _in_order(lines):
        if (parts := split(line.message)) is None:
            unknown.append(line)
            continue
        request_id, text = parts
        place = (line.stream, request_id)
        if (extended := extended_request_id(text)) is not None:
            current[place] = extended
        found[request_id, current.get(place)].append(line._replace(message=text))
    return dict(found), unknown


def _in_order(lines: Iterable[LogLine]) -> list[LogLine]:
    """Return the lines in the order in which they were written. Of the same millisecond, the id of the event decides.

    *Source:* the ids in the recordings of 2019-02 are numbers that grow within a batch.
    """
    return sorted(lines, key=lambda line: (line.time, len(line.event_id), line.event_id))


def _request(request_id: str, access: AccessEntry | None, lines: list[LogLine]) -> Request:
    begins = [lines[0].time] if lines else []
    if access is not None:
        begins.append(epoch_milliseconds(access.values) or access.line.time)
    started = min(begins)
    steps = tuple(Step(line.time - started, kind_of(line.message), line.message) for line in lines)
    return Request(request_id, started, access, steps)
