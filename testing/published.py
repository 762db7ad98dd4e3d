"""Read what the functions log and publish, and refuse some of their calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call


class Refusal:
    """Refuse Log Keeper's calls of one operation until ``end`` is called.

    ``word``: refuse only calls with this text in their parameters.
    """

    def __init__(self, sandbox: Sandbox, operation: str, word: str = "", code: str = "AccessDeniedException") -> None:
        self.operation, self.word, self.code = operation, word, code
        self.hooks = sandbox.hooks
        self.hooks.append(self)

    def __call__(self, _: Account, call: Call) -> None:
        is_ours = "log-keeper" in call.user_agent
        if is_ours and call.operation == self.operation and self.word in json.dumps(call.params):
            raise AwsError(self.code, "explicit deny in a service control policy", 400)

    def end(self) -> None:
        """Refuse no more calls."""
        self.hooks.remove(self)


def outcomes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the outcome of each stage in the log, and clear the log."""
    found = [str(line.outcome) for line in caplog.records if hasattr(line, "outcome")]
    caplog.clear()
    return found


def findings(sandbox: Sandbox, since: int) -> list[tuple[str, str]]:
    """Return problem and detail of each finding that was published since the account's call number ``since``."""
    return [(event["problem"], event["detail"]) for event in _published(sandbox, since, "Stage Logging Finding")]


def published_changes(sandbox: Sandbox, since: int) -> list[str]:
    """Return the setting of each change that was published since the account's call number ``since``."""
    return [
        change["setting"]
        for event in _published(sandbox, since, "Stage Logging Remediated")
        for change in event["changes"]
    ]


def published_log_groups(sandbox: Sandbox, since: int) -> list[str]:
    """Return the log groups of the changes that were published since the account's call number ``since``."""
    return [group for event in _published(sandbox, since, "Stage Logging Remediated") for group in event["logGroups"]]


def _published(sandbox: Sandbox, since: int, detail_type: str) -> list[dict[str, Any]]:
    """Return the details of the events of one type in the account's calls from number ``since`` on."""
    return [
        json.loads(entry["Detail"])
        for made in sandbox.calls[since:]
        if made.call.operation == "PutEvents"
        for entry in made.call.params["Entries"]
        if entry["DetailType"] == detail_type
    ]
