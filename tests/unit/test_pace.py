"""Calls are spread over time; unused time is kept up to a burst."""

from __future__ import annotations

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from testing.clocks import Clock


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


def test_throttled_call_halves_the_rate_and_time_gives_it_back() -> None:
    clock = Clock()
    pace = Pace(4, burst=8, clock=clock, sleep=clock.sleep)
    pace.throttled()
    made = times(pace, clock, 3)
    assert made[0] == pytest.approx(0.5)  # none of the burst is left
    assert made[2] - made[1] == pytest.approx(0.5, rel=0.05)
    clock.now = 50.0
    assert pace.seconds(4) == 1.0


def test_calls_that_are_throttled_at_one_moment_count_once() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        pace.throttled()
    assert pace.seconds(1) == pytest.approx(0.5)


def test_rate_is_never_less_than_an_eighth() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    for _ in range(10):
        pace.throttled()
        clock.now += 1
    pace.throttled()
    assert pace.seconds(1) == pytest.approx(2.0)


def test_throttled_call_of_a_client_slows_its_region_and_account_down_only() -> None:
    with Sandbox() as sandbox:
        paces: list[Pace] = []

        def new_pace() -> Pace:
            paces.append(Pace(1000))
            return paces[-1]

        clients = Clients(new_pace, sandbox.session())
        here, there = clients.pace("us-east-1"), clients.pace("eu-west-1")
        clients.apigateway("us-east-1").get_rest_apis()
        assert here.seconds(1) == there.seconds(1) == 0.001
        throttles = [True]

        def throttle(_: Account, call: Call) -> None:
            if call.operation == "GetRestApis" and throttles:
                throttles.pop()
                raise AwsError("TooManyRequestsException", "Too Many Requests", 429)

        sandbox.hooks.append(throttle)
        clients.apigateway("us-east-1").get_rest_apis()
        assert not throttles
        assert here.seconds(1) > 0.0015
        assert there.seconds(1) == 0.001
