"""Many changes in one account of an organization: the other accounts do not wait. In simulated time.

The small form of the benchmark: ``make bench ARGS=organization`` has 50 accounts and 2,000 changes.
"""

from __future__ import annotations

import pytest

from benchmarks.fairness import Fairness, measure
from benchmarks.organization_functions import ENFORCE, RATE
from benchmarks.organization_sweep import measure as sweep

ACCOUNTS, CHANGES = 12, 150


@pytest.fixture(scope="module")
def found() -> Fairness:
    return measure(ACCOUNTS, CHANGES)


def test_each_stage_is_made_compliant_once_and_no_message_is_lost(found: Fairness) -> None:
    assert len(found.busy) == CHANGES
    assert len(found.at_once + found.meanwhile) == ACCOUNTS - 1
    assert (found.dead_letters, found.failed) == (0, 0)
    # A read and a write of each stage; each environment reads the log role of the region.
    assert found.calls <= 2 * CHANGES + 2 * ENFORCE.environments


def test_other_accounts_are_compliant_within_seconds(found: Fairness) -> None:
    assert found.at_once[-1] <= ENFORCE.delay + 10
    assert found.meanwhile[-1] <= ENFORCE.delay + 5


def test_busy_account_takes_the_time_that_its_rate_allows(found: Fairness) -> None:
    assert found.busy[-1] <= 1.1 * found.limit


def test_no_account_exceeds_its_rate_after_the_burst(found: Fairness) -> None:
    assert found.most[10] <= 10 * RATE * 1.1
    assert found.above_quota == 0


def test_message_is_postponed_once_and_ten_are_put_back_in_one_call(found: Fairness) -> None:
    assert found.sends == found.postponed
    assert found.send_calls <= found.sends / 10 + 2 * ENFORCE.environments


def test_sweep_makes_no_more_calls_of_api_gateway_than_its_minimum_and_keeps_the_rate() -> None:
    swept = sweep(3, lambda _: None)
    assert swept.of_api_gateway == swept.works * (3 + swept.size.apis)
    assert swept.most <= RATE
    assert swept.seconds <= swept.limit_of_one + 10
    assert (swept.failed, swept.dead_letters) == (0, 0)
