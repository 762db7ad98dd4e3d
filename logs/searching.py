"""Searches the logs of a stage for requests."""

from __future__ import annotations

from collections.abc import Iterable

from logs.access_lines import formats_of
from logs.explanations import LATE_SECONDS, Span, explanations, unreadable
from logs.grouping import group
from logs.model import Found, LogLine, Request, Sources
from logs.options import Limits
from logs.reading import Reader

#: Milliseconds around a request's time in which its other lines are searched for.
_AROUND = 15 * 60 * 1000
#: How execution log lines begin that have a further id of the request.
_ID_LINES = ("Extended Request Id: ", "AWS Integration Endpoint RequestId : ")


def search(
    reader: Reader,
    sources: Sources,
    span: Span,
    limits: Limits,
    *,
    only_errors: bool = False,
    request_id: str | None = None,
    info_tag_key: str = "execution-logs",
) -> Found:
    """Return the requests of the time span, and what cannot be shown.

    ``request_id``: only the request with this id. Raises BotoCoreError and ClientError.
    """
    since, until, now = span
    ref = sources.stage.ref
    if request_id is None:
        access, execution = reader.read(sources.access, since, until), reader.read(sources.execution, since, until)
    else:
        access, execution = _of_request(reader, sources, since, until, request_id)
    requests, unknown = read_requests(sources, access, execution)
    notes = list(explanations(sources, sorted(reader.missing), is_recent=now - until < LATE_SECONDS * 1000,
                              info_tag_key=info_tag_key))  # fmt: skip
    notes += [unreadable(ref.region, name, why, span) for name, why in sorted(reader.unreadable.items())]
    if unknown and request_id is None:
        notes.append(
            f"{len(unknown)} {'line has' if len(unknown) == 1 else 'lines have'} no id of a request, or a format that "
            "the stage had earlier; --json shows them."
        )
    if only_errors:
        requests = tuple(request for request in requests if request.is_failed)
    if request_id is not None:
        requests = tuple(request for request in requests if request_id in _ids(request))
    left_out = max(0, len(requests) - limits.requests)
    if left_out:
        notes.append(f"{left_out} earlier requests are left out: use --until, or a larger --most-requests.")
    if reader.stopped_by is not None:
        notes.append(
            f"The search ended early, at {reader.stopped_by}: requests and lines can be missing. Use a shorter time "
            "(--since, --until), or a larger limit."
        )
    return Found(sources, since, until, requests[left_out:], tuple(notes), unknown, reader.stopped_by is None)


def read_requests(
    sources: Sources, access: Iterable[LogLine], execution: Iterable[LogLine]
) -> tuple[tuple[Request, ...], tuple[LogLine, ...]]:
    """Return the requests of these lines, and the lines that belong to none."""
    return group(access, execution, formats_of(sources.stage.access_log.format, sources.protocol))


def _of_request(
    reader: Reader, sources: Sources, since: int, until: int, request_id: str
) -> tuple[list[LogLine], list[LogLine]]:
    """Return the lines of one request. Its lines may have only its other id, so that one is searched for as well."""
    wanted, searched = [request_id], set[str]()
    access: dict[str, LogLine] = {}
    execution: dict[str, LogLine] = {}
    while wanted:
        text = wanted.pop()
        searched.add(text)
        access |= {line.event_id: line for line in reader.read(sources.access, since, until, text)}
        execution |= {line.event_id: line for line in reader.read(sources.execution, since, until, text)}
        times = [line.time for line in (*access.values(), *execution.values())]
        if times:
            since, until = max(since, min(times) - _AROUND), min(until, max(times) + _AROUND)
        for request in read_requests(sources, access.values(), execution.values())[0]:
            ids = {request.request_id, request.value("extendedRequestId")} - {None, *searched, *wanted}
            # Ids are compared again at the end, so that a text of a client that contains the id does no harm.
            wanted += [each for each in ids if each is not None and request_id in _ids(request)][:2]
    return list(access.values()), list(execution.values())


def _ids(request: Request) -> set[str | None]:
    """Return the ids of the request, also that of its call of the integration."""
    texts = {step.text.removeprefix(prefix).strip() for prefix in _ID_LINES for step in request.steps}
    return {request.request_id, request.value("extendedRequestId"), request.value("integration.requestId"), *texts}
