"""Many changes in one account of an organization: the other accounts do not wait. In simulated time.

The small form of the benchmark: ``make bench ARGS=organization`` has 50 accounts and 2,000 changes.
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.fairness import Fairness, measure
from benchmarks.organization_aws import Size
from benchmarks.organization_functions import ENFORCE, RATE, hub, most_calls
from benchmarks.organization_sweep import measure as sweep
from testing.builders import ACCOUNT, REGION

ACCOUNTS, CHANGES = 12, 150
#: Of which no stage is compliant: each account has 30 stages in 3 APIs.
FIRST = Size(4, (REGION,), rest_apis=2, http_apis=1, stages=10)


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


def test_first_sweep_of_an_organization_writes_each_stage_once_and_seldom_reads_it_twice() -> None:
    with hub(FIRST, are_compliant=False) as here:
        here.begin_sweep()
        sweeps, enforces = [here.sweep() for _ in range(2)], [here.enforce() for _ in range(ENFORCE.environments)]
        for environment in sweeps + enforces:
            here.time.start(environment.live)
        here.time.run(lambda: here.sweep_queue.is_empty and here.stage_queue.is_empty, limit=3_600)
        times = [made for (account_id, _), made in here.aws.times.items() if account_id != ACCOUNT]
        counts = Counter[str]()
        for made, count in here.aws.calls.items():
            if made.account != ACCOUNT:
                counts[made.operation] += count
    stages = FIRST.accounts * FIRST.apis * FIRST.stages
    assert counts["UpdateStage"] == len([key for key in here.aws.updated if key[0] != ACCOUNT]) == stages
    # One read of each API by the sweep. A message that waits for the turn of its account makes the function read the
    # stages again. A message for each stage would lead to one read of each stage.
    assert counts["GetStages"] + counts["GetStage"] <= FIRST.accounts * FIRST.apis + stages / 6
    assert max(most_calls(made, 10) for made in times) <= 10 * RATE
    assert not here.stage_queue.dead_letters
    assert not [error for environment in sweeps + enforces for error in environment.errors]
