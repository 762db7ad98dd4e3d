"""Why a request failed, and what the logs of a stage cannot show."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage
from logs.errors_in_words import errors_of
from logs.explanations import explanations
from logs.model import AccessEntry, Found, Kind, LogLine, Request, Sources, Step
from logs.options import moment
from logs.report_data import to_json
from logs.report_html import to_html
from logs.report_text import MOST_TEXT, report
from testing.builders import REF, V2_REF

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


def failed(text: str = "", **values: str) -> Request:
    access = AccessEntry(LogLine(0, "line", "group", "stream", "0"), {"status": "500"} | values)
    return Request("id", 0, access, (Step(1, Kind.ERROR, text),) if text else ())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (failed("Execution failed due to configuration error: Malformed Lambda proxy response"), "proxy integration"),
        (failed("Execution failed due to configuration error: Invalid permissions on Lambda function"), "not allowed"),
        (failed("Lambda execution failed with status 200 due to customer function error: boom. Lambda request id: 1"),
         "The Lambda function raised an error: boom."),
        (failed("Execution failed due to a new reason"), "API Gateway says: Execution failed due to a new reason"),
        (failed(**{"error.responseType": "WAF_FILTERED"}), "AWS WAF blocked the request."),
        (failed(**{"error.message": "Too bad"}), "API Gateway answered: Too bad"),
        (failed(**{"integration.error": "Lambda Customer Function Error:boom {x}"}), "raised an error: boom {x}."),
        (failed(integrationStatus="503"), "The integration itself answered 503."),
        (failed(status="418"), "The client's request was refused with 418; the logs do not say why."),
        (failed(status="200", integrationErrorMessage="odd"), "API Gateway says: odd"),
    ],
)  # fmt: skip
def test_error_in_plain_words(request_: Request, said: str) -> None:
    assert said in errors_of(request_)[0]


def test_request_that_succeeded_has_no_error() -> None:
    assert errors_of(failed(status="200")) == ()


def stage(level: LoggingLevel, *overrides: MethodSettings, protocol: Protocol = Protocol.REST) -> Sources:
    ref = REF if protocol is Protocol.REST else V2_REF
    made = Stage(
        ref,
        protocol,
        {},
        AccessLogSettings("arn:aws:logs:us-east-1:123456789012:log-group:/a", "$context.requestId"),
        MethodSettings(level),
        {str(number): settings for number, settings in enumerate(overrides)},
    )
    return Sources("shop", made, ("/a",), ("/e",) if protocol is not Protocol.HTTP else ())


def notes(sources: Sources, *missing: str) -> str:
    return "\n".join(explanations(sources, missing, is_recent=False))


def test_levels_are_explained() -> None:
    traced = MethodSettings(LoggingLevel.INFO, data_trace=True)
    assert "lines of failed requests only" in notes(stage(LoggingLevel.ERROR))
    assert "the stage is at ERROR" in notes(stage(LoggingLevel.ERROR))
    assert "some methods are at ERROR" in notes(stage(LoggingLevel.INFO, MethodSettings(LoggingLevel.ERROR)))
    assert "Some methods have execution logs OFF" in notes(stage(LoggingLevel.INFO, MethodSettings()))
    assert "only with data trace" in notes(stage(LoggingLevel.INFO))
    assert "only with data trace" not in notes(stage(LoggingLevel.OFF, traced))
    assert "HTTP APIs have no execution logs" in notes(stage(LoggingLevel.OFF, protocol=Protocol.HTTP))
    assert "does not exist" in notes(stage(LoggingLevel.ERROR), "/a")
    # A group of execution logs that are OFF is not missed.
    assert "does not exist" not in notes(stage(LoggingLevel.OFF), "/e")


def test_command_to_opt_in_names_the_stage_in_its_partition() -> None:
    sources = stage(LoggingLevel.ERROR, protocol=Protocol.WEBSOCKET)
    assert f"--resource-arn 'arn:aws:apigateway:{V2_REF.region}::/apis/{V2_REF.api_id}/stages/$default'" in notes(
        sources
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", "2026-11-29T07:58:30+00:00"),
        ("2h", "2026-11-29T06:00:00+00:00"),
        ("1w", "2026-11-22T08:00:00+00:00"),
        ("2026-11-29T09:00", "2026-11-29T09:00:00+00:00"),
        ("2026-11-29T09:00+02:00", "2026-11-29T07:00:00+00:00"),
    ],
)
def test_times(text: str, wanted: str) -> None:
    assert moment(text, NOW).isoformat() == wanted


class Elements(HTMLParser):
    """Collects the names of the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)


@drawn(st.text(max_size=60))
def test_no_text_acts_as_markup_or_as_a_control_character(text: str) -> None:
    def page_of(text: str) -> tuple[str, Found]:
        request = Request(text, 0, AccessEntry(LogLine(0, text, "g", "s", "0"), {"path": text, "status": "500"}),
                          (Step(0, Kind.ERROR, text),))  # fmt: skip
        found = Found(stage(LoggingLevel.INFO), 0, 1, (request,), (text,), (), is_complete=True)
        return to_html(found), found

    page, found = page_of(text)
    assert Elements(page).names == Elements(page_of("x")[0]).names
    assert json.loads(to_json(found))["requests"][0]["requestId"] == text
    for line in report(found):
        assert all(letter.isprintable() for piece in line for letter in piece.text)


def test_long_line_is_cut_in_the_text_and_whole_in_json() -> None:
    request = Request("id", 0, None, (Step(0, Kind.OTHER, "x" * (MOST_TEXT + 7)),))
    found = Found(stage(LoggingLevel.INFO), 0, 1, (request,), (), (), is_complete=True)
    assert any("(and 7 more characters; --json has them)" in piece.text for line in report(found) for piece in line)
    assert "x" * (MOST_TEXT + 7) in to_json(found)
