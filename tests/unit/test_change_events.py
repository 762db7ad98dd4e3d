"""What other programs hear of a stage, whatever there is to tell of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from log_keeper.aws.event_bus import EventsLostError, put_events
from log_keeper.events.hints import Cause
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.results import Outcome, Result
from testing.builders import REF

CAUSE = Cause("UpdateStage", None, None)


class Client:
    """EventBridge's, which takes all entries but those whose route it is told."""

    def __init__(self, lost: str = "") -> None:
        self.calls: list[list[str]] = []
        self._lost = lost

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - EventBridge's own name
        routes = [json.loads(entry["Detail"])["detail"] for entry in Entries]
        self.calls.append(routes)
        answers = [{"ErrorCode": "InternalFailure"} if route == self._lost else {"EventId": "1"} for route in routes]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


def found(count: int) -> Result:
    findings = tuple(Finding(Problem.STALE_ROUTE, f"route{number}") for number in range(count))
    return Result(REF, Outcome.COMPLIANT, findings=findings)


def test_every_finding_is_told_ten_in_a_call() -> None:
    client = Client()
    put_events(lambda: client, found(23), CAUSE)  # type: ignore[arg-type, return-value]
    assert [len(call) for call in client.calls] == [10, 10, 3]
    assert [route for call in client.calls for route in call] == [f"route{number}" for number in range(23)]


def test_one_that_is_lost_keeps_no_other_from_being_told() -> None:
    client = Client(lost="route3")
    with pytest.raises(EventsLostError, match="1 of 23"):
        put_events(lambda: client, found(23), CAUSE)  # type: ignore[arg-type, return-value]
    assert len(client.calls) == 3


def test_nobody_is_called_where_there_is_nothing_to_tell() -> None:
    def no_client() -> Any:
        raise AssertionError

    put_events(no_client, found(0), CAUSE)
