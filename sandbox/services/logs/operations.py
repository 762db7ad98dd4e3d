"""CloudWatch Logs: log groups and their retention.

*Source:* botocore's service model and its documentation of ``logs``.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.logs import account_policies, filters, keys, subscription_filters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_LONGEST_NAME = 512
_NAME = re.compile(r"[.\-_/#A-Za-z0-9]+")
#: Members of a group in an answer of DescribeLogGroups by a name pattern.
#: *Source:* aws/aws-sdk issues 448 and 608; localstack/localstack ``test_logs_groups.snapshot.json`` of 2026-02.
#: Nothing is recorded about ``kmsKeyId`` and ``retentionPolicyName``; the API reference names three other members.
_SHOWN_BY_PATTERN = frozenset(
    {"arn", "creationTime", "logGroupArn", "logGroupClass", "logGroupName", "metricFilterCount"}
)
_MOST_TAGS = 50
_TAG_KEY, _TAG_VALUE = re.compile(r"[\w\s.:/=+\-@]{1,128}"), re.compile(r"[\w\s.:/=+\-@]{0,256}")
#: The retentions that PutRetentionPolicy accepts, in days.
RETENTIONS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


@rule("logs", "CreateLogGroup")
def _create(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the group.

    *Source* of the text about the length: localstack/localstack ``test_logs_groups.snapshot.json`` of 2026-02.
    """
    name = call.params["logGroupName"]
    if len(name) > _LONGEST_NAME:
        raise _invalid(f"Invalid LogGroup or LogStream, both must have length less than or equal to {_LONGEST_NAME}.")
    if not _NAME.fullmatch(name):
        raise _invalid(
            f"1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
        )
    if name.startswith("aws/"):
        raise _invalid("Log groups starting with AWS/ are reserved for AWS.")
    _check_tags(call)
    key = call.params.get("kmsKeyId")
    if key is not None:
        keys.check(account, call, name, key)
    proceed()
    group = logs_backends[account.account_id][call.region].groups[name]
    group.creation_time = account.now().astimezone(UTC).replace(tzinfo=None)  # moto stores UTC without a zone
    vars(group)["log_group_class"] = call.params.get("logGroupClass", "STANDARD")
    vars(group)["deletion_protection"] = call.params.get("deletionProtectionEnabled", False)
    return {}


def _check_tags(call: Call) -> None:
    """Refuse tags against the model, and tags of AWS unless a service sets them. The wordings are not recorded."""
    tags = call.params.get("tags")
    if tags is None:
        return
    if not 1 <= len(tags) <= _MOST_TAGS:
        raise _invalid(f"1 validation error detected: 'tags' must have between 1 and {_MOST_TAGS} members")
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            raise _invalid(f"1 validation error detected: Value at 'tags' failed to satisfy constraint: {key}={value}")
        if key.lower().startswith("aws:") and call.caller.invoked_by is None:
            raise _invalid("aws: prefixed tag key names are not allowed for external use.")


@rule("logs", "DeleteLogGroup")
def _delete(account: Account, call: Call, proceed: Proceed) -> None:
    """Refuse to delete a protected group.

    *Source:* CloudWatch Logs user guide, "Protecting log groups from deletion".
    """
    if vars(_group(account, call)).get("deletion_protection"):
        message = "Cannot delete log group with deletion protection enabled. Disable deletion protection first."
        raise AwsError("ValidationException", message)
    proceed()
    filters.delete_of_group(account, call.region, call.params["logGroupName"])


