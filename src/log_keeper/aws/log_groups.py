"""Reads the facts about log groups, in few calls, whichever way CloudWatch Logs answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogGroupTypeDef

#: The number of names that one DescribeLogGroups takes. *Source:* botocore's model.
_IDENTIFIERS = 50
#: The part of a log group's name that all groups of one API share.
_API_PREFIX = re.compile(
    r"(?:API-Gateway-Execution-Logs_|/aws/apigateway/|/aws/vendedlogs/apigateway(?:v2)?/)[a-z0-9]+/"
)
#: The member that every whole description of a log group has, and an answer without retentions lacks.
#: *Source:* radkawar/stackd, testdata/aws/cloudtrail/logs_controls.json, of a group that was created a moment before;
#: localstack/localstack, test_logs_groups.snapshot.json, of an answer to a call by a pattern of names.
_ALWAYS_SENT = "storedBytes"


def read_log_groups(client: CloudWatchLogsClient, groups: Iterable[LogGroup]) -> dict[str, LogGroupFacts]:
    """Return the facts about those of the log groups that exist, by name.

    One call reads 50 groups. A call that names a missing group may be refused, and the answer to a call by names may
    leave the retention out: AWS documents neither. The groups in question are then read by the prefix of their API,
    one call for each API and kind of log, so that a retention which was not sent is never taken for none.
    """
    wanted = list(groups)
    # An owner's group keeps its retention, whatever that is.
    of_interest = {group.name for group in wanted if not group.is_owners}
    facts: dict[str, LogGroupFacts] = {}
    for names in batched(sorted({group.name for group in wanted}), _IDENTIFIERS, strict=False):
        try:
            found = client.describe_log_groups(logGroupIdentifiers=list(names))["logGroups"]
        except ClientError as error:
            # The model of the operation has only the second code; CloudWatch Logs says the first of a missing group.
            if error_code(error) not in ("ResourceNotFoundException", "InvalidParameterException"):
                raise
            found = list(_read_by_prefix(client, names))
        partial = [group["logGroupName"] for group in found if _ALWAYS_SENT not in group]
        found += _read_by_prefix(client, [name for name in partial if name in of_interest])
        facts |= {group["logGroupName"]: _facts(group) for group in found}
    return facts


def _read_by_prefix(client: CloudWatchLogsClient, names: Iterable[str]) -> Iterator[LogGroupTypeDef]:
    """Yield the descriptions of those of the groups that exist: one call for each API, and for each other name."""
    by_prefix: dict[str, set[str]] = {}
    for name in names:
        match = _API_PREFIX.match(name)
        by_prefix.setdefault(match[0] if match else name, set()).add(name)
    for prefix, missing in by_prefix.items():
        for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
            for group in page["logGroups"]:
                if group["logGroupName"] in missing:
                    missing.remove(group["logGroupName"])
                    yield group
            if not missing:
                break


def _facts(group: LogGroupTypeDef) -> LogGroupFacts:
    # An account-level policy that says "never" has a name and no days.
    expires = "retentionInDays" in group or "retentionPolicyName" in group
    return LogGroupFacts(datetime.fromtimestamp(group["creationTime"] / 1000, UTC), expires)


#: On every log group that is created here, so that whoever meets it knows where it came from.
TAGS = {"created-by": "log-keeper"}


def create_log_group(client: CloudWatchLogsClient, group: LogGroup) -> None:
    """Create the log group, which never expires yet.

    Raises ClientError, such as aws.is_concurrent_change knows where somebody else created the group just now.
    """
    if group.kms_key_arn is None:
        client.create_log_group(logGroupName=group.name, tags=TAGS)
    else:
        client.create_log_group(logGroupName=group.name, kmsKeyId=group.kms_key_arn, tags=TAGS)


def set_retention(client: CloudWatchLogsClient, group: LogGroup) -> None:
    """Set the retention of the log group. Raises ClientError, as above."""
    client.put_retention_policy(logGroupName=group.name, retentionInDays=group.retention)
