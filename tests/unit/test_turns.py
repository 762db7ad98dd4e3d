"""Turns of messages about accounts whose calls must wait."""

from __future__ import annotations

import pytest

from log_keeper.aws.pace import Pace
from log_keeper.turns import Turns
from testing.clocks import Clock

BUSY, OTHER = "111111111111", "222222222222"
REGION = "us-east-1"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(clock)


@pytest.fixture
def pace(clock: Clock) -> Pace:
    """Return a pace of one call a second with a burst of four: two messages, and then one every two seconds."""
    return Pace(1, burst=4, clock=clock, sleep=clock.sleep)


def given(turns: Turns, pace: Pace, messages: int) -> list[float]:
    """Return the turns that so many new messages get, without those that are processed now."""
    found = []
    for _ in range(messages):
        turn = turns.postponed_until(BUSY, REGION, pace, 2, None)
        if turn is None:
            pace.take(2)
        else:
            found.append(turn)
    return found


def test_messages_after_a_burst_have_turns_at_the_rate_of_the_account(turns: Turns, pace: Pace, clock: Clock) -> None:
    start = clock.now
    first, *rest = given(turns, pace, 7)
    assert start < first <= start + 4
    assert rest == pytest.approx([first + 2 * number for number in range(1, 5)])


def test_message_of_another_account_is_processed_at_once(turns: Turns, pace: Pace, clock: Clock) -> None:
    given(turns, pace, 20)
    assert turns.postponed_until(OTHER, REGION, Pace(1, burst=4, clock=clock), 2, None) is None


def test_new_message_waits_behind_those_that_wait_although_the_pace_is_free(
    turns: Turns, pace: Pace, clock: Clock
) -> None:
    *_, last = given(turns, pace, 20)
    clock.now += 10
    assert pace.wait(2) == 0
    assert turns.postponed_until(BUSY, REGION, pace, 2, None) == pytest.approx(last + 2)


def test_message_whose_turn_has_come_does_not_wait_although_the_pace_is_used_up(
    turns: Turns, pace: Pace, clock: Clock
) -> None:
    pace.take(4)
    assert turns.postponed_until(BUSY, REGION, pace, 2, clock.now - 1) is None
    before = clock.now
    pace.take()
    pace.take()
    assert clock.now == before
    pace.take()
    assert clock.now > before


def test_turn_that_is_not_used_ends_with_the_next_message(turns: Turns, pace: Pace, clock: Clock) -> None:
    pace.take(5)
    assert turns.postponed_until(BUSY, REGION, pace, 2, clock.now) is None
    assert turns.postponed_until(BUSY, REGION, pace, 2, None) is not None
    before = clock.now
    pace.take()
    assert clock.now > before


def test_turn_that_is_farther_away_than_the_longest_delay_is_kept(turns: Turns, pace: Pace, clock: Clock) -> None:
    assert turns.postponed_until(BUSY, REGION, pace, 2, clock.now + 2_000) == clock.now + 2_000


def test_messages_that_missed_their_turns_do_not_call_all_at_once(turns: Turns, pace: Pace, clock: Clock) -> None:
    late = clock.now - 60
    pace.take(4)
    first = turns.postponed_until(BUSY, REGION, pace, 2, late)
    second = turns.postponed_until(BUSY, REGION, pace, 2, late)
    assert first is not None
    assert second == pytest.approx(first + 2)


def test_message_that_missed_its_turn_is_processed_if_the_account_has_calls_free(
    turns: Turns, pace: Pace, clock: Clock
) -> None:
    given(turns, pace, 20)
    clock.now += 20
    assert turns.postponed_until(BUSY, REGION, pace, 2, clock.now - 10) is None
