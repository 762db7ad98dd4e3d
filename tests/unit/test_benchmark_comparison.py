"""What ``make bench`` says about figures that got worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.__main__ import ALL, compared
from benchmarks.comparison import worse
from benchmarks.results import FOLDER, Result, load

RESULT = Result("calls", "Calls", ["case", "state", "calls", "time, s"], [["20 REST", "new", 42, "1.4 (1.2-1.8)"]])


def after(*cells: str | float) -> Result:
    return replace(RESULT, rows=[["20 REST", "new", *cells]])


@pytest.mark.parametrize(
    ("calls", "time", "expected"),
    [
        (42, "1.7 (1.3-1.9)", []),
        (41, "1 (0.9-1.1)", []),
        (43, "1.4 (1.2-1.8)", ["Calls, 20 REST, new: calls 42 -> 43"]),
        (42, "2.1 (1.9-2.5)", ["Calls, 20 REST, new: time, s 1.4 (1.2-1.8) -> 2.1 (1.9-2.5)"]),
        (42, "", []),
    ],
)
def test_counts_are_compared_exactly_and_times_by_their_spread(calls: int, time: str, expected: list[str]) -> None:
    assert worse(RESULT, after(calls, time)) == expected


@pytest.mark.parametrize(("now", "is_worse"), [(1.09, False), (1.2, True), (0.5, False)])
def test_single_measurement_is_worse_if_it_grew_by_more_than_noise(now: float, is_worse: bool) -> None:
    assert bool(worse(after(42, 1.0), after(42, now))) is is_worse


@pytest.mark.parametrize(
    ("column", "cells", "is_worse"),
    [
        ("stages with required logging, after", (20, 19), True),
        ("stages with required logging, after", (19, 20), False),
        ("events per second", (1000, 990), False),
        ("events per second", (1000, 800), True),
        ("its minimum", (42, 43), False),
    ],
)
def test_direction_of_a_column(column: str, cells: tuple[int, int], is_worse: bool) -> None:
    old, new = (Result("x", "X", ["case", column], [["20 REST", cell]]) for cell in cells)
    assert bool(worse(old, new)) is is_worse


def test_new_rows_and_columns_are_left_out() -> None:
    assert worse(RESULT, replace(RESULT, rows=[["200 REST", "new", 99, "9"]])) == []
    assert worse(RESULT, replace(RESULT, columns=["case", "state", "other", "time, s"])) == []
    assert worse(RESULT, after(42, "1.4", 7)) == []


@pytest.mark.parametrize("name", ALL)
def test_recorded_results_are_not_worse_than_themselves(name: str) -> None:
    assert (FOLDER / f"{name}.json").exists()
    assert compared([(load(name), load(name))]) == ["No figure is worse than the last recorded one, beyond the spread."]
