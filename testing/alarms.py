"""Create alarms of CloudWatch and read their state, for tests of the sandbox."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.services.cloudwatch import metrics
from testing.clients import client

ACCOUNT = "123456789012"
MINUTE = timedelta(minutes=1)


def subscribed(sandbox: Sandbox, **attributes: str) -> tuple[str, Any]:
    """Create a topic and a queue that subscribes to it. Return its ARN and a reader of the queue's new messages."""
    sns, sqs = client(sandbox, "sns"), client(sandbox, "sqs")
    arn: str = sns.create_topic(Name="alarms", Attributes=attributes)["TopicArn"]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:inbox")

    def messages() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in got]

    return arn, messages


def alarm(sandbox: Sandbox, **changes: Any) -> None:
    """Create alarm ``a`` on metric ``Failed``. ``changes``: other parameters of the call, None to leave one out."""
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
    """Return the state of an alarm."""
    answer = client(sandbox, "cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    found: list[dict[str, Any]] = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    return str(found[0]["StateValue"])


def put(sandbox: Sandbox, name: str = "Failed", value: float = 1.0, **dimensions: str) -> None:
    """Publish a value of a metric."""
    metrics.put(sandbox, "us-east-1", "LogKeeper", {name: (value, "Count")}, dimensions)


def history(sandbox: Sandbox) -> list[str]:
    """Return the summary of each action in the history of alarm ``a``."""
    items = client(sandbox, "cloudwatch").describe_alarm_history(AlarmName="a", HistoryItemType="Action")
    return [item["HistorySummary"] for item in items["AlarmHistoryItems"]]
