"""What was found as lines of text, each in pieces with a style. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from logs.errors_in_words import errors_of
from logs.model import Found, Kind, Request, Sources
from preview.words import printable

#: The longest text of a line that is shown. Lines of log deliveries can have 1 MB.
MOST_TEXT = 2_000


class Piece(NamedTuple):
    """A part of a line. ``style``: a style of rich; empty for plain text."""

    text: str
    style: str = ""


type Line = tuple[Piece, ...]

#: The style of each part of a request, in the timeline.
_STYLES = {Kind.ERROR: "bold red", Kind.INTEGRATION_REQUEST: "cyan", Kind.INTEGRATION_RESPONSE: "cyan"}
_WIDTH = max(map(len, Kind))


def heading(sources: Sources) -> Iterator[Line]:
    """Yield the lines that say which stage is read, and from where."""
    ref = sources.stage.ref
    name = f"{printable(sources.api_name)}/{ref.stage_name}" if sources.api_name else ref.stage_name
    yield (Piece(name, "bold"), Piece(f"  {sources.protocol} API {ref.api_id} in {ref.region}"))
    for what, groups in (("access logs", sources.access), ("execution logs", sources.execution)):
        for name in groups:
            yield (Piece(f"{what}: {printable(name)}", "dim"),)


def report(found: Found) -> Iterator[Line]:
    """Yield all lines about what was found."""
    yield from heading(found.sources)
    yield ()
    for request in found.requests:
        yield from request_lines(request)
        yield ()
    yield (Piece(summary(found), "bold"),)
    yield from note_lines(found.notes)


def note_lines(notes: Iterable[str]) -> Iterator[Line]:
    """Yield the lines that say what cannot be shown."""
    for note in notes:
        yield (Piece(f"- {printable(note)}", "dim"),)


def summary(found: Found) -> str:
    """Return how many requests were found, in one sentence."""
    number = len(found.requests)
    failed = sum(request.is_failed for request in found.requests)
    requests = "request" if number == 1 else "requests"
    between = f"between {at(found.since)} and {at(found.until)}"
    return f"{number} {requests} {between}, {failed} failed."


def request_lines(request: Request) -> Iterator[Line]:
    """Yield the access log line in words, the error, and the timeline of the execution log."""
    status, is_failed = request.status, request.is_failed
    colour = "bold red" if is_failed else "green"
    yield (
        Piece(f"{at(request.started)}  "),
        Piece(f"{shown(request.method)} {shown(request.path)}", "bold"),
        Piece("  "),
        Piece(str(status or "no status"), colour),
        Piece("".join(f"  {text}" for text in measures(request))),
    )
    who = [printable(text) for text in callers(request)]
    yield (Piece(f"    request {printable(request.request_id)}{''.join(f'  {text}' for text in who)}", "dim"),)
    if request.access is not None and not request.access.values.keys() - {"requestId", "extendedRequestId"}:
        yield (Piece(f"    {shown(request.access.line.message)}", "dim"),)
    for sentence in errors_of(request):
        yield (Piece("    Error: ", "bold red"), Piece(printable(sentence)))
    for step in request.steps:
        style = _STYLES.get(step.kind, "")
        part = Piece(f"{step.milliseconds:>8} ms  {step.kind:<{_WIDTH}}  ", "dim")
        yield (part, Piece(shown(step.text), style))


def at(milliseconds: int) -> str:
    """Return the time in UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03}Z"


def measures(request: Request) -> list[str]:
    """Return the latencies and the status of the integration, as far as they are known."""
    said = []
    if request.latency is not None:
        said.append(f"{printable(request.latency)} ms")
    if request.integration_latency is not None:
        said.append(f"integration {printable(request.integration_latency)} ms")
    if request.integration_status not in (None, request.status):
        said.append(f"integration status {request.integration_status}")
    return said


def callers(request: Request) -> list[str]:
    """Return who sent the request: address, principal, user agent; as far as they are known."""
    principal = request.value("identity.userArn", "authorizer.principalId", "identity.caller", "identity.user")
    texts = (
        ("from", request.value("identity.sourceIp")),
        ("as", principal),
        ("with", request.value("identity.userAgent")),
        ("connection", request.value("connectionId")),
    )
    return [f"{word} {text}" for word, text in texts if text is not None]


def shown(text: str | None) -> str:
    """Return the text in one line that cannot act as control characters, cut at ``MOST_TEXT``."""
    if text is None:
        return "-"
    line = printable(" ".join(text.split()))
    more = len(line) - MOST_TEXT
    return line if more <= 0 else f"{line[:MOST_TEXT]} (and {more} more characters; --json has them)"
