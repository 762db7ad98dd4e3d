"""Alarms on the account's clock, the topics that they reach, and EventBridge's other ways to tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.cloudwatch import metrics
from sandbox.services.cloudwatch.alarms import Alarms
from testing.clients import client, refusal
from testing.cloudformation import create, outputs, physical, template, update
from testing.iam import role

ACCOUNT = "123456789012"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def account(clock: MovableClock) -> Iterator[Sandbox]:
    """An account whose clock the test moves."""
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        yield sandbox


def subscribed(sandbox: Sandbox, **attributes: str) -> tuple[str, Any]:
    """A topic's ARN, and a function that gives the messages a queue has got from it."""
    sns, sqs = client(sandbox, "sns"), client(sandbox, "sqs")
    arn: str = sns.create_topic(Name="alarms", Attributes=attributes)["TopicArn"]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:inbox")

    def messages() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in got]

    return arn, messages


def alarm(sandbox: Sandbox, **changes: Any) -> None:
    wanted = {
        "AlarmName": "a",
        "Namespace": "LogKeeper",
        "MetricName": "Failed",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        **changes,
    }
    client(sandbox, "cloudwatch").put_metric_alarm(**{key: value for key, value in wanted.items() if value is not None})


def state(sandbox: Sandbox, name: str = "a") -> str:
    answer = client(sandbox, "cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    (found,) = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    value: str = found["StateValue"]
    return value


def put(sandbox: Sandbox, name: str = "Failed", value: float = 1.0, **dimensions: str) -> None:
    metrics.put(sandbox, "us-east-1", "LogKeeper", {name: (value, "Count")}, dimensions)


def history(sandbox: Sandbox) -> list[str]:
    items = client(sandbox, "cloudwatch").describe_alarm_history(AlarmName="a", HistoryItemType="Action")
    return [item["HistorySummary"] for item in items["AlarmHistoryItems"]]


def test_an_alarm_tells_its_topic(account: Sandbox, clock: MovableClock) -> None:
    topic, messages = subscribed(account)
    alarm(account, AlarmActions=[topic], OKActions=[topic], TreatMissingData="notBreaching")
    assert state(account) == "INSUFFICIENT_DATA"
    clock.advance(MINUTE)
    assert state(account) == "OK"
    put(account)
    clock.advance(MINUTE)
    assert state(account) == "ALARM"
    clock.advance(MINUTE)
    assert state(account) == "OK"
    assert [(each["OldStateValue"], each["NewStateValue"]) for each in messages()] == [
        ("INSUFFICIENT_DATA", "OK"),
        ("OK", "ALARM"),
        ("ALARM", "OK"),
    ]
    assert history(account) == [f"Successfully executed action {topic}"] * 3


def test_a_clock_moved_by_hours_passes_through_the_alarm(account: Sandbox, clock: MovableClock) -> None:
    topic, messages = subscribed(account)
    alarm(account, AlarmActions=[topic], TreatMissingData="notBreaching")
    put(account)
    clock.advance(timedelta(hours=5))
    assert state(account) == "OK"
    (message,) = messages()
    assert message["NewStateValue"] == "ALARM"
    assert message["Trigger"]["MetricName"] == "Failed"


@pytest.mark.parametrize(
    ("treatment", "found"),
    [("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK"), ("ignore", "INSUFFICIENT_DATA")],
)
def test_missing_data(account: Sandbox, treatment: str, found: str) -> None:
    alarm(account, TreatMissingData=treatment)
    account.service(Alarms).evaluate()
    assert state(account) == found


@pytest.mark.parametrize("sweeps", [0, 1])
def test_a_sweep_that_is_overdue(account: Sandbox, clock: MovableClock, sweeps: int) -> None:
    """It rings in the hour after two days, counted from the last sweep or from the creation of the alarm."""
    alarm(
        account,
        MetricName="Swept",
        Period=86400,
        EvaluationPeriods=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 2880, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True},
    )
    for _ in range(sweeps):
        put(account, "Swept")
    clock.advance(timedelta(minutes=90))
    clock.advance(timedelta(hours=24))
    clock.advance(timedelta(hours=22))
    assert state(account) == "INSUFFICIENT_DATA"
    clock.advance(timedelta(hours=2))
    assert state(account) == "ALARM"
    put(account, "Swept")
    clock.advance(timedelta(hours=1))
    assert state(account) == "OK"
    clock.advance(timedelta(hours=24))
    clock.advance(timedelta(hours=22))
    assert state(account) == "OK"
    clock.advance(timedelta(hours=2))
    assert state(account) == "ALARM"


