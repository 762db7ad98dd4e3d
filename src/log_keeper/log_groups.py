"""Log groups: made where they are missing, with a retention, and otherwise kept as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

#: What one DescribeLogGroups takes. *Source:* botocore's model.
_IDENTIFIERS = 50


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


@dataclass(frozen=True, slots=True)
class LogGroupFacts:
    """A log group as it is. ``expires``: by a retention of its own or an account-level policy."""

    born: datetime
    expires: bool


class LogGroupChange(StrEnum):
    """What a log group lacks."""

    MADE = "made"
    RETENTION_SET = "retention set"
    #: It never expires and may hold lines older than the retention: setting one now would delete them.
    LEFT_WITHOUT_RETENTION = "left without retention"


def read_log_groups(client: CloudWatchLogsClient, names: Iterable[str]) -> dict[str, LogGroupFacts]:
    """The facts of those groups that exist, by name: one call for each 50 names."""
    facts = {}
    for some in batched(names, _IDENTIFIERS, strict=False):
        for group in client.describe_log_groups(logGroupIdentifiers=list(some))["logGroups"]:
            # An account-level policy that says "never" has a name and no days.
            expires = "retentionInDays" in group or "retentionPolicyName" in group
            facts[group["logGroupName"]] = LogGroupFacts(
                datetime.fromtimestamp(group["creationTime"] / 1000, UTC), expires
            )
    return facts


def lack(wanted: LogGroup, facts: LogGroupFacts | None, now: datetime) -> LogGroupChange | None:
    """What the group lacks: to exist, or to expire; None for nothing.

    A retention that somebody set is left, and an account-level retention policy too. A group that never expires and
    may hold lines older than its retention is left as well, since a retention would delete those lines.
    """
    if facts is None:
        return LogGroupChange.MADE
    if wanted.is_owners or facts.expires:
        return None
    is_old = now - facts.born > timedelta(days=wanted.retention)
    return LogGroupChange.LEFT_WITHOUT_RETENTION if is_old else LogGroupChange.RETENTION_SET


def apply_log_groups(client: CloudWatchLogsClient, changes: Mapping[LogGroup, LogGroupChange]) -> None:
    """Each group exists and expires, but those that are left.

    Raises ClientError, such as aws.is_moving knows where somebody else made or changed a group just now.
    """
    for group, change in changes.items():
        if change is LogGroupChange.LEFT_WITHOUT_RETENTION:
            continue
        if change is LogGroupChange.MADE and group.kms_key_arn is None:
            client.create_log_group(logGroupName=group.name)
        elif change is LogGroupChange.MADE and group.kms_key_arn is not None:
            client.create_log_group(logGroupName=group.name, kmsKeyId=group.kms_key_arn)
        client.put_retention_policy(logGroupName=group.name, retentionInDays=group.retention)
