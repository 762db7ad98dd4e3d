"""Log groups: reads the facts about many of them in few calls, creates them and sets their retention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, may_refuse_tags
from log_keeper.policy.log_group_tags import CREATOR_TAG
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import CreateLogGroupRequestTypeDef, LogGroupTypeDef

#: The most names in one DescribeLogGroups. *Source:* botocore's model.
_IDENTIFIERS = 50
#: The part of a log group's name that all groups of one API share. By a pattern of the owner, a part like the id of an
#: API, which has ten characters, is one; another log group may have such a part too, and is found by it as well.
_API_PREFIX = re.compile(
    r"(?:API-Gateway-Execution-Logs_|/aws/apigateway/|/aws/vendedlogs/apigateway(?:v2)?/)[a-z0-9]+/"
    r"|(?:[^/]*/)+?[a-z0-9]{10}/"
)
#: A member that every complete description of a log group has. Without it, the retention may be missing too.
#: *Source:* radkawar/stackd, testdata/aws/cloudtrail/logs_controls.json, of a log group created a moment before;
#: localstack/localstack, test_logs_groups.snapshot.json, of the answer to a call by a pattern of names.
_ALWAYS_SENT = "storedBytes"


def read_log_groups(client: CloudWatchLogsClient, groups: Iterable[LogGroup]) -> dict[str, LogGroupFacts]:
    """Return the facts about those of the log groups that exist, by name.

    One call reads 50 log groups. CloudWatch Logs may refuse a call that names a missing log group, and may leave the
    retention out of its answer: AWS documents neither. Such log groups are read again by the prefix of their API, one
    call for each API and type of log, so that a retention that was not sent is never taken for no retention.

    Raises ClientError.
    """
    wanted = list(groups)
    # The retention of a log group that its owner chose does not matter.
    of_interest = {group.name for group in wanted if not group.is_owners}
    facts: dict[str, LogGroupFacts] = {}
    for names in batched(sorted({group.name for group in wanted}), _IDENTIFIERS, strict=False):
        try:
            found = client.describe_log_groups(logGroupIdentifiers=list(names))["logGroups"]
        except ClientError as error:
            # botocore's model of the operation has only the second code; CloudWatch Logs sends the first for a missing
            # log group.
            if error_code(error) not in ("ResourceNotFoundException", "InvalidParameterException"):
                raise
            found = list(_read_by_prefix(client, names))
        partial = [group["logGroupName"] for group in found if _ALWAYS_SENT not in group]
        found += _read_by_prefix(client, [name for name in partial if name in of_interest])
        facts |= {group["logGroupName"]: _facts(group) for group in found}
    return facts


def _read_by_prefix(client: CloudWatchLogsClient, names: Iterable[str]) -> Iterator[LogGroupTypeDef]:
    """Yield the descriptions of those log groups that exist: one call for each API, and for each other name."""
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
    # An account-level policy of "never expire" has a name and no days.
    expires = "retentionInDays" in group or "retentionPolicyName" in group
    log_class = group.get("logGroupClass", "STANDARD")
    return LogGroupFacts(datetime.fromtimestamp(group["creationTime"] / 1000, UTC), expires, log_class)


def create_log_group(client: CloudWatchLogsClient, group: LogGroup) -> str | None:
    """Create the log group, without a retention. Return None, or the refusal of its tags.

    If CloudWatch Logs refuses the tags, as a tag policy of the organization can make it do, the log group gets only the
    tag that names its creator, and none if that is refused too: log lines count for more than their tags.

    Raises ClientError: ResourceAlreadyExistsException if somebody else has just created it.
    """
    wanted: CreateLogGroupRequestTypeDef = {"logGroupName": group.name}
    if group.kms_key_arn is not None:
        wanted["kmsKeyId"] = group.kms_key_arn
    if group.log_class != "STANDARD":
        wanted["logGroupClass"] = group.log_class
    if group.is_protected:
        wanted["deletionProtectionEnabled"] = True
    refusal = None
    for tags in dict.fromkeys([(CREATOR_TAG, *group.tags), (CREATOR_TAG,)]):
        wanted["tags"] = dict(tags)
        try:
            client.create_log_group(**wanted)
        except ClientError as error:
            if not may_refuse_tags(error):
                raise
            refusal = refusal or str(error)
        else:
            return refusal
    del wanted["tags"]
    client.create_log_group(**wanted)  # raises if CloudWatch Logs refuses something else
    return refusal


def set_retention(client: CloudWatchLogsClient, group: LogGroup) -> None:
    """Set the retention of the log group. Raises ClientError."""
    client.put_retention_policy(logGroupName=group.name, retentionInDays=group.retention)
