"""Calls of CloudWatch Logs at the same time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from handlers import enforce
from handlers.runtime import Time
from log_keeper.aws.clients import Clients
from log_keeper.aws.parallel import THREADS, Parallel
from testing.builders import settings_with


def test_functions_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    assert sorted(Parallel(2).run([both.wait, both.wait])) == [0, 1]


def test_answers_are_in_the_order_of_the_functions() -> None:
    second_ran = threading.Event()

    def first() -> str:
        assert second_ran.wait(10)
        return "first"

    def second() -> str:
        second_ran.set()
        return "second"

    assert Parallel(2).run([first, second]) == ["first", "second"]


def test_first_error_is_raised_after_all_have_ended() -> None:
    ended: list[str] = []

    def fail() -> None:
        raise ValueError("first")

    def end() -> None:
        ended.append("last")

    with pytest.raises(ValueError, match="first"):
        Parallel(2).run([fail, end])
    assert ended == ["last"]


def test_without_threads_functions_run_in_the_callers_thread() -> None:
    here = threading.current_thread()
    assert Parallel(0).run([threading.current_thread] * 3) == [here] * 3


@pytest.mark.parametrize(
    ("time", "threads"), [(None, THREADS), (Time(), 0)], ids=["deployed", "with a clock of the tests"]
)
def test_handler_has_threads_unless_time_is_simulated(
    monkeypatch: pytest.MonkeyPatch, time: Time | None, threads: int
) -> None:
    found: list[int] = []

    def new_clients(*arguments: Any, threads: int, **named: Any) -> Clients:
        found.append(threads)
        return Clients(*arguments, threads=threads, **named)

    monkeypatch.setattr(enforce, "Clients", new_clients)
    enforce.EnforceHandler(settings_with(), time=time)
    assert found == [threads]
