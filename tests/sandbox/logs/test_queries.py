"""Queries of Logs Insights are evaluated: commands, conditions, functions and aggregations, over fields of JSON too."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.execution_logs import put_lines
from testing.queries import run_query

BEGIN = datetime(2026, 11, 29, 8, 1, tzinfo=UTC)
LINES = [
    {"status": "200", "route": "/pets", "latency": "12", "stage": {"apiId": "a"}},
    {"status": "500", "route": "/pets", "latency": "7", "stage": {"apiId": "a"}},
    {"status": "404", "path": "/", "latency": 120, "stage": {"apiId": "b"}},
]


@pytest.fixture
def written(sandbox: Sandbox) -> Sandbox:
    """Write a line in JSON every two minutes, and then one that is no JSON."""
    texts = [*(json.dumps(each) for each in LINES), "GET /pets 200 - fast"]
    put_lines(sandbox, "/g", [(BEGIN + timedelta(minutes=2 * number), text) for number, text in enumerate(texts)])
    return sandbox


def rows(sandbox: Sandbox, query: str) -> list[dict[str, str]]:
    found = run_query(sandbox, "/g", query, BEGIN, BEGIN + timedelta(hours=1))
    return [{name: value for name, value in row.items() if name != "@ptr"} for row in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fields status | sort @timestamp asc", [{"status": "200"}, {"status": "500"}, {"status": "404"}, {}]),
        ("fields status", [{}, {"status": "404"}, {"status": "500"}, {"status": "200"}]),
        ("fields @timestamp | limit 1", [{"@timestamp": "2026-11-29 08:07:00.000"}]),
        ("filter status >= 400 | display status", [{"status": "404"}, {"status": "500"}]),
        ("fields route | filter status = 500 and not route like 'x'", [{"route": "/pets"}]),
        ('fields status | filter stage.apiId in ["b", "c"] or latency = 7', [{"status": "404"}, {"status": "500"}]),
        ("fields coalesce(route, path) as at | filter ispresent(path)", [{"at": "/"}]),
        ("fields status | filter @message like /fast$/", [{}]),
        ("fields latency | sort latency desc | limit 2", [{"latency": "120"}, {"latency": "12"}]),
        (
            "stats count(*) as requests, sum(latency) as sum by route | sort requests desc, sum asc",
            [{"route": "/pets", "requests": "2", "sum": "19"}, {"requests": "2", "sum": "120"}],
        ),
        (
            "filter ispresent(status) | stats count() by bin(5m) | sort bin(5m) asc",
            [
                {"bin(5m)": "2026-11-29 08:00:00.000", "count()": "2"},
                {"bin(5m)": "2026-11-29 08:05:00.000", "count()": "1"},
            ],
        ),
        (
            "stats avg(latency), min(latency), latest(status) as last",
            [{"avg(latency)": "46.3333", "min(latency)": "7", "last": "404"}],
        ),
        ("# a comment\nstats count_distinct(route) as n, pct(latency, 50) as half", [{"n": "1", "half": "12"}]),
        (
            'parse @message "GET * * - *" as path, code, how | filter how = "fast" | display path, code',
            [{"path": "/pets", "code": "200"}],
        ),
        (
            "fields coalesce(how, route, status) as x | filter x != 404 | sort x desc",
            [{"x": "/pets"}, {"x": "/pets"}, {}],
        ),
        ("fields (latency - 2) * 10 as tens | filter status = 200", [{"tens": "100"}]),
    ],
)  # fmt: skip
def test_rows_of_a_query(written: Sandbox, query: str, expected: list[dict[str, str]]) -> None:
    assert rows(written, query) == expected


def test_query_without_fields_shows_time_and_message(written: Sandbox) -> None:
    [row] = rows(written, "filter status = 404")
    assert row == {"@timestamp": "2026-11-29 08:05:00.000", "@message": json.dumps(LINES[2])}


@pytest.mark.parametrize(
    "query",
    ["filter status >=", "fields status |", "filter (status = 1", "sort status", "limit many", "fields 'x", "diff"],
)
def test_query_that_cannot_be_evaluated_is_refused(written: Sandbox, query: str) -> None:
    start = client(written, "logs").start_query
    code, _ = refusal(lambda: start(logGroupName="/g", startTime=0, endTime=1, queryString=query))
    assert code == "MalformedQueryException"