def test_alarm_over_more_than_a_day_is_evaluated_on_the_hour(clock: MovableClock, account: Sandbox) -> None:
    """So a new one that counts missing data as breaching rings, although there was data a moment ago."""
    clock.advance(timedelta(minutes=70 - clock.now().minute))
    put(account, value=1)
    alarm(
        account,
        Period=86400,
        EvaluationPeriods=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    clock.advance(MINUTE)
    assert state(account) == "ALARM"
    clock.advance(timedelta(minutes=45))
    assert state(account) == "ALARM"
    clock.advance(timedelta(minutes=5))
    assert state(account) == "OK"


@pytest.mark.parametrize("waits", [False, True])
def test_warm_up(clock: MovableClock, account: Sandbox, *, waits: bool) -> None:
    """It ends as soon as every period has data, or not before its time."""
    alarm(
        account,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 5, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": waits},
    )
    clock.advance(2 * MINUTE)
    assert state(account) == "INSUFFICIENT_DATA"
    put(account, value=1)
    clock.advance(MINUTE)
    assert state(account) == ("INSUFFICIENT_DATA" if waits else "OK")
    clock.advance(3 * MINUTE)
    assert state(account) == "ALARM"


def test_warm_up_of_more_than_two_days_is_refused(account: Sandbox) -> None:
    code, message = refusal(lambda: alarm(account, WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 2881}))
    assert (code, message) == (
        "ValidationError",
        "WarmUpPeriodDurationInMinutes must be from 1 to 2880, and not 2881",
    )


def test_datapoints_to_alarm(account: Sandbox, clock: MovableClock) -> None:
    alarm(account, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    put(account)
    clock.advance(MINUTE)
    clock.advance(MINUTE)
    assert state(account) == "OK"
    put(account)
    clock.advance(MINUTE)
    assert state(account) == "ALARM"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("failed + FILL(changed, 0)", "ALARM"),
        ("failed / changed", "INSUFFICIENT_DATA"),
        ("IF(failed > 2, 5, 0)", "ALARM"),
        ("MAX(METRICS()) - 3", "OK"),
        ("SUM([failed, FILL(changed, 7)])", "ALARM"),
        ('SELECT SUM(Failed) FROM SCHEMA("LogKeeper", Region)', "ALARM"),
        ("SELECT SUM(Failed) FROM \"LogKeeper\" WHERE Region = 'eu-west-1'", "INSUFFICIENT_DATA"),
    ],
)
def test_metric_math(account: Sandbox, expression: str, found: str) -> None:
    def query(name: str, metric: str) -> dict[str, Any]:
        dimensions = [{"Name": "Region", "Value": "us-east-1"}]
        of = {"Namespace": "LogKeeper", "MetricName": metric, "Dimensions": dimensions}
        return {"Id": name, "MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    queries = [query("failed", "Failed"), query("changed", "Changed"), {"Id": "e", "Expression": expression}]
    nothing = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    if expression.startswith("SELECT"):
        queries = [{"Id": "e", "Expression": expression, "Period": 60}]
    alarm(account, Metrics=queries, **nothing)
    put(account, value=3, Region="us-east-1")
    account.service(Alarms).evaluate()
    assert state(account) == found


def test_refused_alarms(account: Sandbox) -> None:
    wrong: list[dict[str, Any]] = [
        {"Period": 90},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"Period": 60, "EvaluationPeriods": 1441},
        {"DatapointsToAlarm": 2},
        {"ExtendedStatistic": "p99"},
        {"TreatMissingData": "never"},
    ]
    for changes in wrong:
        assert refusal(lambda changes=changes: alarm(account, **changes))[0] == "ValidationError"


