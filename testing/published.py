"""What the function says about its work, and calls of its own that the account refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call


class Refusal:
    """Refuses calls of an operation that the function makes, as long as it is there."""

    def __init__(self, sandbox: Sandbox, operation: str, word: str = "", code: str = "AccessDeniedException") -> None:
        self.operation, self.word, self.code = operation, word, code
        self.hooks = sandbox.hooks
        self.hooks.append(self)

    def __call__(self, _: Account, call: Call) -> None:
        is_ours = "log-keeper" in call.user_agent
        if is_ours and call.operation == self.operation and self.word in json.dumps(call.params):
            raise AwsError(self.code, "explicit deny in a service control policy", 400)

    def end(self) -> None:
        self.hooks.remove(self)


def outcomes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The outcome of each stage since the last time that somebody asked."""
    found = [str(line.outcome) for line in caplog.records if hasattr(line, "outcome")]
    caplog.clear()
    return found


def findings(sandbox: Sandbox, since: int) -> list[tuple[str, str]]:
    """The problem and the detail of each finding that was published."""
    return [(told["problem"], told["detail"]) for told in _published(sandbox, since, "Stage Logging Finding")]


def published_changes(sandbox: Sandbox, since: int) -> list[str]:
    """The settings of each change that was published."""
    return [
        change["setting"]
        for told in _published(sandbox, since, "Stage Logging Remediated")
        for change in told["changes"]
    ]


def published_log_groups(sandbox: Sandbox, since: int) -> list[str]:
    """The names of the log groups in each change that was published."""
    return [group for told in _published(sandbox, since, "Stage Logging Remediated") for group in told["logGroups"]]


def _published(sandbox: Sandbox, since: int, detail_type: str) -> list[dict[str, Any]]:
    """The details of the events of one type that were put on the bus since the account's call of this number."""
    return [
        json.loads(entry["Detail"])
        for made in sandbox.calls[since:]
        if made.call.operation == "PutEvents"
        for entry in made.call.params["Entries"]
        if entry["DetailType"] == detail_type
    ]
