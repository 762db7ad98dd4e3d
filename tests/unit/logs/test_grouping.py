"""Lines of one request stand together, whatever stream they are in and whatever id the client chose."""

from __future__ import annotations

from hypothesis import given as drawn
from hypothesis import strategies as st

from log_keeper.stages import Protocol
from logs.access_lines import formats_of
from logs.errors_in_words import errors_of
from logs.grouping import group
from logs.model import Kind, LogLine, Request
from testing.execution_logs import TIMED_OUT, TIMED_OUT_LINES

FORMAT = "$context.requestId $context.extendedRequestId $context.status"


def lines(*texts: tuple[int, str], stream: str = "a") -> list[LogLine]:
    return [LogLine(time, text, "group", stream, f"{stream}{number}") for number, (time, text) in enumerate(texts)]


def grouped(
    access: list[LogLine], execution: list[LogLine], log_format: str = FORMAT
) -> tuple[tuple[Request, ...], tuple[LogLine, ...]]:
    return group(access, execution, formats_of(log_format, Protocol.REST))


def texts(request: Request) -> list[str]:
    return [step.text for step in request.steps]


def test_interleaved_lines_of_several_streams() -> None:
    execution = [
        *lines((5, "(one) b"), (5, "(two) b"), (6, "(one) c"), stream="b"),
        *lines((1, "(two) a"), (2, "(one) a"), stream="a"),
    ]
    (two, one), unknown = grouped(lines((1, "two e2 200"), (2, "one e1 500")), execution)
    assert (two.request_id, texts(two), two.status) == ("two", ["a", "b"], 200)
    assert (one.request_id, texts(one), one.status) == ("one", ["a", "b", "c"], 500)
    assert [step.milliseconds for step in one.steps] == [0, 3, 4]
    assert unknown == ()


def test_requests_with_the_same_id_are_kept_apart() -> None:
    """A client can send x-amzn-RequestId, so that it chooses the id, but not the extended id."""
    execution = lines((1, "(same) Extended Request Id: e1"), (2, "(same) x"), (9, "(same) Extended Request Id: e2"))
    found, _ = grouped(lines((1, "same e1 200"), (9, "same e2 403")), execution)
    assert [(each.status, len(each.steps)) for each in found] == [(200, 2), (403, 1)]
    # Without the lines of the extended id it is not known whose lines they are.
    found, _ = grouped(lines((1, "same e1 200"), (9, "same e2 403")), lines((9, "(same) Execution failed due to x")))
    assert [(each.status, len(each.steps)) for each in found] == [(200, 0), (403, 0), (None, 1)]


def test_format_with_one_of_the_ids_is_enough() -> None:
    execution = lines((1, "(one) Extended Request Id: e1"), (2, "(one) x"))
    for log_format, line in (("$context.requestId $context.status", "one 200"), ("$context.extendedRequestId!", "e1!")):
        (request,), _ = grouped(lines((1, line)), execution, log_format)
        assert (request.request_id, len(request.steps)) == ("one", 2), log_format
        assert request.access is not None


def test_lines_without_an_id_are_returned() -> None:
    found, unknown = grouped(lines((1, "another format")), lines((2, "no id")))
    assert (found, [line.message for line in unknown]) == ((), ["no id", "another format"])


@drawn(st.lists(st.tuples(st.integers(0, 9), st.text()), max_size=5), st.lists(st.text(), max_size=5))
def test_any_lines_can_be_grouped(access: list[tuple[int, str]], execution: list[str]) -> None:
    found, _ = grouped(lines(*access), lines(*((1, f"(id) {text}") for text in execution)))
    assert all(request.last_time >= request.started for request in found)
    assert all(errors_of(request) for request in found if request.is_failed)


def test_recorded_request() -> None:
    (request,), _ = grouped([], lines(*((after, f"({TIMED_OUT}) {text}") for after, text in TIMED_OUT_LINES)))
    assert (request.method, request.path, request.status) == ("GET", "/echo", 502)
    assert request.integration_latency == "11029"
    assert (request.endpoint or "").endswith("EchoFunction-175HKORAF18IO/invocations")
    assert [step.kind for step in request.steps if step.kind in (Kind.ERROR, Kind.OTHER)] == [Kind.ERROR]
    assert errors_of(request) == ("The Lambda function ended at its own timeout of 10.00 seconds.",)
