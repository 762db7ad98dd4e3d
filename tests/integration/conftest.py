"""The Enforce handler in this process, as in a new execution environment, with the sandbox as its AWS."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers import enforce
from handlers.runtime import Time
from log_keeper.aws.pace import Pace
from log_keeper.settings import Settings
from preview import __main__ as command
from sandbox.assembly import Sandbox
from sandbox.simulation import VirtualTime
from testing.builders import ACCOUNT, ENVIRONMENT
from testing.credentials import User
from testing.deliveries import Context, Deliver
from testing.previews import Preview


@pytest.fixture
def environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Set the template's environment variables for the sandbox. The handler is new, and its waits take no time."""
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
        def enforce_handler() -> enforce.EnforceHandler:
            settings = Settings.from_environment(os.environ)
            return enforce.EnforceHandler(settings, time=Time(clock, clock.monotonic, clock.sleep))

        monkeypatch.setattr(enforce, "enforce_handler", enforce_handler)
        yield monkeypatch


@pytest.fixture
def deliver(environment: pytest.MonkeyPatch) -> Deliver:
    """Return a function that delivers one batch of StageQueue and returns the ids of the messages that failed."""

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


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    """An account for all tests of a module, which command line tools call over HTTP."""
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def user(account: Sandbox, tmp_path: Path) -> User:
    """A user of the command line tools with an empty home directory."""
    return User(tmp_path, account.endpoint)


@pytest.fixture
def preview(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Preview:
    """Return a function that runs the command in this process, without pauses, and returns code, stdout and stderr."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(command, "Pace", lambda rate: Pace(rate * 100))

    def preview(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = command.main(arguments)
        except SystemExit as usage:
            code = int(str(usage.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return preview
