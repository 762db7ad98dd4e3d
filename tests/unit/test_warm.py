"""The benchmark of a warm function measures the functions that the handler calls: a function that moves fails here."""

from __future__ import annotations

import contextlib
from unittest import mock

import pytest

from benchmarks import warm
from benchmarks.instant_aws import CASES, Aws, Case


def test_each_measured_function_is_called_in_some_case() -> None:
    called: set[tuple[object, str]] = set()
    watched = {one for functions in warm.functions_of_parts().values() for one in functions}
    for case in CASES:
        with contextlib.ExitStack() as stack:
            calls = {
                (owner, name): stack.enter_context(mock.patch.object(owner, name, autospec=True, side_effect=real))
                for owner, name in watched
                for real in [getattr(owner, name)]
            }
            aws = Aws(case)
            warm.handler(aws, aws.session(), messages=1)()
        called |= {one for one, call in calls.items() if call.called}
    assert watched - called == set()


@pytest.mark.parametrize(
    ("case", "calls"), [(CASES[0], 2), (CASES[-1], 9)], ids=lambda value: getattr(value, "name", "")
)
def test_parts_of_the_time_are_the_whole_time(case: Case, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "ROUNDS", 1)
    monkeypatch.setattr(warm, "BATCHES", 1)
    measured = warm.measure(case)
    assert measured.parts.keys() == {*warm.functions_of_parts(), "batch and the rest"}
    assert sum(part.median for part in measured.parts.values()) == pytest.approx(100)
    assert measured.calls == calls
