"""A log group is created with its retention; an existing one keeps its settings, and no line is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from log_keeper.aws.log_groups import create_log_group, read_log_groups, set_retention
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, LogGroupStep, missing_step

NOW = datetime(2026, 11, 2, tzinfo=UTC)
WANTED = LogGroup("group", retention=30, kms_key_arn=None)


class Logs:
    """CloudWatch Logs with at most one group."""

    def __init__(self, **group: Any) -> None:
        self.groups = [{"logGroupName": "group", "storedBytes": 0} | group] if group else []
        self.calls: list[str] = []

    def describe_log_groups(self, **_: Any) -> dict[str, Any]:
        return {"logGroups": self.groups}

    def create_log_group(self, **_: Any) -> None:
        self.calls.append("create")

    def put_retention_policy(self, **_: Any) -> None:
        self.calls.append("retention")


def created(days_ago: float) -> int:
    """Return a creation time in milliseconds since 1970, as CloudWatch Logs answers."""
    return int((NOW - timedelta(days=days_ago)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("logs", "change", "calls"),
    [
        pytest.param(Logs(), LogGroupStep.CREATE, ["create", "retention"], id="absent"),
        pytest.param(Logs(creationTime=created(900), retentionInDays=7), None, [], id="somebody's retention"),
        pytest.param(Logs(creationTime=created(1), retentionPolicyName="never"), None, [], id="account-level policy"),
        pytest.param(Logs(creationTime=created(29)), LogGroupStep.SET_RETENTION, ["retention"], id="young"),
        pytest.param(Logs(creationTime=created(31)), LogGroupStep.KEEP_UNEXPIRING, [], id="old: lines would be lost"),
    ],
)
def test_missing_step_of_a_log_group_is_taken(logs: Any, change: LogGroupStep | None, calls: list[str]) -> None:
    found = missing_step(WANTED, read_log_groups(logs, [WANTED]).get("group"), NOW)
    assert found == change
    if found is LogGroupStep.CREATE:
        create_log_group(logs, WANTED)
    if found in (LogGroupStep.CREATE, LogGroupStep.SET_RETENTION):
        set_retention(logs, WANTED)
    assert logs.calls == calls


def test_log_group_that_an_owner_chose_is_never_created() -> None:
    theirs = LogGroup("group", retention=365, kms_key_arn=None, is_owners=True)
    assert missing_step(theirs, None, NOW) is LogGroupStep.AWAIT_OWNER
    assert missing_step(theirs, LogGroupFacts(NOW, expires=False), NOW) is None


def test_fifty_log_groups_are_read_in_a_call() -> None:
    sizes = []

    class Counting(Logs):
        def describe_log_groups(self, **parameters: Any) -> dict[str, Any]:
            sizes.append(len(parameters["logGroupIdentifiers"]))
            return super().describe_log_groups()

    groups = [LogGroup(f"group{number}", retention=30, kms_key_arn=None) for number in range(101)]
    read_log_groups(Counting(), groups)  # type: ignore[arg-type]
    assert sizes == [50, 50, 1]


def test_no_call_is_made_without_a_log_group() -> None:
    assert read_log_groups(None, []) == {}  # type: ignore[arg-type]
