"""Message move tasks of the sandbox's SQS answer, move and refuse as AWS's do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.iam import role

ACCOUNT = Sandbox.account_id


def arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


@pytest.fixture
def sqs(sandbox: Sandbox) -> Any:
    """Return a client of an account with the queue ``work``, its dead-letter queue, and the queue ``other``."""
    sqs = client(sandbox, "sqs")
    for name in ("dead", "other"):
        sqs.create_queue(QueueName=name)
    redrive = {"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1}
    sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"})
    return sqs


def url(sqs: Any, name: str) -> str:
    found: str = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return found


def bodies(sqs: Any, name: str) -> list[str]:
    """Receive all available messages of a queue and return their texts, without deleting them."""
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url(sqs, name), MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def die(sqs: Any, *names: str) -> None:
    """Send messages to ``work`` and receive them until they are dead letters."""
    for name in names:
        sqs.send_message(QueueUrl=url(sqs, "work"), MessageBody=name)
    for _ in range(2):
        sqs.receive_message(QueueUrl=url(sqs, "work"), MaxNumberOfMessages=10)


def ended(sandbox: Sandbox, sqs: Any) -> dict[str, Any]:
    """Wait until the last task has ended, and return it."""

    def last() -> dict[str, Any] | None:
        task: dict[str, Any] = sqs.list_message_move_tasks(SourceArn=arn("dead"))["Results"][0]
        return None if task["Status"] == "RUNNING" else task

    found = sandbox.wait_until(last)
    assert found is not None
    return found


def test_messages_move_to_the_destination_as_new_ones(sandbox: Sandbox, sqs: Any) -> None:
    """Both messages that a redrive policy moved and messages that were sent to the dead-letter queue directly."""
    die(sqs, "a", "b")
    sqs.send_message(QueueUrl=url(sqs, "dead"), MessageBody="straight")
    handle = sqs.start_message_move_task(SourceArn=arn("dead"), DestinationArn=arn("other"))["TaskHandle"]
    task = ended(sandbox, sqs)
    assert handle
    assert isinstance(task.pop("StartedTimestamp"), int)
    assert task == {
        "Status": "COMPLETED",
        "SourceArn": arn("dead"),
        "DestinationArn": arn("other"),
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 3,
    }
    assert bodies(sqs, "dead") == []
    received = sqs.receive_message(
        QueueUrl=url(sqs, "other"), MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert sorted(message["Body"] for message in received) == ["a", "b", "straight"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in received} == {"1"}


def test_message_moves_to_its_source_queue_without_a_destination(sandbox: Sandbox, sqs: Any) -> None:
    die(sqs, "a")
    sqs.start_message_move_task(SourceArn=arn("dead"))
    task = ended(sandbox, sqs)
    assert task["Status"] == "COMPLETED"
    assert "DestinationArn" not in task
    assert bodies(sqs, "work") == ["a"]


def test_message_without_a_source_queue_stays_without_a_destination(sandbox: Sandbox, sqs: Any) -> None:
    sqs.send_message(QueueUrl=url(sqs, "dead"), MessageBody="straight")
    sqs.start_message_move_task(SourceArn=arn("dead"))
    task = ended(sandbox, sqs)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert bodies(sqs, "dead") == ["straight"]


def test_rate_is_kept_and_only_one_task_runs(sandbox: Sandbox, sqs: Any) -> None:
    for number in range(10):
        sqs.send_message(QueueUrl=url(sqs, "dead"), MessageBody=str(number))
    task = {"SourceArn": arn("dead"), "DestinationArn": arn("other")}
    handle = sqs.start_message_move_task(**task, MaxNumberOfMessagesPerSecond=10)["TaskHandle"]
    assert refusal(lambda: sqs.start_message_move_task(**task)) == (
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    )
    [running] = sqs.list_message_move_tasks(SourceArn=arn("dead"))["Results"]
    assert (running["Status"], running["TaskHandle"]) == ("RUNNING", handle)
    assert running["MaxNumberOfMessagesPerSecond"] == 10
    assert running["ApproximateNumberOfMessagesMoved"] < running["ApproximateNumberOfMessagesToMove"] == 10
    ended(sandbox, sqs)
    sqs.start_message_move_task(**task)
    tasks = sqs.list_message_move_tasks(SourceArn=arn("dead"), MaxResults=10)["Results"]
    assert [task["ApproximateNumberOfMessagesToMove"] for task in tasks] == [0, 10]


def test_task_fails_if_its_destination_is_deleted(sandbox: Sandbox, sqs: Any) -> None:
    for number in range(10):
        sqs.send_message(QueueUrl=url(sqs, "dead"), MessageBody=str(number))
    sqs.start_message_move_task(SourceArn=arn("dead"), DestinationArn=arn("other"), MaxNumberOfMessagesPerSecond=10)
    sqs.delete_queue(QueueUrl=url(sqs, "other"))
    task = ended(sandbox, sqs)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert len(bodies(sqs, "dead")) == 10 - task["ApproximateNumberOfMessagesMoved"]


def test_message_in_flight_is_not_moved(sandbox: Sandbox, sqs: Any) -> None:
    """A message that somebody has received is not available to be moved."""
    sqs.send_message(QueueUrl=url(sqs, "dead"), MessageBody="looked at")
    assert bodies(sqs, "dead") == ["looked at"]
    sqs.start_message_move_task(SourceArn=arn("dead"), DestinationArn=arn("other"))
    assert ended(sandbox, sqs)["ApproximateNumberOfMessagesToMove"] == 0


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            {"SourceArn": arn("other"), "DestinationArn": arn("work")},
            ("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."),
        ),
        (
            {"SourceArn": arn("none")},
            (
                "ResourceNotFoundException",
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            ),
        ),
        (
            {"SourceArn": arn("dead"), "DestinationArn": arn("none")},
            (
                "ResourceNotFoundException",
                "The resource that you specified for the DestinationArn parameter doesn't exist.",
            ),
        ),
    ],
)
def test_invalid_task_is_refused(sqs: Any, task: dict[str, str], expected: tuple[str, str]) -> None:
    assert refusal(lambda: sqs.start_message_move_task(**task)) == expected


def test_rate_above_500_is_refused(sqs: Any) -> None:
    task = {"SourceArn": arn("dead"), "DestinationArn": arn("other"), "MaxNumberOfMessagesPerSecond": 501}
    assert refusal(lambda: sqs.start_message_move_task(**task))[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("action", "queue"),
    [
        ("StartMessageMoveTask", "dead"),
        ("ReceiveMessage", "dead"),
        ("DeleteMessage", "dead"),
        ("GetQueueAttributes", "dead"),
        ("SendMessage", "other"),
    ],
)
def test_task_needs_the_permissions_of_all_its_calls(sandbox: Sandbox, sqs: Any, action: str, queue: str) -> None:
    statements = [
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
        {"Effect": "Deny", "Action": f"sqs:{action}", "Resource": arn(queue)},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    credentials = sandbox.caller_of_role(role(sandbox, "mender", policy=policy), "session")
    theirs = client(sandbox, "sqs", credentials=credentials)
    task = {"SourceArn": arn("dead"), "DestinationArn": arn("other")}
    code, message = refusal(lambda: theirs.start_message_move_task(**task))
    assert code == "AccessDenied"
    assert f"sqs:{action} on resource: {arn(queue)}" in message