@rule("logs", "PutLogGroupDeletionProtection")
def _protect(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    vars(_group(account, call))["deletion_protection"] = call.params["deletionProtectionEnabled"]
    return {}


@rule("logs", "PutRetentionPolicy")
def _put_retention(_: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    days = call.params.get("retentionInDays")
    if days not in RETENTIONS:
        valid = ", ".join(str(each) for each in sorted(RETENTIONS))
        raise _invalid(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{valid}]"
        )
    proceed()
    return None


@rule("logs", "PutLogEvents")
def _put_events(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Store events of the last 14 days and the next 2 hours, by the account's clock; moto uses the machine's clock.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """
    group, stream = _group(account, call), call.params["logStreamName"]
    if stream not in group.streams:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    events = call.params["logEvents"]
    times = [event["timestamp"] for event in events]
    if times != sorted(times):
        raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
    now = account.now()
    oldest, newest = (int((now + away).timestamp() * 1000) for away in (timedelta(days=-14), timedelta(hours=2)))
    too_old, too_new = sum(time < oldest for time in times), sum(time > newest for time in times)
    kept = events[too_old : len(events) - too_new]
    answer = {"nextSequenceToken": group.put_log_events(stream, kept)}
    if kept:
        subscription_filters.send_lines(account, call.region, group, stream, group.streams[stream].events[-len(kept) :])
    rejected = {"tooOldLogEventEndIndex": too_old} if too_old else {}
    rejected |= {"tooNewLogEventStartIndex": len(events) - too_new} if too_new else {}
    return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer


@rule("logs", "AssociateKmsKey")
def _associate_key(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    group = _group(account, call)
    keys.check(account, call, group.name, call.params["kmsKeyId"])
    group.kms_key_id = call.params["kmsKeyId"]
    return {}


@rule("logs", "DisassociateKmsKey")
def _disassociate_key(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    _group(account, call).kms_key_id = None
    return {}


def _group(account: Account, call: Call) -> Any:
    params = call.params
    identifier = params.get("logGroupName") or params.get("logGroupIdentifier") or params.get("resourceIdentifier", "")
    name = identifier.split(":log-group:", 1)[-1].removesuffix(":*")
    group = logs_backends[account.account_id][call.region].groups.get(name)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


@rule("logs", "DescribeLogGroups")
def _describe(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return groups by prefix, by pattern (a part of the name, case-sensitive), or by identifiers (without pages).

    Identifiers are names: outside a monitoring account the model allows no ARNs. The answer for one that does not exist
    is not recorded: the model has no error for it, so it is left out, unless a switch makes the sandbox refuse it.

    An answer for a pattern has no retention and size of the groups, and has a token as long as it has groups.
    *Source:* localstack/localstack ``test_logs_groups.snapshot.json`` (one group and a token; no group and none);
    aws/aws-sdk-go-v2 issue 2102.
    """
    params = call.params
    groups = sorted(logs_backends[account.account_id][call.region].groups.values(), key=lambda group: group.name)
    if params.get("logGroupIdentifiers") is not None:
        described = [_described(account, call.region, group) for group in _named(account, call, groups)]
        return {"logGroups": _cut(described) if account.behaviour.identifiers_hide_retention else described}
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    if prefix and pattern:
        raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    classes = _CLASSES.get(params.get("logGroupClass", ""))
    found = [
        group
        for group in groups
        if group.name.startswith(prefix or "")
        and (pattern or "") in group.name
        and (classes is None or _class_of(group) in classes)
    ]
    limit = params.get("limit", 50)
    after = params.get("nextToken")
    found = [group for group in found if after is None or group.name > after]
    shown = [_described(account, call.region, group) for group in found[:limit]]
    answer: dict[str, Any] = {"logGroups": _cut(shown) if pattern else shown}
    if len(found) > limit or (pattern and found):
        answer["nextToken"] = found[:limit][-1].name
    return answer


#: The log group classes that each value of the filter selects. *Source:* botocore's documentation of DescribeLogGroups.
_CLASSES = {
    "STANDARD": ("STANDARD",),
    "INFREQUENT_ACCESS": ("INFREQUENT_ACCESS", "ESSENTIALS"),
    "ESSENTIALS": ("INFREQUENT_ACCESS", "ESSENTIALS"),
    "DELIVERY": ("DELIVERY",),
}


def _cut(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in group.items() if name in _SHOWN_BY_PATTERN} for group in groups]


def _named(account: Account, call: Call, groups: Iterable[Any]) -> list[Any]:
    params = call.params
    identifiers = params["logGroupIdentifiers"]
    if set(params) - {"logGroupIdentifiers", "includeLinkedAccounts"}:
        raise _invalid("logGroupIdentifiers cannot be combined with other filters.")  # the wording is not recorded
    if not 1 <= len(identifiers) <= 50:
        raise _invalid("logGroupIdentifiers: Member must have length between 1 and 50")
    for identifier in identifiers:
        if identifier.startswith("arn:"):
            raise _invalid("Only log group names can be specified in an account that is not a monitoring account.")
    found = [group for group in groups if group.name in identifiers]
    if account.behaviour.refuses_missing_log_groups and len(found) < len(set(identifiers)):
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return found


def _class_of(group: Any) -> str:
    return str(vars(group).get("log_group_class", "STANDARD"))


def _described(account: Account, region: str, group: Any) -> dict[str, Any]:
    """Return the group. ``arn`` ends in ``:*``, ``logGroupArn`` does not. Account-level retention replaces its own.

    *Source:* radkawar/stackd ``testdata/aws/logs/ingestion.json`` of 2026-09.
    """
    answer: dict[str, Any] = group.to_describe_dict()
    answer["logGroupClass"] = _class_of(group)
    answer["deletionProtectionEnabled"] = vars(group).get("deletion_protection", False)
    answer["metricFilterCount"] = len(filters.of_group(account, region, group.name))
    answer["bearerTokenAuthenticationEnabled"] = False
    for policy in account_policies.retention_of(account, region, group):
        answer.pop("retentionInDays", None)
        answer["retentionPolicyName"] = policy.name
        if policy.days:
            answer["retentionInDays"] = policy.days
    return answer


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