def test_composite_alarms(account: Sandbox) -> None:
    for name in ("a", "b"):
        alarm(account, AlarmName=name, MetricName=name, TreatMissingData="notBreaching")
    cloudwatch = client(account, "cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND NOT ALARM(b)')
    put(account, "a")
    account.service(Alarms).evaluate()
    assert state(account, "both") == "ALARM"
    put(account, "b")
    account.service(Alarms).evaluate()
    assert state(account, "both") == "OK"
    assert refusal(lambda: cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(z)"))[0] == "ValidationError"


def key(sandbox: Sandbox, *principals: str) -> str:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        *(
            {
                "Effect": "Allow",
                "Principal": {"Service": principal},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
            }
            for principal in principals
        ),
    ]
    answer = client(sandbox, "kms").create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    identifier: str = answer["KeyMetadata"]["KeyId"]
    return identifier


def test_topics_whose_key_serves_no_alarms(account: Sandbox) -> None:
    topic, messages = subscribed(account, KmsMasterKeyId="alias/aws/sns")
    alarm(account, AlarmActions=[topic], TreatMissingData="breaching")
    account.service(Alarms).evaluate()
    assert state(account) == "ALARM"
    refused = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
    assert history(account) == [f'Failed to execute action {topic}. Received error: "{refused}"']
    sns, cloudwatch = client(account, "sns"), client(account, "cloudwatch")
    told: list[int] = []
    for identifier in (key(account), key(account, "cloudwatch.amazonaws.com")):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=identifier)
        cloudwatch.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="test")
        account.service(Alarms).evaluate()
        told.append(len(messages()))
    assert told == [0, 1]


def test_topics_whose_policy_keeps_alarms_out(account: Sandbox) -> None:
    topic, messages = subscribed(account)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(account, "sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    alarm(account, AlarmActions=[topic], TreatMissingData="breaching")
    account.service(Alarms).evaluate()
    assert messages() == []
    (failed,) = history(account)
    assert failed.startswith(f"Failed to execute action {topic}. Received error: ")


def test_depth_and_age_of_queues(account: Sandbox, clock: MovableClock) -> None:
    sqs = client(account, "sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    of = {"Namespace": "AWS/SQS", "Dimensions": [{"Name": "QueueName", "Value": "dead"}], "Statistic": "Maximum"}
    alarm(account, MetricName="ApproximateNumberOfMessagesVisible", **of)
    alarm(account, AlarmName="old", MetricName="ApproximateAgeOfOldestMessage", Threshold=3600.0, **of)
    clock.advance(MINUTE)
    assert (state(account), state(account, "old")) == ("OK", "OK")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    clock.advance(MINUTE)
    assert (state(account), state(account, "old")) == ("ALARM", "OK")
    clock.advance(timedelta(hours=1))
    assert (state(account), state(account, "old")) == ("ALARM", "ALARM")


def test_metrics_of_functions(account: Sandbox) -> None:
    code = {"ZipFile": "def handler(event, context):\n    return 1 / event['by']\n"}
    function = {"Runtime": "python3.13", "Handler": "index.handler", "Code": code, "Role": role(account, "runner")}
    create(account, template({"Function": {"Type": "AWS::Lambda::Function", "Properties": function}}))
    name = physical(account)["Function"]
    of = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": name}]}
    alarm(account, MetricName="Errors", **of)
    alarm(account, AlarmName="ran", MetricName="Invocations", Threshold=2.0, **of)
    alarm(account, AlarmName="long", MetricName="Duration", Statistic=None, ExtendedStatistic="p90", Threshold=0, **of)
    for by in (1, 0):
        client(account, "lambda").invoke(FunctionName=name, Payload=json.dumps({"by": by}))
    account.service(Alarms).evaluate()
    assert [state(account, each) for each in ("a", "ran", "long")] == ["ALARM"] * 3


def test_alarms_and_topic_by_a_stack(account: Sandbox) -> None:
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "Failed": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmActions": [{"Ref": "Topic"}],
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": "1",
                "Threshold": "0",
                "Metrics": [
                    {"Id": "e", "Expression": "FILL(m, 0)"},
                    {
                        "Id": "m",
                        "ReturnData": "false",
                        "MetricStat": {
                            "Metric": {"Namespace": "LogKeeper", "MetricName": "Failed"},
                            "Period": "60",
                            "Stat": "Sum",
                        },
                    },
                ],
            },
        },
    }
    described = create(account, template(resources))
    assert described["StackStatus"] == "CREATE_COMPLETE", described
    name = physical(account)["Failed"]
    put(account)
    account.service(Alarms).evaluate()
    assert state(account, name) == "ALARM"


