"""Every fault at the calls that only an organization causes, and at those of API Gateway in a member account.

In ``make test`` each call meets one of the faults, in turn; ``make faults`` runs them all.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest

from sandbox.core.account import Account
from sandbox.core.call import Caller
from sandbox.core.faults import Fault, FaultType, can_meet
from testing.accounts import make_rest_stage
from testing.builders import updated
from testing.fault_cells import IS_WHOLE, parametrize
from testing.organization_world import MEMBER, MEMBER_SCENARIOS, has_logs, organization_world
from testing.unrelated_state import unrelated_state
from testing.world import World

#: The number of cells of ``make test``.
PART = 9
#: Calls that each account without an organization makes too: the other matrix has them.
ALONE = ("apigatewayv2", "cloudtrail", "events", "iam", "logs")


class Cell(NamedTuple):
    """One test: a scenario, the account and call where it happens, what happens, how often (None: until lifted)."""

    scenario: str
    is_in_member: bool
    service: str
    operation: str
    kind: FaultType
    times: int | None

    @property
    def name(self) -> str:
        where = "member" if self.is_in_member else "hub"
        times = "" if self.times else ", until lifted"
        return f"{self.scenario}-{where}-{self.service}:{self.operation}-{self.kind}{times}"


@cache
def calls() -> tuple[tuple[str, bool, str, str], ...]:
    """Each operation that the program calls in each scenario, where nothing goes wrong, and whether in the member."""
    found: dict[tuple[str, bool, str, str], None] = {}
    for name, prepare in MEMBER_SCENARIOS.items():
        with organization_world(is_enforced=True) as (here, member):
            is_compliant = prepare(here, member)
            prepared = len(here.sandbox.calls), len(member.calls)
            here.settle()
            assert is_compliant(), f"{name} does not even go well where nothing goes wrong"
            hub_calls = [(False, made.call) for made in here.calls(prepared[0])]
            member_calls = [
                (True, made.call) for made in member.calls[prepared[1] :] if not made.call.caller.is_trusted
            ]
            found |= {
                (name, is_in_member, call.service, call.operation): None
                for is_in_member, call in hub_calls + member_calls if call.service not in ALONE
            }  # fmt: skip
    return tuple(found)


@cache
def cells() -> list[Cell]:
    """Return all cells, or those of ``make test``."""
    types = [(kind, times) for times in (1, None) for kind in FaultType]
    made = []
    # The other matrix has API Gateway's calls in a single account; ``make test`` leaves them to it.
    found = [call for call in calls() if IS_WHOLE or not call[1]]
    for number, call in enumerate(found):
        fit = [each for each in types if can_meet(each[0], call[2])]
        # Seven leaves no remainder with the number of types, so that neighbours meet types that are far apart.
        made += [Cell(*call, *each) for each in (fit if IS_WHOLE else [fit[7 * number % len(fit)]])]
    return made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        parametrize(metafunc, "fault", cells, PART)


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Cell:
    return cells()[request.param]


def test_calls_of_an_organization_are_in_the_matrix() -> None:
    assert IS_WHOLE or len(cells()) == PART
    assert {operation for _, is_in_member, _, operation in calls() if not is_in_member} >= {
        "AssumeRole", "DescribeAccount", "ListAccountsForParent", "ListOrganizationalUnitsForParent",
        "ListStackInstances", "SendMessageBatch",
    }  # fmt: skip


def test_fault_at_a_call(fault: Cell, caplog: pytest.LogCaptureFixture) -> None:
    """The stage is compliant in the end, or the failure is kept or reported, and ends with the fault."""
    with organization_world(is_enforced=True) as (here, member):
        make_rest_stage(member, "untouched")
        is_compliant = MEMBER_SCENARIOS[fault.scenario](here, member)
        before = [unrelated_state(account) for account in (here.sandbox, member)]
        faults = here.sandbox.faults

        def is_there(caller: Caller) -> bool:
            return not caller.is_trusted and (caller.account == MEMBER) is fault.is_in_member

        faults.add(Fault(fault.kind, fault.service, fault.operation, fault.times, of=is_there))
        here.settle()
        assert faults.met
        assert here.enforce.cut_off == 0
        if fault.times is not None:
            assert here.dead_letters() == 0
        else:
            is_reported = "Finding" in caplog.messages
            assert is_compliant() or here.dead_letters() > 0 or is_reported
            faults.lift()
            here.redrive()
            here.begin_sweep()  # a finding ends with the next sweep
            here.settle()
            assert here.dead_letters() == 0
        assert is_compliant()
        assert [unrelated_state(account) for account in (here.sandbox, member)] == before


@pytest.mark.parametrize(
    "kind", [kind for kind in FaultType if can_meet(kind, "sts")] if IS_WHOLE else [FaultType.ACCESS_DENIED]
)
@pytest.mark.parametrize("times", [1, None], ids=["once", "until lifted"])
@pytest.mark.parametrize(("service", "operation"), [("sts", "AssumeRole"), ("cloudformation", "ListStackInstances")])
def test_no_fault_lets_an_audited_account_be_changed(
    kind: FaultType, times: int | None, service: str, operation: str
) -> None:
    with organization_world(is_enforced=False) as (here, member):
        api_id = make_rest_stage(member)
        here.send(updated(api_id, "prod") | {"account": MEMBER})
        before = _changes(member)
        here.sandbox.faults.add(Fault(kind, service, operation, times))
        here.settle()
        here.sandbox.faults.lift()
        here.redrive()
        here.begin_sweep()
        here.settle()
        assert here.sandbox.faults.met
        assert here.dead_letters() == 0
        assert not has_logs(member, api_id)
        assert _changes(member) == before
        assert _reads(here, member, api_id)


def _changes(member: Account) -> list[str]:
    names = [made.call.operation for made in member.calls if not made.call.caller.is_trusted]
    return [name for name in names if not name.startswith(("Get", "Describe", "List", "Simulate"))]


def _reads(_: World, member: Account, api_id: str) -> bool:
    """Return whether the stage was evaluated."""
    return any(made.call.params.get("restApiId") == api_id for made in member.calls if not made.call.caller.is_trusted)
