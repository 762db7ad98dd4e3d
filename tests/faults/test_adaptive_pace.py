"""An owner who deploys hard while Log Keeper works: the pace makes way for the owner's calls. In simulated time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pytest

from benchmarks.simulated import give_log_role, make_rest_apis
from log_keeper.aws.pace import Pace
from sandbox.simulation import Latency
from testing.builders import updated
from testing.fault_cells import IS_WHOLE
from testing.owner import Owner
from testing.world import world

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient

APIS = 100 if IS_WHOLE else 8
STAGES_OF_AN_API = 10
#: Seconds of AWS's time that a call takes.
LATENCY = 0.05
#: Seconds from one deployment of the owner to the next: 5 calls each, 9 in a second, of the 10 that AWS allows.
EVERY = 0.55
#: For how long the owner deploys.
HARD = 180.0 if IS_WHOLE else 60.0


class Changer(Owner):
    """An owner who changes stages without CreateDeployment, which AWS allows once in five seconds only."""

    def _calls_of_a_deployment(self, client: APIGatewayClient) -> list[Callable[[], object]]:
        calls = super()._calls_of_a_deployment(client)
        return [call for call in calls if getattr(call, "func", None) != client.create_deployment]


class Figures(NamedTuple):
    """Shares of throttled calls, from 0 to 1, and the seconds until all stages were compliant."""

    owner: float
    log_keeper: float
    seconds: float


def measure() -> Figures:
    """Change all stages at once while the owner deploys; return the figures."""
    with world() as here:
        here.sandbox.interposers.insert(0, Latency(here.time, LATENCY).interpose)
        give_log_role(here)
        stages = make_rest_apis(here.sandbox, APIS, STAGES_OF_AN_API)
        for stage in stages:
            here.send(updated(*stage))
        owner = Changer.of(here)
        owner.every = EVERY
        here.sandbox.quotas.are_on = True
        began, calls = here.time.monotonic(), len(here.sandbox.calls)
        for environment in (here.enforce, here.another_enforce()):
            here.time.start(environment.live)
        here.time.start(owner.deploy_repeatedly)
        here.time.run(lambda: here.time.monotonic() >= began + HARD, limit=2 * HARD)
        share = owner.share
        owner.every = 1e6
        here.time.run(here.enforce.is_idle, limit=20 * len(stages))
        made = [made.status for made in here.calls(calls) if made.call.service == "apigateway"]
        assert here.dead_letters() == 0
        here.sandbox.quotas.are_on = False
        client = here.sandbox.client("apigateway")
        levels = [client.get_stage(restApiId=api, stageName=name)["methodSettings"] for api, name in stages]
        assert {each["*/*"]["loggingLevel"] for each in levels} == {"ERROR"}
        return Figures(share, made.count(429) / len(made), here.time.monotonic() - began)


def test_owner_is_throttled_less_because_the_pace_makes_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    adaptive = measure()
    monkeypatch.setattr(Pace, "throttled", lambda _: None)
    constant = measure()
    with capsys.disabled():
        print(  # noqa: T201 - the figures of docs/performance.md
            f"\nowner with 9 calls a second: of the owner's calls {adaptive.owner:.1%} throttled, "
            f"of Log Keeper's {adaptive.log_keeper:.1%}, all compliant after {adaptive.seconds:.0f} s; "
            f"with a constant pace {constant.owner:.1%}, {constant.log_keeper:.1%}, {constant.seconds:.0f} s"
        )
    assert adaptive.owner < constant.owner / 2
    assert adaptive.log_keeper < constant.log_keeper
