"""Create schedules of EventBridge Scheduler and read their queues, for tests of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

ACCOUNT = Sandbox.account_id
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:work"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"


def request(expression: str = "at(2027-03-01T13:00:00)", **more: Any) -> dict[str, Any]:
    """Return the parameters of CreateSchedule: by default one message to the queue ``work`` at 13:00."""
    target = {"Arn": QUEUE, "RoleArn": ROLE, "Input": "back to ERROR", **more.pop("Target", {})}
    return {
        "Name": "until",
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
        **more,
    }


def schedule(sandbox: Sandbox, expression: str = "at(2027-03-01T13:00:00)", **more: Any) -> str:
    """Create a schedule and return its ARN."""
    arn: str = client(sandbox, "scheduler").create_schedule(**request(expression, **more))["ScheduleArn"]
    return arn


def received(sandbox: Sandbox, queue: str = "work") -> list[dict[str, Any]]:
    """Return all messages of the queue, and delete them."""
    sqs, found = client(sandbox, "sqs"), []
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
    ).get("Messages"):
        found += batch
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def texts(sandbox: Sandbox) -> list[str]:
    """Return the text of all messages of the queue ``work``, and delete them."""
    return [message["Body"] for message in received(sandbox)]


def names(sandbox: Sandbox) -> list[str]:
    """Return the names of all schedules."""
    return [each["Name"] for each in client(sandbox, "scheduler").list_schedules()["Schedules"]]
