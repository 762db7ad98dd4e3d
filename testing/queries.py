"""Run queries of CloudWatch Logs Insights."""

from __future__ import annotations

from datetime import datetime

from sandbox.core.account import Account


def run_query(account: Account, log_group: str, query: str, since: datetime, until: datetime) -> list[dict[str, str]]:
    """Return the rows of the query's result, each as values by field."""
    client = account.client("logs")
    query_id = client.start_query(
        logGroupName=log_group, startTime=int(since.timestamp()), endTime=int(until.timestamp()), queryString=query
    )["queryId"]
    answer = client.get_query_results(queryId=query_id)
    assert answer["status"] == "Complete"
    return [{each["field"]: each["value"] for each in row} for row in answer["results"]]
