"""Many changes in one account of an organization: the other accounts do not wait. In simulated time.

The small form of the benchmark: ``make bench ARGS=organization`` has 50 accounts and 2,000 changes.
"""

from __future__ import annotations

import pytest

from benchmarks.fairness import Fairness, measure
from benchmarks.organization_functions import ENFORCE

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
    assert found.at_once[-1] <= ENFORCE.delay + 15
    assert found.meanwhile[-1] <= ENFORCE.delay + 15


def test_busy_account_never_exceeds_the_quota(found: Fairness) -> None:
    assert found.above_quota == 0
    assert found.busy[-1] <= 2.5 * found.limit