# ---- EventBridge


def test_a_stack_hears_of_its_own_completion(account: Sandbox) -> None:
    pattern = {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {
            "stack-id": [{"Ref": "AWS::StackId"}],
            "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
        },
    }
    queue = {"Fn::GetAtt": ["Queue", "Arn"]}
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
    }
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [allow]}},
        },
        "Deployed": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": pattern,
                "Targets": [
                    {
                        "Id": "q",
                        "Arn": queue,
                        "InputTransformer": {
                            "InputPathsMap": {"status": "$.detail.status-details.status"},
                            "InputTemplate": (
                                '{"sweep": <status>, "by": <aws.events.rule-arn>, '
                                '"at": "<aws.events.event.ingestion-time>", "why": "it is <status>"}'
                            ),
                        },
                    }
                ],
            },
        },
    }
    url = {"Url": {"Value": {"Ref": "Queue"}}}
    described = create(account, template(resources, Outputs=url))
    sqs, queue_url = client(account, "sqs"), outputs(described)["Url"]

    def bodies() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    (made,) = bodies()
    assert (made["sweep"], made["why"]) == ("CREATE_COMPLETE", "it is CREATE_COMPLETE")
    assert made["by"] == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{physical(account)['Deployed']}"
    assert made["at"].endswith("Z")
    resources["Deployed"]["Properties"]["Description"] = "changed"
    update(account, template(resources, Outputs=url))
    assert [each["sweep"] for each in bodies()] == ["UPDATE_COMPLETE"]


def open_queue(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """URL and ARN of a queue that EventBridge may send to."""
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url: str = client(sandbox, "sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    return url, arn


def test_a_daily_rule_with_constant_input(account: Sandbox, clock: MovableClock) -> None:
    url, arn = open_queue(account, "sweep")
    events = client(account, "events")
    events.put_rule(Name="daily", ScheduleExpression="rate(1 day)")
    targets = [{"Id": region, "Arn": arn, "Input": json.dumps({"region": region})} for region in ("a", "b")]
    events.put_targets(Rule="daily", Targets=targets)
    clock.advance(timedelta(days=1, minutes=1))
    got = client(account, "sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["region"] for message in got) == ["a", "b"]


def test_events_of_ones_own_source(account: Sandbox) -> None:
    url, arn = open_queue(account, "changes")
    topic, messages = subscribed(account)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    events = client(account, "events")
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["log-keeper"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "q", "Arn": arn}, {"Id": "t", "Arn": topic}])
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    allowed = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    teller = role(account, "teller", policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    keys = account.caller_of_role(teller, "me")
    entry = {"Source": "log-keeper", "DetailType": "Stage Logging Changed", "Detail": json.dumps({"stage": "prod"})}

    def tell(region: str = "us-east-1") -> Any:
        return client(account, "events", region, credentials=keys).put_events(Entries=[entry])

    assert tell()["FailedEntryCount"] == 0
    (message,) = client(account, "sqs").receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["detail"] == {"stage": "prod"}
    assert messages() == []  # a topic's own policy does not let EventBridge in
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(account, "sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    tell()
    assert [each["detail-type"] for each in messages()] == ["Stage Logging Changed"]
    assert refusal(lambda: tell("eu-west-1"))[0] == "AccessDeniedException"
