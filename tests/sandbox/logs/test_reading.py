"""FilterLogEvents returns pages by time, which can be empty, and reads log groups of the Standard class alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.execution_logs import put_lines

NOW = datetime.now(UTC).replace(microsecond=0)


def pages(sandbox: Sandbox, **request: Any) -> list[list[str]]:
    """Return the messages of each page."""
    found = client(sandbox, "logs").get_paginator("filter_log_events").paginate(logGroupName="/g", **request)
    return [[event["message"] for event in page["events"]] for page in found]


@pytest.fixture
def written(sandbox: Sandbox) -> Sandbox:
    """Write five lines to two streams of a log group; the second and the third have the same time."""
    put_lines(sandbox, "/g", [(NOW, "one"), (NOW + timedelta(seconds=1), "two")], "a")
    put_lines(
        sandbox, "/g", [(NOW + timedelta(seconds=second), text) for second, text in ((1, "three"), (2, "four"))], "b"
    )
    return sandbox


def test_pages_are_in_the_order_of_time_whatever_the_stream(written: Sandbox) -> None:
    assert pages(written) == [["one", "two", "three", "four"]]
    assert pages(written, PaginationConfig={"PageSize": 3}) == [["one", "two", "three"], ["four"]]
    assert pages(written, startFromHead=False, PaginationConfig={"PageSize": 1})[0] == ["four"]


def test_page_of_a_filter_can_be_empty_before_the_last(written: Sandbox) -> None:
    assert pages(written, filterPattern='"our"') == [[], ["four"]]


def test_page_has_at_most_one_megabyte(sandbox: Sandbox) -> None:
    put_lines(sandbox, "/g", [(NOW, "x" * 600_000), (NOW, "y" * 600_000), (NOW, "z")])
    assert [[text[0] for text in page] for page in pages(sandbox)] == [["x"], ["y", "z"]]


def test_log_group_of_another_class_is_refused(sandbox: Sandbox) -> None:
    client(sandbox, "logs").create_log_group(logGroupName="/g", logGroupClass="INFREQUENT_ACCESS")
    code, text = refusal(lambda: client(sandbox, "logs").filter_log_events(logGroupName="/g"))
    assert code == "InvalidOperationException"
    assert text == (
        "The log group /g is of log-group-class INFREQUENT_ACCESS. FilterLogEvents is not supported for this log class."
    )
