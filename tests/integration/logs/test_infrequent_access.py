"""``make logs`` of log groups of the class Infrequent Access says what it leaves out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from logs import __main__ as command
from logs import insights
from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_rest_stage, patch_stage
from testing.execution_logs import put_lines
from testing.logged_requests import ACCESS, FORMAT, NOW, access_line

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    """The id of a REST API whose access log has lines of three requests."""
    sandbox.client("logs").create_log_group(logGroupName=ACCESS, logGroupClass="INFREQUENT_ACCESS")
    give_log_role(sandbox)
    made = make_rest_stage(sandbox)
    arn = f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{ACCESS}"
    patch_stage(
        sandbox,
        made,
        ("replace", "/accessLogSettings/destinationArn", arn),
        ("replace", "/accessLogSettings/format", FORMAT),
    )
    times = [NOW - timedelta(seconds=seconds) for seconds in (90, 80, 70)]
    put_lines(sandbox, ACCESS, [(at, access_line(f"r{at:%S}", f"e{at:%S}=", "200", at)) for at in times])
    return made


def test_query_with_as_many_lines_as_it_can_answer_is_not_complete(
    api_id: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, expected in ((3, command.INCOMPLETE), (4, command.COMPLETE)):
        monkeypatch.setattr(insights, "MOST_LINES", most)
        code, output, _ = run("--api", api_id, "--insights", "--yes", "--json")
        found = json.loads(output)
        assert (code, found["isComplete"], len(found["requests"])) == (expected, expected == command.COMPLETE, 3)
        assert any("ended early, at the 3 lines of one query" in note for note in found["notes"]) is (most == 3)


def test_log_group_that_cannot_be_followed_is_named_once(api_id: str, run: Run) -> None:
    rounds = iter(range(3))

    def sleep(_: float) -> None:
        if next(rounds, None) is None:
            raise KeyboardInterrupt

    code, output, errors = run("--api", api_id, "--follow", sleep=sleep)
    assert code == command.COMPLETE
    assert errors.count(f"{ACCESS} cannot be followed: ") == 1
    assert "Execution logs of the stage are OFF" in output


def test_several_queries_are_announced_for_one_request_only(api_id: str, run: Run) -> None:
    for arguments, is_announced in (((), False), (("--request-id", "r30"), True)):
        code, _, errors = run("--api", api_id, "--insights", "--yes", "--json", *arguments)
        assert code == command.COMPLETE
        assert "0.005 USD for each GB" in errors
        assert ("--request-id can need several queries" in errors) is is_announced
