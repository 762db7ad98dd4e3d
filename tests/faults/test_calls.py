"""Log Keeper makes as few AWS calls as possible in each case: the exact part of ``make bench``."""

from __future__ import annotations

import pytest

from benchmarks import calls


@pytest.fixture(scope="module")
def rows() -> dict[str, calls.Row]:
    return {row.name: row for row in calls.rows(is_short=True)}


def test_api_gateway_is_called_no_more_than_the_minimum(rows: dict[str, calls.Row]) -> None:
    assert {name: row.stages for name, row in rows.items()} == {name: row.minimum for name, row in rows.items()}


def test_account_settings_are_read_once_a_sweep_and_not_for_each_stage(rows: dict[str, calls.Row]) -> None:
    """Each environment of the Enforce function reads them too; one had read them before, and the other is new."""
    reads = {name: row.account for name, row in rows.items() if row.account}
    assert reads.pop("new REST stage, no log role in the account") == 2
    of_sweeps = {"0%": 1, "10%": 1, "100%": 2}
    assert reads == {f"sweep of 4 APIs x 5 stages, {share} non-compliant": count for share, count in of_sweeps.items()}


def test_compliant_stage_takes_one_call_of_logs_and_none_of_others(rows: dict[str, calls.Row]) -> None:
    """Of an HTTP API one more: may access logs be delivered to the log group?"""
    names = ("compliant REST stage", "compliant WebSocket stage, API known", "compliant HTTP stage, API known")
    found = [rows[name] for name in names]
    assert [(row.logs, row.iam, row.others) for row in found] == [(1, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_log_groups_of_a_sweep_are_read_together(rows: dict[str, calls.Row]) -> None:
    """And the deliveries of their execution logs are read once."""
    assert rows["sweep of 4 APIs x 5 stages, 0% non-compliant"].logs == 1 + 1
