"""``make logs`` with times that no log has, and with lines in which a client forges what API Gateway writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from logs import __main__ as command
from sandbox.assembly import Sandbox
from testing.accounts import patch_stage
from testing.execution_logs import put_lines
from testing.logged_requests import ACCESS, NOW

type Run = Callable[..., tuple[int, str, str]]

#: A format of the owner, in which a user agent with the separator shifts the values behind it.
FORMAT = (
    "$context.identity.userAgent|$context.requestTimeEpoch|$context.responseLatency|$context.path|$context.requestId"
)
REQUEST_ID = "c47af1c2-0000-11e9-8dc8-db3cf4c83204"


@pytest.mark.parametrize("since", ["999999w", "100000w", "1969-01-01", "0001-01-01T00:00+23:00"])
def test_search_since_a_time_before_all_logs_reads_them_all(api_id: str, run: Run, since: str) -> None:
    code, output, errors = run("--api", api_id, "--since", since, "--until", "9999-12-31T23:59-10:00", "--json")
    assert (code, errors) == (command.COMPLETE, "")
    found = json.loads(output)
    assert (found["since"], len(found["requests"])) == ("1970-01-01 00:00:00.000Z", 4)


def test_limit_with_too_many_digits_is_refused(api_id: str, run: Run) -> None:
    code, _, errors = run("--api", api_id, "--most-seconds", "9" * 400)
    assert code == 2
    assert "at most 9 digits" in errors


@pytest.mark.parametrize("forged", ["9" * 15, "1|" + "9" * 5_000])
@pytest.mark.parametrize("form", [(), ("--json",), ("--html", "-")])
def test_number_that_a_client_forges_hides_no_request(
    sandbox: Sandbox, api_id: str, run: Run, forged: str, form: tuple[str, ...]
) -> None:
    patch_stage(sandbox, api_id, ("replace", "/accessLogSettings/format", FORMAT))
    line = f"curl|{forged}|1790000000000|7|/prod|{REQUEST_ID}"
    put_lines(sandbox, ACCESS, [(NOW - timedelta(minutes=2), line)], stream="later")
    code, output, errors = run("--api", api_id, *form)
    assert (code, errors) == (command.COMPLETE, "")
    assert REQUEST_ID in output
