"""Calls are spread over time; unused time is kept up to a burst."""

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


def test_unused_time_is_lost_without_a_burst() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    pace.take()
    clock.now = 100
    assert times(pace, clock, 3) == [100, 100.25, 100.5]


def test_burst_is_available_at_once_and_recovers_with_time() -> None:
    clock = Clock()
    pace = Pace(2, burst=3, clock=clock, sleep=clock.sleep)
    assert times(pace, clock, 5) == [0, 0, 0, 0.5, 1]
    clock.now += 1.0  # the time of two calls, one of which was made already
    assert times(pace, clock, 3) == [2.0, 2.0, 2.5]


def test_call_after_several_taken_at_once_waits_for_all_of_them() -> None:
    clock = Clock()
    pace = Pace(2, clock=clock, sleep=clock.sleep)
    pace.take(4)
    pace.take()
    assert clock.now == 2.0


def test_refused_wait_takes_no_call() -> None:
    def refuse(seconds: float) -> None:
        raise TimeoutError(seconds)

    clock = Clock()
    pace = Pace(1, clock=clock, sleep=refuse)
    pace.take()
    with pytest.raises(TimeoutError):
        pace.take()
    clock.now = 1.0
    pace.take()
