"""Schedules of the sandbox's EventBridge Scheduler are due by the account's clock, which a test moves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.clients import client, refusal
from testing.iam import allow, role
from testing.schedules import NOON, ROLE, names, request, schedule, texts


def test_one_time_schedule_is_invoked_at_its_time_and_deletes_itself(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, ActionAfterCompletion="DELETE")
    clock.advance(timedelta(minutes=59))
    assert (texts(sandbox), names(sandbox)) == ([], ["until"])

    clock.advance(timedelta(minutes=1))

    assert (texts(sandbox), names(sandbox)) == (["back to ERROR"], [])


def test_one_time_schedule_stays_unless_it_is_to_be_deleted_and_is_invoked_once(
    sandbox: Sandbox, clock: MovableClock
) -> None:
    schedule(sandbox)
    clock.advance(timedelta(days=1))
    clock.advance(timedelta(days=1))
    assert (texts(sandbox), names(sandbox)) == (["back to ERROR"], ["until"])


def test_schedule_is_due_on_a_clock_that_no_test_moves(sandbox: Sandbox, clock: MovableClock) -> None:
    clock.set(NOON.replace(hour=12, minute=59, second=59))
    schedule(sandbox)
    assert sandbox.wait_until(lambda: texts(sandbox), timeout=5) == ["back to ERROR"]


def test_schedule_is_due_on_the_machines_clock() -> None:
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        client(sandbox, "sqs").create_queue(QueueName="work")
        role(sandbox, "scheduler", "scheduler.amazonaws.com", allow("sqs:SendMessage"))
        soon = datetime.now(UTC) + timedelta(seconds=1)
        schedule(sandbox, f"at({soon:%Y-%m-%dT%H:%M:%S})")
        assert sandbox.wait_until(lambda: texts(sandbox), timeout=5) == ["back to ERROR"]


def test_time_in_the_past_is_invoked_at_once_or_refused(sandbox: Sandbox) -> None:
    schedule(sandbox, "at(2027-03-01T11:00:00)", ActionAfterCompletion="DELETE")
    assert sandbox.wait_until(lambda: texts(sandbox), timeout=5) == ["back to ERROR"]
    sandbox.wait_until(lambda: not names(sandbox), timeout=5)

    sandbox.turn(refuses_past_schedules=True)
    assert refusal(lambda: schedule(sandbox, "at(2027-03-01T11:00:00)"))[0] == "ValidationException"


def test_schedule_is_due_in_its_time_zone(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, "at(2027-03-01T13:30:00)", ScheduleExpressionTimezone="Europe/Berlin")
    clock.set(NOON + timedelta(minutes=29))
    assert texts(sandbox) == []
    clock.set(NOON + timedelta(minutes=30))
    assert texts(sandbox) == ["back to ERROR"]


def test_rate_starts_at_once_and_due_schedules_are_in_order(sandbox: Sandbox, clock: MovableClock) -> None:
    target = {"Target": {"Input": "<aws.scheduler.scheduled-time>"}}
    schedule(sandbox, "rate(1 hour)", EndDate=NOON + timedelta(hours=4), **target)
    schedule(sandbox, "at(2027-03-01T13:30:00)", **target | {"Name": "between"})
    assert len(sandbox.wait_until(lambda: texts(sandbox), timeout=5)) == 1

    clock.advance(timedelta(days=1))

    assert [body[11:13] for body in texts(sandbox)] == ["13", "13", "14", "15"]


def test_universal_target_calls_sqs_with_the_schedules_input(sandbox: Sandbox, clock: MovableClock) -> None:
    """In this way the message can have a delay. A rate without a start is due at once."""
    url = client(sandbox, "sqs").get_queue_url(QueueName="work")["QueueUrl"]
    message = {"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 900}
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
        "RoleArn": ROLE,
        "Input": json.dumps(message),
    }
    schedule(sandbox, "rate(30 days)", Target=target)
    clock.advance(timedelta())
    clock.advance(timedelta(minutes=14))
    assert texts(sandbox) == []
    clock.advance(timedelta(minutes=1))
    assert texts(sandbox) == ["later"]


def test_disabled_schedule_waits_until_it_is_enabled(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, State="DISABLED")
    clock.advance(timedelta(hours=2))
    assert texts(sandbox) == []
    client(sandbox, "scheduler").update_schedule(**request())
    assert sandbox.wait_until(lambda: texts(sandbox), timeout=5) == ["back to ERROR"]


def test_deleted_or_postponed_schedule_is_not_invoked(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox)
    schedule(sandbox, Name="later")
    client(sandbox, "scheduler").delete_schedule(Name="until")
    client(sandbox, "scheduler").update_schedule(**request("at(2027-03-02T13:00:00)", Name="later"))
    clock.advance(timedelta(hours=2))
    assert texts(sandbox) == []
    clock.advance(timedelta(days=1))
    assert texts(sandbox) == ["back to ERROR"]
