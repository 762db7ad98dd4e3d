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
    """A log group as it should be. ``retention``: in days; ``kms_key_arn``: only for a group that is made."""

    name: str
    retention: int
    kms_key_arn: str | None


class LogGroupChange(StrEnum):
    """What was done to a log group, or why not."""

    MADE = "made"
    RETENTION_SET = "retention set"
    #: It never expires and holds lines older than the retention: setting one now would delete them.
    LEFT_WITHOUT_RETENTION = "left without retention"


def ensure_log_groups(
    client: CloudWatchLogsClient, wanted: Sequence[LogGroup], now: datetime
) -> dict[str, LogGroupChange]:
    """Each log group exists and expires; says what was done, by name. One read, whatever their number up to 50.

    A retention that somebody set is left, and an account-level retention policy too. A group that never expires and
    may hold lines older than its retention is left as well, since a retention would delete those lines.

    Raises ClientError: a conflict (see aws.is_conflict) where somebody else made or changed a group just now.
    """
    described = client.describe_log_groups(logGroupIdentifiers=[group.name for group in wanted])
    existing = {group["logGroupName"]: group for group in described["logGroups"]}
    changes = {group.name: _ensure(client, group, existing.get(group.name), now) for group in wanted}
    return {name: change for name, change in changes.items() if change is not None}


def _ensure(
    client: CloudWatchLogsClient, wanted: LogGroup, existing: LogGroupTypeDef | None, now: datetime
) -> LogGroupChange | None:
    if existing is None:
        _create(client, wanted)
        client.put_retention_policy(logGroupName=wanted.name, retentionInDays=wanted.retention)
        return LogGroupChange.MADE
    # An account-level policy that says "never" has a name and no days.
    if "retentionInDays" in existing or "retentionPolicyName" in existing:
        return None
    born = datetime.fromtimestamp(existing["creationTime"] / 1000, UTC)
    if now - born > timedelta(days=wanted.retention):
        return LogGroupChange.LEFT_WITHOUT_RETENTION
    client.put_retention_policy(logGroupName=wanted.name, retentionInDays=wanted.retention)
    return LogGroupChange.RETENTION_SET


def _create(client: CloudWatchLogsClient, group: LogGroup) -> None:
    if group.kms_key_arn is None:
        client.create_log_group(logGroupName=group.name)
    else:
        client.create_log_group(logGroupName=group.name, kmsKeyId=group.kms_key_arn)
