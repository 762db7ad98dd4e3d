"""Queries of CloudWatch Logs Insights: StartQuery evaluates the query, and GetQueryResults returns its rows.

The query is evaluated at once; AWS takes some seconds. moto keeps the queries, but evaluates of their commands only
``fields``, ``sort`` by time and ``limit``. *Source* of times in results, such as ``2026-11-29 08:00:05.507`` in UTC:
CloudWatch Logs API reference, GetQueryResults, its example.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.logs.query_commands import Query
from sandbox.services.logs.query_expressions import QuerySyntaxError, Value, time_text

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


@rule("logs", "StartQuery")
def _start(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Evaluate the query.

    Refuse a log group that does not exist, with the text of a Java client, as AWS does; a query that is not valid; and
    one that the sandbox cannot evaluate.
    """
    params, backend = call.params, logs_backends[account.account_id][call.region]
    for name in [params["logGroupName"]] if params.get("logGroupName") else params.get("logGroupNames", []):
        if name not in backend.groups:
            raise AwsError(
                "ResourceNotFoundException",
                f"Log group '{name}' does not exist for account ID '{account.account_id}' (Service: AWSLogs; "
                f"Status Code: 400; Error Code: ResourceNotFoundException; Request ID: {call.request_id}; Proxy: null)",
            )
    try:
        query = Query(params["queryString"])
    except QuerySyntaxError as error:
        raise AwsError("MalformedQueryException", f"{error}.") from error
    answer: dict[str, Any] = proceed()
    made = backend.queries[answer["queryId"]]
    lines = _lines(account, [backend.groups[name] for name in made.log_group_names], made.start_time, made.end_time)
    made.results = query.rows(lines)
    return answer


def _lines(account: Account, groups: list[Any], start: int, end: int) -> Iterator[dict[str, Value]]:
    """Yield the fields of each line between the two times, in seconds. Both times belong to the range."""
    for group in groups:
        for stream in group.streams.values():
            for event in stream.events:
                if start * 1000 <= event.timestamp <= end * 1000:
                    yield _discovered(event.message) | {
                        "@timestamp": time_text(event.timestamp / 1000),
                        "@ingestionTime": time_text(event.ingestion_time / 1000),
                        "@message": event.message,
                        "@logStream": stream.log_stream_name,
                        "@log": f"{account.account_id}:{group.name}",
                        "@ptr": str(event.event_id),
                    }


def _discovered(message: str) -> dict[str, Value]:
    """Return the fields of a line in JSON: the path of each value, with dots, and its value.

    *Source:* CloudWatch Logs user guide, "Supported logs and discovered fields"; of booleans, which are 1 and 0:
    aws-powertools/powertools-lambda-dotnet issue 667
    """
    if not message.lstrip().startswith("{"):
        return {}
    try:
        document = json.loads(message)
    except ValueError:
        return {}
    return dict(_flattened(document, ""))


def _flattened(found: Any, path: str) -> Iterator[tuple[str, Value]]:
    match found:
        case dict():
            for name, inner in found.items():
                yield from _flattened(inner, f"{path}.{name}" if path else name)
        case list():
            for number, inner in enumerate(found):
                yield from _flattened(inner, f"{path}.{number}")
        case bool():
            yield path, "1" if found else "0"
        case int() | float():
            yield path, float(found)
        case str():
            yield path, found
