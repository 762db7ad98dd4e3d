"""What people see: alarms that ring, on a clock that the test moves; saved queries; the trail that was asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from log_keeper.aws.trails import has_trail
from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.lambda_.event_sources import EventSources
from testing.accounts import make_rest_stage, make_role, patch_stage, set_log_role, tag_rest_stage
from testing.stacks import Deployed


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def stack(built: None, clock: MovableClock) -> Iterator[Deployed]:
    with Sandbox(iam_propagation_seconds=0, has_trail=False, clock=clock) as sandbox:
        set_log_role(sandbox, make_role(sandbox))  # to make one takes ten seconds
        parameters = {
            "SettleSeconds": "0",
            "AlarmEmail": "ops@example.com",
            "AlarmTopicArn": own_topic(sandbox),
            "OwnerTagKey": "team",
            "CreateTrail": "Yes",
        }
        deployed = Deployed(sandbox, deployment.deploy(sandbox, parameters))
        deployed.pass_second_sweep()
        yield deployed


def own_topic(sandbox: Sandbox) -> str:
    """Create a topic with the policy of the documentation, and a queue that receives its messages. Return its ARN."""
    sns, sqs = sandbox.client("sns"), sandbox.client("sqs")
    arn: str = sns.create_topic(Name="platform")["TopicArn"]
    policy = documented_policy().replace("TOPIC_ARN", arn).replace("ACCOUNT_ID", sandbox.account_id)
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    queue_arn = f"arn:aws:sqs:us-east-1:{sandbox.account_id}:platform"
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                 "Resource": queue_arn}  # fmt: skip
    sqs.create_queue(QueueName="platform", Attributes={"Policy": json.dumps({"Statement": [statement]})})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    return arn


def documented_policy() -> str:
    page = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text()
    section = page.partition("## Alarms and findings to a topic of your own")[2]
    return section.partition("```json\n")[2].partition("```")[0]


def received(sandbox: Sandbox) -> list[str]:
    """Return the messages of the owner's topic so far."""
    sqs, bodies = sandbox.client("sqs"), []
    url = sqs.get_queue_url(QueueName="platform")["QueueUrl"]
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [message["Body"] for message in found]
    return bodies


def state(stack: Deployed, alarm: str) -> str:
    alarms = stack.sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return next(found["StateValue"] for found in alarms if f"-{alarm}-" in found["AlarmName"])


def sweeps(stack: Deployed) -> int:
    """Sweeps so far that found stages."""
    pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
    found = [page["events"] for page in pages.paginate(logGroupName=stack.outputs["SweepLogGroup"])]
    return sum('"message":"Swept"' in event["message"] for events in found for event in events)


def test_trail_that_was_asked_for_logs_what_is_needed(stack: Deployed) -> None:
    """A stage is remediated because of its records."""
    assert has_trail(stack.sandbox.client("cloudtrail"))
    stack.wait_until_compliant(make_rest_stage(stack.sandbox))


def test_owners_topic_receives_findings_with_the_owner_that_the_tag_names(stack: Deployed) -> None:
    sandbox = stack.sandbox
    api_id = make_rest_stage(sandbox)
    tags = {"team": "payments", "execution-logs": "INFO", "execution-logs-until": "soon"}
    tag_rest_stage(sandbox, api_id, tags)
    bodies: list[str] = []

    def has_arrived() -> bool:
        bodies.extend(received(sandbox))
        return any(api_id in body for body in bodies)

    sandbox.wait_until(has_arrived)
    event = json.loads(next(body for body in bodies if api_id in body))
    assert event["detail-type"] == "Stage Logging Finding"
    assert (event["detail"]["owner"], event["detail"]["detail"]) == ("payments", "execution-logs-until")


def ours(stack: Deployed, since: int) -> Counter[str]:
    """The calls that Log Keeper has made since so many were made in all, by operation."""
    return Counter(made.call.operation for made in stack.sandbox.calls[since:] if "log-keeper" in made.call.user_agent)


