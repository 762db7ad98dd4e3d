"""What is published on the event bus about a stage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from log_keeper.aws.event_bus import EventsLostError, put_events
from log_keeper.events.hints import Cause
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.results import Outcome, Result
from log_keeper.stages import Account
from testing.builders import DEPLOYMENT, REF

ACCOUNT = DEPLOYMENT.account
CAUSE = Cause("UpdateStage", None, None)


class Client:
    """A client of EventBridge that accepts all entries except the one with the detail ``lost``."""

    def __init__(self, lost: str = "") -> None:
        self.calls: list[list[str]] = []
        self.stages: list[dict[str, str]] = []
        self._lost = lost

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - EventBridge's own name
        routes = [json.loads(entry["Detail"])["detail"] for entry in Entries]
        self.calls.append(routes)
        self.stages += [json.loads(entry["Detail"])["stage"] for entry in Entries]
        answers = [{"ErrorCode": "InternalFailure"} if route == self._lost else {"EventId": "1"} for route in routes]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


def found(count: int) -> Result:
    """Return a result with so many findings."""
    findings = tuple(Finding(Problem.STALE_ROUTE, f"route{number}") for number in range(count))
    return Result(REF, Outcome.COMPLIANT, findings=findings)


def test_every_finding_is_published_ten_in_a_call() -> None:
    client = Client()
    put_events(lambda: client, ACCOUNT, found(23), CAUSE)  # type: ignore[arg-type, return-value]
    assert [len(call) for call in client.calls] == [10, 10, 3]
    assert [route for call in client.calls for route in call] == [f"route{number}" for number in range(23)]


def test_all_other_findings_are_published_if_one_is_lost() -> None:
    client = Client(lost="route3")
    with pytest.raises(EventsLostError, match="1 of 23"):
        put_events(lambda: client, ACCOUNT, found(23), CAUSE)  # type: ignore[arg-type, return-value]
    assert len(client.calls) == 3


def test_result_without_changes_and_findings_takes_no_call() -> None:
    def no_client() -> Any:
        raise AssertionError

    put_events(no_client, ACCOUNT, found(0), CAUSE)


def test_event_has_the_account_with_its_name_and_unit() -> None:
    client = Client()
    account = Account("111111111111", "aws", "payments", "ou-ab12-11111111")
    put_events(lambda: client, account, found(1), CAUSE)  # type: ignore[arg-type, return-value]
    [stage] = client.stages
    assert (stage["accountId"], stage["accountName"], stage["organizationalUnitId"]) == (
        "111111111111", "payments", "ou-ab12-11111111",
    )  # fmt: skip
