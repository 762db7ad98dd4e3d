"""The sandbox's SQS refuses the attributes and messages that AWS refuses."""

from __future__ import annotations

import json

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.sqs.queues import queue_by_arn
from testing.clients import client, refusal

SELF = "arn:aws:sqs:us-east-1:123456789012:q"


def redrive(count: object) -> str:
    return json.dumps({"deadLetterTargetArn": SELF, "maxReceiveCount": count})


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("VisibilityTimeout", "43201", "InvalidAttributeValue"),
        ("MessageRetentionPeriod", "59", "InvalidAttributeValue"),
        ("DelaySeconds", "901", "InvalidAttributeValue"),
        ("MaximumMessageSize", "1048577", "InvalidAttributeValue"),
        ("ReceiveMessageWaitTimeSeconds", "21", "InvalidAttributeValue"),
        ("SqsManagedSseEnabled", "yes", "InvalidAttributeValue"),
        ("Policy", "nonsense", "InvalidAttributeValue"),
        ("RedrivePolicy", "nonsense", "InvalidParameterValue"),
        ("RedrivePolicy", redrive(0), "InvalidParameterValue"),
        ("RedrivePolicy", redrive(1001), "InvalidParameterValue"),
        ("Nonsense", "1", "InvalidAttributeName"),
    ],
)
def test_attribute_is_refused(sandbox: Sandbox, name: str, value: str, code: str) -> None:
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert refusal(lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value}))[0] == code
    assert refusal(lambda: sqs.create_queue(QueueName="new", Attributes={name: value}))[0] == code


def test_attribute_at_its_bound_is_accepted(sandbox: Sandbox) -> None:
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "900", "VisibilityTimeout": "0"})["QueueUrl"]
    wanted = {"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "1209600", "RedrivePolicy": redrive("1000")}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (kept["MaximumMessageSize"], kept["DelaySeconds"]) == ("1048576", "900")


def test_message_is_refused(sandbox: Sandbox) -> None:
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    missing = ("MissingParameter", "The request must contain the parameter MessageBody.")
    assert refusal(lambda: sqs.send_message(QueueUrl=url, MessageBody="")) == missing
    assert sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_576)["MessageId"]
    code, message = refusal(lambda: sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_577))
    assert (code, "1048576 bytes" in message) == ("InvalidParameterValue", True)
    code, message = refusal(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21))
    assert (code, "Must be >= 0 and <= 20" in message) == ("InvalidParameterValue", True)


def test_messages_of_one_answer_are_visible_again_at_the_same_time(sandbox: Sandbox) -> None:
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x" * 100_000} for n in range(10)])
    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 10
    queue = queue_by_arn(sandbox, f"arn:aws:sqs:us-east-1:{sandbox.account_id}:q")
    assert queue is not None
    assert len({message.visible_at for message in queue._messages}) == 1
