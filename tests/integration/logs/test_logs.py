"""``make logs`` reads a stage of a sandbox account, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.stages import Protocol
from logs import __main__ as command
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from testing.accounts import give_log_role, make_rest_stage, patch_stage
from testing.execution_logs import (
    THROTTLED,
    THROTTLED_LINES,
    TIMED_OUT,
    TIMED_OUT_LINES,
    execution_stream,
    put_lines,
)

NOW = datetime.now(UTC).replace(microsecond=0)
ACCESS = "/theirs/access"
SUCCEEDED = "c47af1c2-0000-11e9-8dc8-db3cf4c83204"

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process and returns the exit code, stdout and stderr."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(command, "_RATE", 1000.0)

    def run(*arguments: str, **replaced: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = command.main(arguments, **({"clock": lambda: NOW} | replaced))
        except SystemExit as usage:
            code = int(str(usage.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def at(milliseconds: int, before: timedelta = timedelta(minutes=5)) -> datetime:
    return NOW - before + timedelta(milliseconds=milliseconds)


def execution_lines(request_id: str, lines: tuple[tuple[int, str], ...], **before: Any) -> list[tuple[datetime, str]]:
    return [(at(milliseconds, **before), f"({request_id}) {text}") for milliseconds, text in lines]


def access_line(request_id: str, extended_id: str, status: str, begin: datetime, **values: str) -> str:
    given = {
        "requestId": request_id,
        "extendedRequestId": extended_id,
        "requestTimeEpoch": str(int(begin.timestamp() * 1000)),
        "status": status,
        "httpMethod": "GET",
        "path": "/Prod/echo",
        "identity.sourceIp": "203.0.113.9",
        "identity.userAgent": 'a "quoted" agent',
        "responseLatency": "11040",
    } | values
    return access_log_line(access_log_formats(FormatName.JSON)[Protocol.REST], given, Escaping.QUOTES)


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    """Create a stage at INFO with data trace and access logs, and three requests: a timeout, a throttle, a success."""
    give_log_role(sandbox)
    made = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        made,
        (
            "replace",
            "/accessLogSettings/destinationArn",
            f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{ACCESS}",
        ),
        ("replace", "/accessLogSettings/format", access_log_formats(FormatName.JSON)[Protocol.REST]),
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    put_lines(
        sandbox,
        ACCESS,
        [
            (at(0), access_line(TIMED_OUT, "Vwc2MGFUrPEFV_g=", "502", at(0))),
            (at(10), access_line(SUCCEEDED, "Abc2MGFUrPEFV_g=", "200", at(10))),
            (at(20), access_line(THROTTLED, "Vts2FFmArPEFh8g=", "429", at(20))),
        ],
    )
    group = f"API-Gateway-Execution-Logs_{made}/prod"
    put_lines(sandbox, group, execution_lines(TIMED_OUT, TIMED_OUT_LINES), execution_stream(34))
    # Another stream, in which lines of two requests are interleaved.
    throttled = [
        (time + timedelta(milliseconds=20), text) for time, text in execution_lines(THROTTLED, THROTTLED_LINES)
    ]
    succeeded = [
        (time + timedelta(milliseconds=20), text)
        for time, text in execution_lines(
            SUCCEEDED, ((0, "Extended Request Id: Abc2MGFUrPEFV_g="), (2, "HTTP Method: GET, Resource Path: /echo"))
        )
    ]
    put_lines(sandbox, group, sorted([*throttled, *succeeded], key=lambda line: line[0]), execution_stream(60))
    return made


def test_lines_of_each_request_stand_together_with_the_access_log_line_first(api_id: str, run: Run) -> None:
    code, output, errors = run("--api", "shop", "--stage", "prod")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    first, second, third = (number for number, line in enumerate(lines) if "GET /Prod/echo" in line)
    assert "502" in lines[first]
    assert "11040 ms" in lines[first]
    assert "integration 11029 ms" in lines[first]
    assert TIMED_OUT in lines[first + 1]
    assert 'with a "quoted" agent' in lines[first + 1]
    assert lines[first + 2] == "    Error: The Lambda function ended at its own timeout of 10.00 seconds."
    timeline = lines[first + 3 : second - 1]
    assert len(timeline) == len(TIMED_OUT_LINES)
    assert timeline[0].split() == ["0", "ms", "request", "Extended", "Request", "Id:", "Vwc2MGFUrPEFV_g="]
    assert timeline[-1].startswith("   11033 ms")
    assert [lines[number].split("  ")[2] for number in (second, third)] == ["200", "429"]
    assert "HTTP Method: GET" in lines[third - 2]
    assert "3 requests between" in output
    assert "2 failed" in output
    assert "\x1b" not in output


def test_errors_are_the_failed_requests(api_id: str, run: Run) -> None:
    _, output, _ = run("--api", api_id, "--errors", "--json")
    found = json.loads(output)
    assert [request["requestId"] for request in found["requests"]] == [TIMED_OUT, THROTTLED]
    assert found["requests"][1]["errors"] == [
        "The request was throttled: the limit is 1.00 requests per second, with a burst of 1."
    ]
    assert found["isComplete"]


@pytest.mark.parametrize(
    "text",
    [TIMED_OUT, "Vwc2MGFUrPEFV_g=", "71952965-d5cc-4974-ae08-6e2138b2275c"],
    ids=["id", "extended", "function's"],
)
def test_one_request_is_found_by_each_of_its_ids(api_id: str, run: Run, text: str) -> None:
    _, output, _ = run("--api", "shop", "--request-id", text, "--json")
    (request,) = json.loads(output)["requests"]
    assert request["requestId"] == TIMED_OUT
    assert request["status"] == 502
    assert len(request["executionLog"]) == len(TIMED_OUT_LINES)


def test_search_is_limited_to_its_time(api_id: str, run: Run) -> None:
    _, output, _ = run("--api", "shop", "--since", "2m")
    assert "0 requests between" in output
    _, output, _ = run("--api", "shop", "--since", "10m", "--until", "6m")
    assert "0 requests between" in output


def test_search_that_reaches_a_limit_says_so(api_id: str, run: Run) -> None:
    code, output, _ = run("--api", "shop", "--most-pages", "1")
    assert code == command.INCOMPLETE
    assert "The search ended early, at --most-pages 1" in output
    code, output, _ = run("--api", "shop", "--most-requests", "1", "--json")
    found = json.loads(output)
    assert [request["requestId"] for request in found["requests"]] == [THROTTLED]
    assert any(note.startswith("2 earlier requests are left out") for note in found["notes"])
