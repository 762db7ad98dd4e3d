"""Calls are spread; what was not used of the time is kept up to a burst."""

from __future__ import annotations

import pytest

from log_keeper.aws.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def times(pace: Pace, clock: Clock, calls: int) -> list[float]:
    made = []
    for _ in range(calls):
        pace.take()
        made.append(clock.now)
    return made


def test_calls_are_spread_evenly() -> None:
    clock = Clock()
    assert times(Pace(4, clock=clock, sleep=clock.sleep), clock, 4) == [0, 0.25, 0.5, 0.75]


def test_pause_is_not_made_up_for_without_a_burst() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    pace.take()
    clock.now = 100
    assert times(pace, clock, 3) == [100, 100.25, 100.5]


def test_burst_goes_at_once_and_comes_back_with_time() -> None:
    clock = Clock()
    pace = Pace(2, burst=3, clock=clock, sleep=clock.sleep)
    assert times(pace, clock, 5) == [0, 0, 0, 0, 0.5]
    clock.now += 1.0  # what two calls take, one of which was made already
    assert times(pace, clock, 3) == [1.5, 1.5, 2.0]


def test_several_calls_are_paid_for_by_the_next() -> None:
    clock = Clock()
    pace = Pace(2, clock=clock, sleep=clock.sleep)
    pace.take(4)
    pace.take()
    assert clock.now == 2.0


def test_pace_that_may_not_wait_is_not_taken() -> None:
    def refuse(seconds: float) -> None:
        raise TimeoutError(seconds)

    clock = Clock()
    pace = Pace(1, clock=clock, sleep=refuse)
    pace.take()
    with pytest.raises(TimeoutError):
        pace.take()
    clock.now = 1.0
    pace.take()
