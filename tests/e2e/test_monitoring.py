"""What people see: alarms that ring, on a clock that the test moves; saved queries; the trail that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from accounts import make_stage, patch_stage
from log_keeper.sweep import has_trail
from sandbox import deployment
from sandbox.account import Sandbox
from sandbox.clock import MovableClock
from stacks import Deployed


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def stack(clock: MovableClock) -> Iterator[Deployed]:
    with Sandbox(iam_propagation_seconds=0, has_trail=False, clock=clock) as sandbox:
        deployment.build(sandbox)
        parameters = {"SettleSeconds": "0", "AlarmEmail": "ops@example.com", "CreateTrail": "Yes"}
        yield Deployed(sandbox, deployment.deploy(sandbox, parameters))


def state(stack: Deployed, alarm: str) -> str:
    alarms = stack.sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return next(found["StateValue"] for found in alarms if f"-{alarm}-" in found["AlarmName"])


def test_trail_that_was_asked_for_logs_what_is_needed(stack: Deployed) -> None:
    """And so a stage is put in line."""
    assert has_trail(stack.sandbox.client("cloudtrail"))
    stack.wait_until_in_line(make_stage(stack.sandbox))


def test_stage_that_is_put_right_again_and_again_rings(stack: Deployed, clock: MovableClock) -> None:
    """Another tool switches its logging off each time."""
    api_id = make_stage(stack.sandbox)
    for _ in range(7):
        stack.wait_until_in_line(api_id)
        patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
    stack.wait_until_in_line(api_id)
    stack.wait_until_quiet()
    clock.advance(timedelta(hours=1))
    stack.sandbox.wait_until(lambda: state(stack, "TugOfWarAlarm") == "ALARM")


def test_message_in_the_dead_letter_queue_rings(stack: Deployed, clock: MovableClock) -> None:
    stack.set_queue(VisibilityTimeout="1")
    stack.sandbox.client("sqs").send_message(QueueUrl=stack.outputs["StageQueueUrl"], MessageBody="no JSON")
    stack.sandbox.wait_until(lambda: stack.wait_until_quiet() == 1, timeout=60)
    clock.advance(timedelta(minutes=2))
    stack.sandbox.wait_until(lambda: state(stack, "StageDeadLetterAlarm") == "ALARM")
    assert stack.dead_letters() == ["no JSON"]


def test_schedule_begins_a_sweep(stack: Deployed, clock: MovableClock) -> None:
    def sweeps() -> int:
        pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
        found = [page["events"] for page in pages.paginate(logGroupName=stack.outputs["SweepLogGroup"])]
        return sum('"message":"Swept"' in event["message"] for events in found for event in events)

    before = sweeps()
    clock.advance(timedelta(days=1))
    stack.sandbox.wait_until(lambda: sweeps() > before)


def test_alarm_reaches_the_topic(stack: Deployed) -> None:
    """Which is encrypted with a key that CloudWatch may use."""
    alarms = stack.sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert all(len(alarm["AlarmActions"]) == 1 for alarm in alarms)
    history = stack.sandbox.client("cloudwatch").describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert any("StageDeadLetterAlarm" in item["AlarmName"] for item in history)
    assert not any("Failed" in item["HistorySummary"] for item in history)


def test_queries_are_saved(stack: Deployed) -> None:
    found = stack.sandbox.client("logs").describe_query_definitions()["queryDefinitions"]
    assert [query["name"].split(" - ")[1] for query in found] == [
        "errors by route",
        "requests by status over time",
        "slowest requests",
        "top callers",
        "one request",
    ]
