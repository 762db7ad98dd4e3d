"""EventBridge Scheduler's API in the sandbox: defaults, and requests that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.clients import client, refusal
from testing.schedules import ACCOUNT, NOON, request, schedule, texts


def test_member_that_is_not_sent_is_reset_to_its_default(sandbox: Sandbox) -> None:
    scheduler = client(sandbox, "scheduler")
    schedule(
        sandbox, Description="why", State="DISABLED", ActionAfterCompletion="DELETE",
        ScheduleExpressionTimezone="Europe/Berlin",
        Target={"RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}},
    )  # fmt: skip
    kept = scheduler.get_schedule(Name="until")
    assert (kept["Description"], kept["State"], kept["ActionAfterCompletion"]) == ("why", "DISABLED", "DELETE")
    assert abs(kept["CreationDate"] - NOON) < timedelta(minutes=1)

    scheduler.update_schedule(**request("at(2027-03-01T14:00:00)"))

    now = scheduler.get_schedule(Name="until")
    assert "Description" not in now
    assert (now["State"], now["ActionAfterCompletion"], now["ScheduleExpressionTimezone"]) == ("ENABLED", "NONE", "UTC")
    assert now["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert now["ScheduleExpression"] == "at(2027-03-01T14:00:00)"


def test_names_groups_and_expressions_are_checked(sandbox: Sandbox) -> None:
    scheduler = client(sandbox, "scheduler")
    schedule(sandbox)
    assert refusal(lambda: schedule(sandbox)) == ("ConflictException", "Schedule until already exists.")
    missing = ("ResourceNotFoundException", "Schedule gone does not exist.")
    assert refusal(lambda: scheduler.get_schedule(Name="gone")) == missing
    assert refusal(lambda: scheduler.delete_schedule(Name="gone")) == missing
    assert refusal(lambda: scheduler.update_schedule(**request(Name="gone"))) == missing
    assert refusal(lambda: schedule(sandbox, GroupName="none")) == (
        "ResourceNotFoundException",
        "Schedule group none does not exist.",
    )
    for name in ("n" * 65, "with space"):
        assert refusal(lambda: schedule(sandbox, Name=name))[0] == "ValidationException"  # noqa: B023
    wrong = "at(2027-03-01T13:00:00.123)"
    assert refusal(lambda: schedule(sandbox, wrong, Name="b")) == (
        "ValidationException",
        f"Invalid Schedule Expression {wrong}.",
    )
    schedule(sandbox, "cron(0 9 LW * ? *)", Name="monthly")
    refused = ("ValidationException", "Provided Arn is not in correct format.")
    assert refusal(lambda: schedule(sandbox, Name="b", Target={"Arn": "nonsense"})) == refused
    topic = {"Target": {"Arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"}}
    assert refusal(lambda: schedule(sandbox, Name="b", **topic))[0] == "NotImplemented"


def test_schedules_are_deleted_with_their_group(sandbox: Sandbox, clock: MovableClock) -> None:
    scheduler = client(sandbox, "scheduler")
    arn = scheduler.create_schedule_group(Name="stages", Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
    assert refusal(lambda: scheduler.create_schedule_group(Name="stages"))[0] == "ConflictException"
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert schedule(sandbox, GroupName="stages").endswith(":schedule/stages/until")
    schedule(sandbox)  # the same name in the default group
    assert [each["Name"] for each in scheduler.list_schedules(GroupName="stages")["Schedules"]] == ["until"]

    scheduler.delete_schedule_group(Name="stages")

    assert refusal(lambda: scheduler.delete_schedule_group(Name="stages"))[0] == "ResourceNotFoundException"
    clock.advance(timedelta(hours=2))
    assert texts(sandbox) == ["back to ERROR"]


@pytest.mark.parametrize(
    "make",
    [
        lambda sandbox, name: client(sandbox, "events").put_rule(Name=name, ScheduleExpression="rate(1 day)"),
        lambda sandbox, name: client(sandbox, "scheduler").create_schedule_group(Name=name),
    ],
    ids=["rule", "group"],
)
def test_name_has_at_most_64_characters(sandbox: Sandbox, make: Callable[[Sandbox, str], object]) -> None:
    make(sandbox, "x" * 64)
    code, message = refusal(lambda: make(sandbox, "x" * 65))
    assert (code, "less than or equal to 64" in message) == ("ValidationException", True)
