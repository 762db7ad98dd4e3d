"""Log streams of CloudWatch Logs, where moto's answers differ from those of AWS.

*Source:* localstack/localstack ``test_logs_streams.snapshot.json``, ``test_logs_events.snapshot.json`` and
``test_logs_queries.snapshot.json`` of 2026-02.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

#: *Source:* botocore's model of FilterLogEvents; for the bytes of an event, of PutLogEvents.
_MOST_EVENTS, _PAGE_BYTES, _EVENT_BYTES = 10_000, 1024 * 1024, 26

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


@rule("logs", "CreateLogStream")
def _create(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the stream. Refuse one that exists, with a text about the stream."""
    group = _groups(account, call).get(call.params["logGroupName"])
    if group is not None and call.params["logStreamName"] in group.streams:
        raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")
    return proceed()


@rule("logs", "DescribeLogStreams")
def _describe(_: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Return the streams of a group, which the call must name either by name or by identifier."""
    if call.params.get("logGroupName") and call.params.get("logGroupIdentifier"):
        message = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        raise AwsError("ValidationException", message)
    return proceed()


@rule("logs", "GetLogEvents")
def _get_events(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Return events of a stream. The refusal of a missing stream is about the stream, not about its group."""
    group = _groups(account, call).get(call.params.get("logGroupName", ""))
    if group is not None and call.params["logStreamName"] not in group.streams:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return proceed()


@rule("logs", "FilterLogEvents")
def _filter(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Return a page of events by time: at most 10,000 or 1 MB, the oldest first unless ``startFromHead`` is false.

    The first page of a filter is empty, since "partially full or empty pages don't necessarily mean that pagination is
    finished". *Source:* botocore's model of FilterLogEvents. Log groups of other classes are refused: the text was
    recorded for INFREQUENT_ACCESS (aws/karpenter-provider-aws, pull request 9567, 2026-09).
    """
    params, group = call.params, _groups(account, call).get(call.params.get("logGroupName", ""))
    if group is None:
        return proceed()
    log_class = str(vars(group).get("log_group_class", "STANDARD"))
    if log_class != "STANDARD":
        raise AwsError(
            "InvalidOperationException",
            f"The log group {group.name} is of log-group-class {log_class}. FilterLogEvents is not supported for this "
            "log class.",
        )
    pattern, begin = params.get("filterPattern") or "", int(params.get("nextToken") or 0)
    events, _, _ = group.filter_log_events(
        group.name,
        params.get("logStreamNames") or [],
        params.get("startTime"),
        params.get("endTime"),
        sys.maxsize,
        None,
        pattern,
        True,
    )
    if not params.get("startFromHead", True):
        events.reverse()
    page = [] if pattern and "nextToken" not in params else _page(events[begin:], params.get("limit", _MOST_EVENTS))
    is_last = begin + len(page) >= len(events)
    token = {} if is_last else {"nextToken": str(begin + len(page))}
    return {"events": page, "searchedLogStreams": [], **token}


def _page(events: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the first events that fit into a page: at least one."""
    size, page = 0, list[dict[str, Any]]()
    for event in events[:limit]:
        size += len(event["message"].encode()) + _EVENT_BYTES
        if page and size > _PAGE_BYTES:
            break
        page.append(event)
    return page


def _groups(account: Account, call: Call) -> dict[str, Any]:
    groups: dict[str, Any] = logs_backends[account.account_id][call.region].groups
    return groups
