"""How the redrive describes a message, and how it waits for the tasks of SQS."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.events.sweep_work import Work
from log_keeper.stages import Api, Protocol
from testing.builders import EVENTS, REF, sample
from tools import redrive
from tools.aws_session import ToolError
from tools.dead_letters import DeadLetterQueue, Message, describe

QUEUE = DeadLetterQueue(
    name="StageDeadLetterQueue",
    url="https://sqs/dead",
    arn="arn:aws:sqs:us-east-1:123456789012:dead",
    destination="StageQueue",
    destination_arn="arn:queue",
    count=3,
    hidden=0,
    returns_after=timedelta(minutes=30),
)


def described(body: object, **attributes: str) -> Message:
    message: Any = {
        "MessageId": "1",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "Attributes": {"SentTimestamp": "1790000000123"},
        "MessageAttributes": {name: {"StringValue": value} for name, value in attributes.items()},
    }
    return describe(message, "123456789012")


@pytest.mark.parametrize(
    ("body", "event", "about"),
    [
        (sample("create-deployment"), "CreateDeployment", "REST API"),
        (sample("create-stage-v2"), "CreateStage", "HTTP or WebSocket API"),
        (sample("create-api-quick"), "CreateApi", "HTTP or WebSocket API"),
        (sample("delete-role"), "DeleteRole", "us-east-1: the account's log role"),
        (sample("update-stage-failed"), "UpdateStage", "nothing to do (failed call)"),
        (sample("api-to-evaluate"), "API To Evaluate", "us-east-1: API a1b2c3d4e5, 1 stages"),
        (stage_to_evaluate(REF), "Stage To Evaluate", "us-east-1: REST API a1b2c3d4e5, stage prod"),
        (Work("eu-west-1").to_message(), "sweep", "eu-west-1"),
        (Work("eu-west-1", (Api("a1", Protocol.REST),)).to_message(), "sweep", "eu-west-1, the last 1 APIs"),
        ({"detail-type": "Scheduled Event", "detail": {}}, "Scheduled Event", "starts a sweep"),
    ],
)
def test_description_of_a_message_names_its_subject(body: object, event: str, about: str) -> None:
    found = described(body)
    assert found.event == event
    assert about in found.about
    assert found.remark == ""
    assert found.sent == datetime.fromtimestamp(1790000000.123, UTC)


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (sample("create-deployment") | {"account": "111111111111"}, "account 111111111111: us-east-1: REST API"),
        (sample("create-deployment"), "us-east-1: REST API"),
        (json.loads(Work("eu-west-1", account="111111111111").to_message()), "account 111111111111: eu-west-1"),
        (
            {"detail-type": "CloudFormation Stack Status Change", "detail": {}, "account": "111111111111"},
            "account 111111111111: starts a sweep",
        ),
    ],
)
def test_description_names_a_member_account(body: object, about: str) -> None:
    assert described(body).about.startswith(about)


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_can_be_described(path: Any) -> None:
    assert described(path.read_text()).remark == ""


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "",
        "[]",
        "[" * 100_000,
        '{"region": "eu-west-1", "apis": 7}',
        {"account": "1", "region": "x"},
        {"account": "1", "region": [], "detail": {}},
        {**sample("create-deployment"), "region": "\x1b[2J"},
    ],
)
def test_message_that_cannot_be_read_says_so(body: object) -> None:
    """The description has no control characters for a terminal."""
    found = described(body)
    assert "cannot be read" in found.remark
    assert (found.event + found.about + found.remark).isprintable()


def test_event_from_eventbridge_is_described_with_its_error() -> None:
    found = described(sample("create-deployment"), ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="denied\x07")
    assert found.remark == "EventBridge could not deliver it: denied\N{REPLACEMENT CHARACTER}"


class Tasks:
    """An SQS client that lists the given tasks, one for each call; None: no task yet."""

    def __init__(self, *listed: dict[str, Any] | None) -> None:
        self.listed = list(listed)
        self.started: list[dict[str, Any]] = []

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        task = self.listed.pop(0)
        return {} if task is None else {"Results": [task]}

    def start_message_move_task(self, **task: Any) -> None:
        self.started.append(task)


def task(status: str, started: int = 2, moved: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "Status": status,
        "StartedTimestamp": started,
        "ApproximateNumberOfMessagesMoved": moved,
        "ApproximateNumberOfMessagesToMove": 3,
        **more,
    }


def move(sqs: Any, rate: int | None = None) -> tuple[int, list[tuple[int, int]]]:
    """Move the messages. Return how many were moved, and each progress that was shown."""
    shown: list[tuple[int, int]] = []
    moved = redrive.move(sqs, QUEUE, rate, lambda done, of: shown.append((done, of)), lambda _: None)
    assert sqs.listed == []
    return moved, shown


def test_task_is_started_and_followed_to_its_end() -> None:
    """SQS may list it a moment later."""
    sqs = Tasks(None, None, task("RUNNING", moved=1), task("COMPLETED", moved=3))
    assert move(sqs) == (3, [(1, 3), (3, 3)])
    assert sqs.started == [{"SourceArn": "arn:aws:sqs:us-east-1:123456789012:dead", "DestinationArn": "arn:queue"}]


def test_rate_is_sent_to_sqs() -> None:
    sqs = Tasks(None, task("COMPLETED"))
    move(sqs, rate=7)
    assert sqs.started[0]["MaxNumberOfMessagesPerSecond"] == 7


def test_result_of_an_older_task_is_not_used() -> None:
    older = task("COMPLETED", started=1, moved=50)
    assert move(Tasks(older, older, task("COMPLETED", moved=2))) == (2, [(2, 3)])


def test_running_task_is_followed_and_no_other_is_started() -> None:
    sqs = Tasks(task("RUNNING", moved=1), task("RUNNING", moved=2), task("COMPLETED", moved=3))
    assert move(sqs)[0] == 3
    assert sqs.started == []


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (task("FAILED", moved=1, FailureReason="AccessDenied"), "AccessDenied"),
        (task("CANCELLED", moved=1), "cancelled"),
    ],
)
def test_task_that_does_not_end_well_is_an_error(last: dict[str, Any], why: str) -> None:
    with pytest.raises(ToolError, match=f"moved 1 message of StageDeadLetterQueue.*{why}"):
        move(Tasks(None, last))
