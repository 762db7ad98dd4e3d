"""A stage whose log groups have the lines of four requests: three recorded or like recorded ones, and a hostile one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.stages import Protocol
from sandbox.core.account import Account
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

#: The time at which this process began, in whole seconds.
NOW = datetime.now(UTC).replace(microsecond=0)
ACCESS = "/theirs/access"
SUCCEEDED = "c47af1c2-0000-11e9-8dc8-db3cf4c83204"
HOSTILE = "c47af1c2-0001-11e9-8dc8-db3cf4c83204"
FORMAT = access_log_formats(FormatName.JSON)[Protocol.REST]


def access_line(request_id: str, extended_id: str, status: str, begin: datetime, **values: str) -> str:
    """Return the access log line of a request in Log Keeper's JSON format. ``values``: by variable, as further ones."""
    given = {
        "requestId": request_id,
        "extendedRequestId": extended_id,
        "requestTimeEpoch": str(int(begin.timestamp() * 1000)),
        "status": status,
        "httpMethod": "GET",
        "path": "/prod/echo",
        "identity.sourceIp": "203.0.113.9",
        "identity.userAgent": 'a "quoted" agent',
        "responseLatency": "11040",
    } | values
    return access_log_line(FORMAT, given, Escaping.QUOTES)


def make_logged_requests(account: Account, begin: datetime | None = None) -> str:
    """Create a REST stage ``prod`` at INFO with data trace and four requests, and return the API's id.

    ``begin``: of the first request; None for five minutes ago. The others begin 10, 20 and 30 ms later.
    """
    begin = begin or datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    times = [begin + timedelta(milliseconds=milliseconds) for milliseconds in (0, 10, 20, 30)]
    give_log_role(account)
    api_id = make_rest_stage(account)
    patch_stage(
        account,
        api_id,
        (
            "replace",
            "/accessLogSettings/destinationArn",
            f"arn:aws:logs:us-east-1:{account.account_id}:log-group:{ACCESS}",
        ),
        ("replace", "/accessLogSettings/format", FORMAT),
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    lines = [
        access_line(TIMED_OUT, "Vwc2MGFUrPEFV_g=", "502", times[0]),
        access_line(SUCCEEDED, "Abc2MGFUrPEFV_g=", "200", times[1]),
        access_line(THROTTLED, "Vts2FFmArPEFh8g=", "429", times[2]),
        access_line(HOSTILE, "Xss2FFmArPEFh8g=", "200", times[3], path="/prod/<img src=x onerror=alert(1)>"),
    ]
    put_lines(account, ACCESS, zip(times, lines, strict=True))
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    put_lines(account, group, _execution(TIMED_OUT, TIMED_OUT_LINES, times[0]), execution_stream(34))
    # Another stream, in which lines of two requests are interleaved.
    succeeded = ((0, "Extended Request Id: Abc2MGFUrPEFV_g="), (11, "HTTP Method: GET, Resource Path: /echo"))
    both = [*_execution(THROTTLED, THROTTLED_LINES, times[2]), *_execution(SUCCEEDED, succeeded, times[1])]
    put_lines(account, group, sorted(both, key=lambda line: line[0]), execution_stream(60))
    return api_id


def _execution(request_id: str, lines: tuple[tuple[int, str], ...], begin: datetime) -> list[tuple[datetime, str]]:
    return [(begin + timedelta(milliseconds=after), f"({request_id}) {text}") for after, text in lines]
