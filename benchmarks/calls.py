"""Count the AWS calls for each case and compare them with the minimum. The numbers are exact, the same in each run.

The minimum for API Gateway: one read per event, or one list per API in a sweep; one write per non-compliant stage; one
list call for 500 APIs; one call for the protocol of an HTTP or WebSocket API, once, because no event contains it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import batched
from math import ceil

from benchmarks.results import Plot, Result
from benchmarks.simulated import World, calls_by_service, give_log_role, make_http_apis, make_rest_apis, quiet, world
from testing.accounts import make_rest_stage, make_websocket_stage, patch_stage
from testing.builders import record, updated


@dataclass(frozen=True, slots=True)
class Row:
    """One case, its calls by service, and the minimum of its calls for API Gateway's stages and APIs."""

    name: str
    minimum: int
    stages: int
    account: int
    logs: int
    iam: int
    others: int


def _count(name: str, minimum: int, prepare: Callable[[World], Callable[[], None]], *, role: bool = True) -> Row:
    """Return the calls of a warm function that has read the log role.

    ``prepare``: prepares the account and returns the function that makes the case happen. ``role``: whether the account
    has a log role.
    """
    with world(iam_propagation_seconds=6) as here:
        if role:
            give_log_role(here)
            here.send(updated(make_rest_stage(here.sandbox)))
            here.settle()
        happen = prepare(here)
        before = len(here.sandbox.calls)
        happen()
        if here.sweep.is_idle():
            here.settle()
        else:
            here.settle_together()
        assert here.dead_letters() == 0
        records = here.calls(before)
        counts = calls_by_service(records)
    role_calls = sum(each.call.operation in ("GetAccount", "UpdateAccount") for each in records)
    return Row(
        name, minimum, counts["API Gateway"] - role_calls, role_calls, counts["Logs"], counts["IAM"], counts["others"]
    )


def _new_stage(here: World) -> Callable[[], None]:
    api_id = make_rest_stage(here.sandbox)
    return lambda: here.send(updated(api_id))


def _compliant_stage(here: World) -> Callable[[], None]:
    again = _new_stage(here)
    again()
    here.settle()
    return again


def _stage_with_overrides(methods: int) -> Callable[[World], Callable[[], None]]:
    def prepare(here: World) -> Callable[[], None]:
        api_id = make_rest_stage(here.sandbox)
        paths = [("replace", f"/m{number}/GET/throttling/rateLimit", "5") for number in range(methods)]
        for some in batched(paths, 20, strict=False):
            patch_stage(here.sandbox, api_id, *some)
        return lambda: here.send(updated(api_id))

    return prepare


def _burst(here: World) -> Callable[[], None]:
    api_id = make_rest_stage(here.sandbox)

    def happen() -> None:
        for _ in range(9):
            here.send(updated(api_id))

    return happen


def _http(here: World) -> Callable[[], None]:
    [(api_id, stage)] = make_http_apis(here.sandbox, 1, 1)
    return lambda: here.send(record("CreateStage", {"apiId": api_id, "stageName": stage}))


def _websocket(here: World) -> Callable[[], None]:
    api_id = make_websocket_stage(here.sandbox)
    return lambda: here.send(record("CreateStage", {"apiId": api_id, "stageName": "prod"}))


def _compliant(prepare: Callable[[World], Callable[[], None]]) -> Callable[[World], Callable[[], None]]:
    def after(here: World) -> Callable[[], None]:
        again = prepare(here)
        again()
        here.settle()
        return again

    return after


def _sweep(apis: int, stages: int, non_compliant: int) -> Row:
    """Return the calls of a sweep of REST APIs, of which the first ``non_compliant`` stages are not compliant."""

    def prepare(here: World) -> Callable[[], None]:
        made = make_rest_apis(here.sandbox, apis, stages)
        for api_id, stage in made[non_compliant:]:
            here.send(updated(api_id, stage))
        here.settle()
        return here.begin_sweep

    # The lists of the APIs of both versions, and the stages of the API with which the function read the log role.
    lists = ceil((apis + 1) / 500) + 1 + 1
    share = f"{non_compliant / (apis * stages):.0%}"
    name = f"sweep of {apis} APIs x {stages} stages, {share} non-compliant"
    return _count(name, lists + apis + non_compliant, prepare)


def rows(*, is_short: bool = False) -> list[Row]:
    """Return the rows of the table. ``is_short``: with small sweeps."""
    apis, stages = (4, 5) if is_short else (50, 10)
    return [
        _count("compliant REST stage", 1, _compliant_stage),
        _count("new REST stage", 2, _new_stage),
        _count("new REST stage with 40 methods overridden", 2, _stage_with_overrides(40)),
        _count("nine changes to a new REST stage, in one batch", 2, _burst),
        # The stage is read again after the wait for IAM.
        _count("new REST stage, no log role in the account", 3, _new_stage, role=False),
        _count("new HTTP stage, first of its API", 3, _http),
        _count("compliant HTTP stage, API known", 1, _compliant(_http)),
        _count("new WebSocket stage, first of its API", 3, _websocket),
        _count("compliant WebSocket stage, API known", 1, _compliant(_websocket)),
        *(_sweep(apis, stages, round(apis * stages * share)) for share in (0, 0.1, 1)),
    ]


def main() -> None:
    found = rows(is_short=bool(os.environ.get("BENCH_QUICK")))
    Result(
        name="calls",
        title="Calls",
        goal="API Gateway: the minimum, in every row",
        is_met=all(row.stages <= row.minimum for row in found),
        columns=["case", "API Gateway", "its minimum", "account settings", "Logs", "IAM", "others"],
        rows=[[row.name, row.stages, row.minimum, row.account, row.logs, row.iam, row.others] for row in found],
        notes=[
            "Exact numbers, counted in the sandbox in simulated time, one run. `make test` checks the small ones.",
            (
                "Minimum: one read per event, or one list per API in a sweep; one write per non-compliant stage; in a "
                "sweep also the lists of APIs; for an HTTP or WebSocket API its protocol, once. A sweep's message has "
                "the stages of an API as they were read: they are written to within seconds, without a second read."
            ),
            (
                "Account settings: calls of API Gateway for the log role. A sweep reads them once. The Enforce "
                "function reads them once in five minutes in each of its two environments, if a stage requires changes."
            ),
            (
                "Without a log role in the account, the stage is read again after the wait for IAM, which takes 6 s "
                "here. If it takes longer than 7 s, two more calls for the account settings are needed."
            ),
            "Others: EventBridge for each change; SQS and CloudTrail in a sweep.",
        ],
        plot=Plot(
            "bars",
            [row.name.replace(", ", ",\n").replace(" of ", " of\n") for row in found[:9]],
            {"API Gateway": [row.stages for row in found[:9]], "minimum": [row.minimum for row in found[:9]]},
            "calls",
        ),
    ).save()


if __name__ == "__main__":
    with quiet():
        main()
