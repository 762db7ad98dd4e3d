"""Log groups: made where they are missing, with a retention, and otherwise kept as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogGroupTypeDef


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group as it should be.

    ``retention``: in days. ``kms_key_arn``: only for a group that is made.
    ``is_owners``: a destination that the owner chose, whose retention is theirs too, once it exists.
    """

    name: str
    retention: int
    kms_key_arn: str | None
    is_owners: bool = False


class LogGroupChange(StrEnum):
    """What a log group lacks."""

    MADE = "made"
    RETENTION_SET = "retention set"
    #: It never expires and may hold lines older than the retention: setting one now would delete them.
    LEFT_WITHOUT_RETENTION = "left without retention"


@dataclass(frozen=True, slots=True)
class LogGroupPlan:
    """What each group lacks; a group that lacks nothing is not in it."""

    changes: dict[LogGroup, LogGroupChange]

    def by_name(self) -> dict[str, LogGroupChange]:
        return {group.name: change for group, change in self.changes.items()}


def plan_log_groups(client: CloudWatchLogsClient, wanted: Sequence[LogGroup], now: datetime) -> LogGroupPlan:
    """What the groups lack: to exist, and to expire. One read, whatever their number up to 50; none for no group.

    A retention that somebody set is left, and an account-level retention policy too. A group that never expires and
    may hold lines older than its retention is left as well, since a retention would delete those lines.
    """
    if not wanted:
        return LogGroupPlan({})
    described = client.describe_log_groups(logGroupIdentifiers=[group.name for group in wanted])
    existing = {group["logGroupName"]: group for group in described["logGroups"]}
    changes = {group: _lack(group, existing.get(group.name), now) for group in wanted}
    return LogGroupPlan({group: change for group, change in changes.items() if change is not None})


def _lack(wanted: LogGroup, existing: LogGroupTypeDef | None, now: datetime) -> LogGroupChange | None:
    if existing is None:
        return LogGroupChange.MADE
    # An account-level policy that says "never" has a name and no days.
    if wanted.is_owners or "retentionInDays" in existing or "retentionPolicyName" in existing:
        return None
    age = now - datetime.fromtimestamp(existing["creationTime"] / 1000, UTC)
    is_old = age > timedelta(days=wanted.retention)
    return LogGroupChange.LEFT_WITHOUT_RETENTION if is_old else LogGroupChange.RETENTION_SET


def apply_log_groups(client: CloudWatchLogsClient, plan: LogGroupPlan) -> None:
    """Each group of the plan exists and expires.

    Raises ClientError, such as aws.is_moving knows where somebody else made or changed a group just now.
    """
    for group, change in plan.changes.items():
        if change is LogGroupChange.LEFT_WITHOUT_RETENTION:
            continue
        if change is LogGroupChange.MADE and group.kms_key_arn is None:
            client.create_log_group(logGroupName=group.name)
        elif change is LogGroupChange.MADE and group.kms_key_arn is not None:
            client.create_log_group(logGroupName=group.name, kmsKeyId=group.kms_key_arn)
        client.put_retention_policy(logGroupName=group.name, retentionInDays=group.retention)
