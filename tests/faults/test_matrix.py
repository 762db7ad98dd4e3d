"""Every fault at every call of the program: generated from what the program calls where nothing goes wrong.

In ``make test`` every fourth call meets one of the faults or one of the meddlers, in turn; ``make faults`` runs all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import pytest

from sandbox.core.faults import Fault, FaultType, can_meet
from testing.accounts import make_rest_stage
from testing.fault_cells import IS_WHOLE, parametrize
from testing.interference import INTERFERENCES, Interference
from testing.scenarios import SCENARIOS, Scenario
from testing.unrelated_state import unrelated_state
from testing.world import World, world

#: The number of cells of each test in ``make test``.
PART = {"fault": 21, "meddling": 20}


class Cell(NamedTuple):
    """One test: a scenario, the call at which it happens, what happens, and how often (None: until it is repaired)."""

    scenario: Scenario
    service: str
    operation: str
    what: str
    times: int | None

    @property
    def name(self) -> str:
        times = "" if self.times else ", until mended"
        return f"{self.scenario.name}-{self.service}:{self.operation}-{self.what}{times}"


@cache
def calls() -> tuple[tuple[Scenario, str, str], ...]:
    """Each operation that the program calls in each scenario, where nothing goes wrong."""
    found: dict[tuple[Scenario, str, str], None] = {}
    for scenario in SCENARIOS:
        with world(policy=scenario.policy) as here:
            is_compliant = scenario.prepare(here)
            prepared = len(here.sandbox.calls)
            here.settle()
            assert is_compliant(), f"{scenario.name} does not even go well where nothing goes wrong"
            found |= {(scenario, made.call.service, made.call.operation): None for made in here.calls(prepared)}
    return tuple(found)


@cache
def cells(test: str) -> list[Cell]:
    """Return all cells of a test. In ``make test`` every eighth call meets one fault or meddler, in turn."""
    whats: list[tuple[str, int | None]]
    if test == "fault":
        whats, first = [(kind.value, times) for times in (1, None) for kind in FaultType], 0
    else:
        whats, first = [(name, 1) for name in INTERFERENCES], 4
    made = []
    for number, (scenario, service, operation) in enumerate(calls() if IS_WHOLE else calls()[first::8]):
        fit = [what for what in whats if what[0] not in FaultType or can_meet(FaultType(what[0]), service)]
        if not IS_WHOLE:
            fit = [fit[number % len(fit)]]
        made += [Cell(scenario, service, operation, *what) for what in fit]
    return made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for test in PART.keys() & metafunc.fixturenames:
        parametrize(metafunc, test, partial(cells, test), PART[test])


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Cell:
    return cells("fault")[request.param]


@pytest.fixture
def meddling(request: pytest.FixtureRequest) -> Cell:
    return cells("meddling")[request.param]


@pytest.mark.skipif(IS_WHOLE, reason="counts the part of make test")
def test_part_has_all_its_cells() -> None:
    assert {test: len(cells(test)) for test in PART} == PART


def begun(here: World, scenario: Scenario) -> tuple[Callable[[], bool], dict[str, object]]:
    """The scenario is prepared beside a stage that nobody asked for; gives its check and what must stay."""
    make_rest_stage(here.sandbox, "untouched")
    is_compliant = scenario.prepare(here)
    return is_compliant, unrelated_state(here.sandbox)


def test_fault_at_a_call(fault: Cell) -> None:
    """The stage is compliant in the end, or the message is kept and has its effect once the fault is repaired."""
    with world(policy=fault.scenario.policy) as here:
        is_compliant, before = begun(here, fault.scenario)
        here.sandbox.faults.add(Fault(FaultType(fault.what), fault.service, fault.operation, fault.times))
        here.settle()
        assert here.sandbox.faults.met
        assert here.enforce.cut_off == 0
        if fault.times is not None:
            # One fault is never the end of it: boto3, the program or the queue tries again.
            assert here.dead_letters() == 0
            assert is_compliant()
        else:
            assert is_compliant() or here.dead_letters() > 0
            assert unrelated_state(here.sandbox) == before
            here.sandbox.faults.lift()
            here.redrive()
            here.settle()
            assert here.dead_letters() == 0
            assert is_compliant()
        assert unrelated_state(here.sandbox) == before


def test_meddling_at_a_call(meddling: Cell) -> None:
    """Others change the account between one call of the program and the next."""
    act, leaves_stages = INTERFERENCES[meddling.what]
    with world(policy=meddling.scenario.policy) as here:
        is_compliant, _ = begun(here, meddling.scenario)
        meddler = Interference(here.program, meddling.service, meddling.operation, act)
        here.sandbox.interposers.insert(0, meddler.interpose)
        here.settle()
        assert meddler.has_acted
        assert here.dead_letters() == 0
        # What was deleted behind the program's back comes up again by a record of its own, or at the next sweep.
        here.begin_sweep()
        here.settle()
        assert here.dead_letters() == 0
        if leaves_stages:
            assert is_compliant()