def test_drift_loop_alarms_and_costs_one_read_and_one_write_a_change(stack: Deployed, clock: MovableClock) -> None:
    """Another tool switches a stage's logging off each minute for an hour. Nobody else waits for that."""
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    # The sweep that follows a deployment evaluates the stage too.
    stack.sandbox.wait_until(stack.sandbox.service(EventSources).is_idle)
    calls, older = len(stack.sandbox.calls), Counter(stack.log())
    rang_at = None
    for minute in range(1, 61):
        patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
        if minute == 30:
            stack.wait_until_compliant(make_rest_stage(stack.sandbox))
        stack.wait_until_compliant(api_id)
        clock.advance(timedelta(minutes=1))
        if rang_at is None and state(stack, "DriftLoopAlarm") == "ALARM":
            rang_at = minute
    assert stack.wait_until_quiet() == 0
    # More than five times, the first time included; an hour of the metric's may begin in between.
    assert rang_at is not None
    assert 5 <= rang_at <= 12

    assert any("DriftLoopAlarm" in body for body in received(stack.sandbox))

    # 60 changes, and the other's stage.
    made, log = ours(stack, calls), list((Counter(stack.log()) - older).elements())
    assert (made["GetStage"], made["UpdateStage"], made["PutEvents"]) == (61, 61, 61)
    assert sum('"outcome":"remediated"' in line for line in log) == 61
    # An invocation a change; the other's stage may have come along with the tool's.
    invocations = sum(line.startswith("REPORT ") for line in log)
    assert invocations in (60, 61)
    # The account's log role is checked once in five minutes, by each of the two environments.
    assert made["GetAccount"] <= 2 * 13
    # START, END, REPORT and metrics of each invocation; what was changed, and metrics, of each stage.
    assert len(log) == 4 * invocations + 2 * 61 + sum("Log role valid" in line for line in log)

    # The alarm leads to the stage, and to the event that reverts it.
    [alarm] = [
        found
        for found in stack.sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if "DriftLoop" in found["AlarmName"]
    ]
    assert "rule remediations names the stage; the log of the Enforce function names the stack" in " ".join(
        alarm["AlarmDescription"].split()
    )
    report = stack.sandbox.client("cloudwatch").get_insight_rule_report(
        RuleName="log-keeper-remediations",
        StartTime=clock.now() - timedelta(hours=1),
        EndTime=clock.now(),
        Period=3600,
        MaxContributorCount=1,
    )
    assert report["Contributors"][0]["Keys"] == ["us-east-1", api_id, "prod"]
    cause = json.loads(next(line for line in log if api_id in line and '"outcome":"remediated"' in line))["cause"]
    assert cause["eventName"] == "UpdateStage"
    assert cause["eventId"] in {record["eventID"] for record in stack.sandbox.trail}

    # The other tool stops, and so does this one.
    calls, older = len(stack.sandbox.calls), Counter(stack.log())
    clock.advance(timedelta(hours=2))
    stack.sandbox.wait_until(lambda: state(stack, "DriftLoopAlarm") == "OK")
    assert (ours(stack, calls), Counter(stack.log()) - older) == (Counter(), Counter())


def test_sweep_is_not_overdue_in_the_first_hours(stack: Deployed) -> None:
    assert state(stack, "SweepOverdueAlarm") == "INSUFFICIENT_DATA"
    history = stack.sandbox.client("cloudwatch").describe_alarm_history(HistoryItemType="StateUpdate")
    assert not any("SweepOverdueAlarm" in item["AlarmName"] for item in history["AlarmHistoryItems"])


def test_message_in_the_dead_letter_queue_rings(stack: Deployed, clock: MovableClock) -> None:
    stack.set_queue(VisibilityTimeout="1")
    sqs, name = stack.sandbox.client("sqs"), "ApproximateNumberOfMessages"
    sqs.send_message(QueueUrl=stack.outputs["StageQueueUrl"], MessageBody="no JSON")

    def is_in_dead_letter_queue() -> bool:
        clock.advance(timedelta(seconds=1))
        url = stack.outputs["StageDeadLetterQueueUrl"]
        return bool(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name] == "1")

    stack.sandbox.wait_until(is_in_dead_letter_queue)
    clock.advance(timedelta(minutes=2))
    stack.sandbox.wait_until(lambda: state(stack, "StageDeadLetterAlarm") == "ALARM")
    assert stack.dead_letters() == ["no JSON"]


def test_schedule_begins_a_sweep(stack: Deployed, clock: MovableClock) -> None:
    before = sweeps(stack)
    clock.advance(timedelta(days=1))
    stack.sandbox.wait_until(lambda: sweeps(stack) > before)


def test_sweep_that_is_overdue_rings(stack: Deployed, clock: MovableClock) -> None:
    """Two days after the last one: here its rule is disabled."""
    events, cloudwatch = stack.sandbox.client("events"), stack.sandbox.client("cloudwatch")
    [rule] = [each["Name"] for each in events.list_rules()["Rules"] if "ScheduleExpression" in each]
    events.disable_rule(Name=rule)
    stack.sandbox.wait_until(stack.sandbox.service(EventSources).is_idle)
    clock.advance(timedelta(days=1))
    clock.advance(timedelta(hours=22))
    stack.sandbox.wait_until(lambda: state(stack, "SweepOverdueAlarm") == "OK")
    clock.advance(timedelta(hours=3))
    stack.sandbox.wait_until(lambda: state(stack, "SweepOverdueAlarm") == "ALARM")
    history = cloudwatch.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert any("SweepOverdueAlarm" in item["AlarmName"] for item in history)
    events.enable_rule(Name=rule)


def test_alarm_reaches_the_topic(stack: Deployed) -> None:
    """Which is encrypted with a key that CloudWatch may use."""
    alarms = stack.sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert all(len(alarm["AlarmActions"]) == 2 for alarm in alarms)
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
