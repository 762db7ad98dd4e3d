"""Reads log groups that FilterLogEvents does not read with Logs Insights, after its cost was shown and agreed to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from logs.explanations import INSIGHTS_USD
from logs.model import LogLine
from tools.aws_session import ToolError, one_line

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import ResultFieldTypeDef

#: The most lines of a query. *Source:* CloudWatch Logs user guide, "limit".
MOST_LINES = 10_000
_QUERY = f"fields @timestamp, @logStream, @message | sort @timestamp desc | limit {MOST_LINES}"
#: The states of a query that has not ended. *Source:* CloudWatch Logs API reference, GetQueryResults.
_UNFINISHED = ("Scheduled", "Running", "Unknown")


class Insights:
    """Reads log groups with queries.

    ``agree``: is called with a sentence about the cost before the first query of a log group, and raises ToolError if
    the user does not agree. ``take_turn``, ``sleep``: wait. ``patience``: seconds for one query.
    """

    def __init__(
        self,
        client: CloudWatchLogsClient,
        agree: Callable[[str], None],
        take_turn: Callable[[], None],
        sleep: Callable[[float], None],
        patience: float,
    ) -> None:
        self._client = client
        self._agree = agree
        self._take_turn = take_turn
        self._sleep = sleep
        self._patience = patience
        self._agreed: set[str] = set()

    def read(self, name: str, since: int, until: int, text: str | None) -> tuple[list[LogLine], str | None]:
        """Return the latest lines of the log group between two times.

        Return also the limit that left out earlier lines, or None.

        ``text``: only lines that contain it. Raises ToolError, BotoCoreError and ClientError.
        """
        if name not in self._agreed:
            several = "" if text is None else " --request-id can need several queries."
            self._agree(f"{self._cost(name)}{several}")
            self._agreed.add(name)
        query = _QUERY
        if text is not None:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            query = query.replace(" | sort", f' | filter strcontains(@message, "{escaped}") | sort', 1)
        self._take_turn()
        query_id = self._client.start_query(
            logGroupName=name, startTime=since // 1000, endTime=-(-until // 1000), queryString=query
        )["queryId"]
        rows = [{field["field"]: field["value"] for field in row} for row in self._results(query_id)]
        # The latest come first; of the same millisecond, nobody knows the order.
        lines = [_line(number, name, row) for number, row in enumerate(reversed(rows))]
        limit = f"the {MOST_LINES:,} lines of one query" if len(rows) >= MOST_LINES else None
        return [line for line in lines if since <= line.time <= until and (text is None or text in line.message)], limit

    def _cost(self, name: str) -> str:
        groups = self._client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        size = next((group.get("storedBytes", 0) for group in groups if group["logGroupName"] == name), 0) / 1e9
        return (
            f"Logs Insights will read {one_line(name)}. A query costs {INSIGHTS_USD} USD for each GB of the time that "
            f"is searched (us-east-1). The whole log group has {size:.3f} GB by the last count of CloudWatch Logs, "
            f"which costs {size * INSIGHTS_USD:.4f} USD."
        )

    def _results(self, query_id: str) -> list[list[ResultFieldTypeDef]]:
        waited = 0.0
        while waited < self._patience:
            self._take_turn()
            answer = self._client.get_query_results(queryId=query_id)
            if answer["status"] == "Complete":
                return answer["results"]
            if answer["status"] not in _UNFINISHED:
                raise ToolError(f"the query of Logs Insights ended with the status {one_line(answer['status'])}.")
            self._sleep(1)
            waited += 1
        raise ToolError(
            f"the query of Logs Insights did not end in {self._patience:g} s: use a shorter time, or a larger "
            "--most-seconds."
        )


def _line(number: int, name: str, row: dict[str, str]) -> LogLine:
    """Return the row as a line. Its time is in UTC, such as 2026-11-29 08:00:05.507."""
    time = datetime.fromisoformat(row["@timestamp"]).replace(tzinfo=UTC)
    event_id = f"{name} {number:05}"
    return LogLine(round(time.timestamp() * 1000), row["@message"], name, row["@logStream"], event_id)
