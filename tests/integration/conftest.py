"""The handler in this process, as cold as in a new environment, pointed at the sandbox account."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from handlers import enforce
from log_keeper.settings import Settings
from sandbox.assembly import Sandbox
from sandbox.simulation import VirtualTime
from testing.builders import ACCOUNT, ENVIRONMENT
from testing.deliveries import Context, Deliver


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The handler is cold, its environment is the template's, pointed at the sandbox, and its waits take no time."""
    variables = ENVIRONMENT | {
        "SCHEDULE_GROUP": "opt-ins",
        "SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/Schedules",
        "STAGE_QUEUE_ARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:StageQueue",
        "STAGE_QUEUE_URL": f"{sandbox.endpoint}/{ACCOUNT}/StageQueue",
        "SWEEP_QUEUE_URL": f"{sandbox.endpoint}/{ACCOUNT}/SweepQueue",
    }
    for name, value in (sandbox.environment() | variables).items():
        monkeypatch.setenv(name, value)
    with VirtualTime() as clock:
        sandbox.clock = clock

        @functools.cache
        def door() -> enforce.Door:
            settings = Settings.from_environment(os.environ)
            return enforce.Door(settings, clock=clock, monotonic=clock.monotonic, sleep=clock.sleep)

        monkeypatch.setattr(enforce, "door", door)
        yield monkeypatch


@pytest.fixture
def deliver(environment: pytest.MonkeyPatch) -> Deliver:
    """Hands the handler one batch of StageQueue; gives the ids of the messages that failed."""

    def deliver(*bodies: object, remaining: int = 60_000) -> list[str]:
        records = [
            {
                "messageId": str(number),
                "receiptHandle": "handle",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:StageQueue",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
        answer: Any = enforce.handler({"Records": records}, Context(remaining=remaining))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    return deliver
