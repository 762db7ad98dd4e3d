"""What ``make verify`` prints, its exit codes, and how it waits for the account."""

from __future__ import annotations

import json
from collections.abc import Sequence

import boto3
import pytest
from botocore.exceptions import ClientError

from verify.account import Account, StoppedError
from verify.ledger import Leftover
from verify.points import Point, Result, Status
from verify.report import Report, leftovers_to_text, to_json, to_text

POINT = Point(
    "past", "CreateSchedule of a time gone by", "refuses", False, {True: "is refused", False: "is accepted"}, bool
)
SAME = Result(POINT, Status.SAME, False)
DIFFERENT = Result(POINT, Status.DIFFERENT, True)
UNCLEAR = Result(POINT, Status.UNCLEAR, why="AccessDenied: no")
NOT_TRIED = Result(POINT, Status.NOT_TRIED, why="there is no stack")
LEFT = Leftover("REST API a1", "denied", "aws apigateway delete-rest-api --rest-api-id a1 --region eu-west-1")


def report(*results: Result, left: Sequence[Leftover] = (), is_stopped: bool = False) -> Report:
    return Report("0123abcd", "eu-west-1", results, left, 7, is_stopped)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(SAME), 0),
        (report(SAME, NOT_TRIED), 0),
        (report(SAME, UNCLEAR), 1),
        (report(SAME, left=[LEFT]), 1),
        (report(SAME, is_stopped=True), 1),
        (report(SAME, DIFFERENT), 3),
        (report(UNCLEAR, DIFFERENT, left=[LEFT], is_stopped=True), 3),
    ],
)
def test_exit_code_is_that_of_the_worst_result(made: Report, code: int) -> None:
    assert made.exit_code == code


def test_table_says_what_aws_did_and_what_the_sandbox_does() -> None:
    lines = to_text(report(SAME, DIFFERENT, UNCLEAR, NOT_TRIED), has_color=False).splitlines()
    rows = [line.split("  ") for line in lines if line.startswith("CreateSchedule")]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["CreateSchedule of a time gone by", "is accepted", "is accepted", "same"],
        ["CreateSchedule of a time gone by", "is refused", "is accepted", "different"],
        ["CreateSchedule of a time gone by", "AccessDenied: no", "is accepted", "could not tell"],
    ]
    not_tried = lines.index("not tried, because there is no stack:")
    assert lines[not_tried + 1 : not_tried + 3] == ["  - CreateSchedule of a time gone by", ""]
    assert "eu-west-1: 1 same, 1 different, 1 could not tell, 1 not tried; 7 calls." in lines
    assert lines[-1] == "The sandbox is wrong about AWS here: refuses. Please report it."


def test_points_with_the_same_requirement_are_listed_together() -> None:
    lines = to_text(report(NOT_TRIED, SAME, NOT_TRIED), has_color=False).splitlines()
    assert lines.count("not tried, because there is no stack:") == 1
    assert lines.count("  - CreateSchedule of a time gone by") == 2


def test_summary_says_that_the_run_was_stopped() -> None:
    last = to_text(report(SAME, is_stopped=True), has_color=False).splitlines()[-1]
    assert last == "eu-west-1: 1 same; 7 calls. It was stopped before the end."


def test_table_has_color_only_if_asked_for() -> None:
    assert "\x1b[" in to_text(report(SAME, DIFFERENT), has_color=True)
    assert "\x1b[" not in to_text(report(SAME, DIFFERENT), has_color=False)


def test_json_has_every_member() -> None:
    found = json.loads(to_json(report(DIFFERENT, left=[LEFT])))
    assert found["points"] == [
        {
            "point": "past",
            "question": POINT.question,
            "switch": "refuses",
            "status": "different",
            "aws": True,
            "sandbox": False,
            "why": None,
        }
    ]
    assert found["leftovers"] == [{"what": LEFT.what, "why": LEFT.why, "byHand": LEFT.by_hand}]
    assert (found["run"], found["region"], found["calls"], found["stopped"]) == ("0123abcd", "eu-west-1", 7, False)


def test_resource_that_remains_is_shown_with_the_command_that_deletes_it() -> None:
    assert leftovers_to_text([LEFT]).splitlines() == [f"could not delete {LEFT.what}: denied", f"  {LEFT.by_hand}"]
    assert leftovers_to_text([]) == ""


# ---- waiting


class Clock:
    """Time that passes only by sleeping. ``at``: what happens at a certain time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.account = Account(boto3.Session(region_name="eu-west-1"), sleep=self.sleep, clock=lambda: self.now)
        self.stops_at = float("inf")

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.account.is_stopping = self.now >= self.stops_at


def test_wait_ends_soon_after_the_user_stops_the_run() -> None:
    clock = Clock()
    clock.stops_at = 10
    with pytest.raises(StoppedError):
        clock.account.wait(60)
    assert clock.now <= 11


def test_wait_while_deleting_goes_on_after_the_user_stops_the_run() -> None:
    clock = Clock()
    clock.stops_at, clock.account.is_deleting = 10, True
    clock.account.wait(60)
    assert clock.now == 60


def test_until_checks_once_more_at_the_end_and_then_returns_false() -> None:
    clock = Clock()
    assert clock.account.until(lambda: clock.now >= 9, 10) is True
    assert clock.account.until(lambda: False, 10) is False
    assert clock.now < 25


def test_call_that_is_too_early_is_repeated_and_another_refusal_is_raised() -> None:
    clock = Clock()

    def call() -> str:
        if clock.now < 12:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "DeleteRestApi")
        return "done"

    def is_early(error: ClientError) -> bool:
        return error.response["Error"]["Code"] == "TooManyRequestsException"

    assert clock.account.patiently(call, 60, is_early) == "done"
    clock.now = 0
    with pytest.raises(ClientError):
        clock.account.patiently(call, 6, is_early)
    clock.now = 0
    with pytest.raises(ClientError):
        clock.account.patiently(call, 60, lambda _: False)
    assert clock.now == 0
