"""Exemptions of stages by their tags, with an end and a reason."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime, timedelta

import pytest

from log_keeper.policy.evaluation import Facts, evaluate
from log_keeper.policy.exemption import Exemption, read_exemption
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.results import Outcome, Result
from testing.builders import POLICY, rest_stage

FACTS = Facts({})
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KEEPS_OUT = replace(POLICY, exempt_tag_key="hands-off")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, Exemption(is_valid=False)),
        ({"hands-off-until": "2027-01-31"}, Exemption(is_valid=False)),
        ({"hands-off": ""}, Exemption(is_valid=True)),
        ({"hands-off": "x", "hands-off-reason": " load test "}, Exemption(is_valid=True, reason="load test")),
        ({"hands-off": "x", "hands-off-until": "2026-11-28"}, Exemption(is_valid=False)),
        (
            {"hands-off": "x", "hands-off-until": "2027-01-31"},
            Exemption(is_valid=True, until=datetime(2027, 2, 1, tzinfo=UTC)),
        ),
        (
            {"hands-off": "x", "hands-off-until": "9999-12-31"},
            Exemption(is_valid=True, until=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ),
        (
            {"hands-off": "x", "hands-off-until": "2026-12-05"},
            Exemption(is_valid=True, until=datetime(2026, 12, 6, tzinfo=UTC), ends_soon=True),
        ),
        (
            {"hands-off": "x", "hands-off-until": "next week"},
            Exemption(is_valid=False, unreadable_tag="hands-off-until"),
        ),
    ],
)
def test_tags_give_the_end_and_the_reason(tags: dict[str, str], expected: Exemption) -> None:
    assert read_exemption(tags, KEEPS_OUT, NOW) == expected


def test_without_the_parameter_no_stage_is_exempt() -> None:
    assert not read_exemption({"None": "x", "hands-off": "x", "": ""}, POLICY, NOW).is_valid


def test_exemption_ends_in_the_second_of_its_end() -> None:
    tags = {"hands-off": "x", "hands-off-until": "2026-11-29T12:00:00Z"}
    assert not read_exemption(tags, KEEPS_OUT, NOW).is_valid
    assert read_exemption(tags, KEEPS_OUT, NOW - timedelta(seconds=1)).is_valid


def test_end_within_seven_days_is_a_finding() -> None:
    stage = rest_stage(tags={"hands-off": "x", "hands-off-until": "2026-12-01T00:00:00Z", "hands-off-reason": "test"})
    found = evaluate(stage, KEEPS_OUT, FACTS, NOW)
    assert Finding(Problem.EXEMPTION_ENDS, "2026-12-01T00:00:00+00:00") in found.findings
    result = Result.evaluated(found)
    assert result.outcome is Outcome.EXEMPT
    assert result.to_dict()["exemption"] == {"until": "2026-12-01T00:00:00+00:00", "reason": "test"}


def test_unreadable_end_is_a_finding_and_the_stage_is_not_exempt() -> None:
    stage = rest_stage(tags={"hands-off": "x", "hands-off-until": "soon"})
    found = evaluate(stage, KEEPS_OUT, FACTS, NOW)
    assert Finding(Problem.UNREADABLE_TAG, "hands-off-until") in found.findings
    assert Result.evaluated(found).outcome is not Outcome.EXEMPT
    assert Result.evaluated(found).to_dict()["exemption"] is None


def test_owner_is_named_by_the_tag_or_is_the_stack() -> None:
    tags = {"aws:cloudformation:stack-name": "shop", "team": "payments"}
    policy = replace(POLICY, owner_tag_key="team")
    assert evaluate(rest_stage(tags=tags), policy, FACTS, NOW).owner == "payments"
    assert evaluate(rest_stage(tags=tags | {"team": " "}), policy, FACTS, NOW).owner == "shop"
    assert evaluate(rest_stage(tags=tags), POLICY, FACTS, NOW).owner == "shop"
    assert evaluate(rest_stage(), policy, FACTS, NOW).owner is None
