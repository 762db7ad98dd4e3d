"""The sweep that is compared with Cloud Custodian's runs, and does what the comparison says of it."""

from __future__ import annotations

from benchmarks.custodian import minimum
from benchmarks.custodian_account import account, count_logging, run_ours


def test_sweep_of_the_comparison_remediates_every_stage_with_the_minimum_of_calls() -> None:
    with account(2, 1, 1) as there:
        non_compliant, remediated = run_ours(there), there.ask(count_logging)
        compliant = run_ours(there)
    assert remediated == 4
    assert non_compliant.calls["API Gateway"] == minimum(2, 2, 4)
    assert compliant.calls["API Gateway"] == minimum(2, 2, 0)


def test_environments_that_run_at_the_same_time_remediate_every_stage_of_a_slow_account() -> None:
    with account(3, latency=0.01) as there:
        run_ours(there, environments=2)
        assert there.ask(count_logging) == 3
