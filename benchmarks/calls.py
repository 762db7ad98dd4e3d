"""Calls of AWS for each thing that happens, held against the floor: exact, and the same in each run.

The floor of API Gateway: one read per event, one list per API in a sweep, one write per stage out of line; each list of
APIs takes one call for 500; the kind of an HTTP or WebSocket API has to be asked once, for no event tells it.
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
    """What happens, the calls that it takes by service, and the floor of those to API Gateway's stages and APIs."""

    name: str
    floor: int
    stages: int
    account: int
    logs: int
    iam: int
    others: int


def _count(name: str, floor: int, prepare: Callable[[World], Callable[[], None]], *, role: bool = True) -> Row:
    """The calls of a warm function that knows the log role; ``prepare`` gives what happens then."""
    with world(iam_propagation_seconds=6) as here:
        if role:
            give_log_role(here)
            here.send(updated(make_rest_stage(here.sandbox)))
            here.settle()
        happen = prepare(here)
        before = len(here.sandbox.calls)
        happen()
        here.settle()
        assert here.dead_letters() == 0
        records = here.calls(before)
        counts = calls_by_service(records)
    role_calls = sum(each.call.operation in ("GetAccount", "UpdateAccount") for each in records)
    return Row(
        name, floor, counts["API Gateway"] - role_calls, role_calls, counts["Logs"], counts["IAM"], counts["others"]
    )


def _new_stage(here: World) -> Callable[[], None]:
    api_id = make_rest_stage(here.sandbox)
    return lambda: here.send(updated(api_id))


def _stage_in_line(here: World) -> Callable[[], None]:
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


def _in_line(prepare: Callable[[World], Callable[[], None]]) -> Callable[[World], Callable[[], None]]:
    def after(here: World) -> Callable[[], None]:
        again = prepare(here)
        again()
        here.settle()
        return again

    return after


def _sweep(apis: int, stages: int, out_of: int) -> Row:
    """A sweep of REST APIs, the first ``out_of`` of whose stages are out of line."""

    def prepare(here: World) -> Callable[[], None]:
        made = make_rest_apis(here.sandbox, apis, stages)
        for api_id, stage in made[out_of:]:
            here.send(updated(api_id, stage))
        here.settle()
        return here.begin_sweep

    # The lists of both kinds, and the list of the stages of the API that made the log role known to the function.
    lists = ceil((apis + 1) / 500) + 1 + 1
    share = f"{out_of / (apis * stages):.0%}"
    return _count(f"sweep of {apis} APIs x {stages} stages, {share} out of line", lists + apis + 2 * out_of, prepare)


def rows(*, is_short: bool = False) -> list[Row]:
    """Each row of the table; in short, the sweeps are small."""
    apis, stages = (4, 5) if is_short else (50, 10)
    return [
        _count("REST stage in line", 1, _stage_in_line),
        _count("new REST stage", 2, _new_stage),
        _count("new REST stage with 40 methods overridden", 2, _stage_with_overrides(40)),
        _count("nine changes to a new REST stage, in one batch", 2, _burst),
        # The stage is read again after the wait for IAM.
        _count("new REST stage, no log role in the account", 3, _new_stage, role=False),
        _count("new HTTP stage, first of its API", 3, _http),
        _count("HTTP stage in line, API known", 1, _in_line(_http)),
        _count("new WebSocket stage, first of its API", 3, _websocket),
        _count("WebSocket stage in line, API known", 1, _in_line(_websocket)),
        *(_sweep(apis, stages, round(apis * stages * share)) for share in (0, 0.1, 1)),
    ]


def main() -> None:
    found = rows(is_short=bool(os.environ.get("BENCH_QUICK")))
    Result(
        name="calls",
        title="Calls",
        goal="API Gateway: the floor, in every row",
        is_met=all(row.stages <= row.floor for row in found),
        columns=["what happens", "API Gateway", "its floor", "account settings", "Logs", "IAM", "others"],
        rows=[[row.name, row.stages, row.floor, row.account, row.logs, row.iam, row.others] for row in found],
        notes=[
            "Exact: counted in the sandbox, in simulated time, one run; the small ones are asserted by `make test`.",
            (
                "Floor: one read per event, one list per API in a sweep, one write per stage out of line; in a sweep "
                "also the lists of APIs; of HTTP and WebSocket APIs the kind, once."
            ),
            (
                "Account settings: API Gateway's too, for the log role. A sweep looks at them once, and the function, "
                "where it has something to do, once in five minutes in each of its two environments."
            ),
            (
                "The account without a log role: the stage is read again after the wait for IAM, which takes 6 s here; "
                "where it takes longer than 7, the account settings take two calls more."
            ),
            "Others: EventBridge for each change; in a sweep SQS and CloudTrail.",
        ],
        plot=Plot(
            "bars",
            [row.name.replace(", ", ",\n").replace(" of ", " of\n") for row in found[:9]],
            {"API Gateway": [row.stages for row in found[:9]], "floor": [row.floor for row in found[:9]]},
            "calls",
        ),
    ).save()


if __name__ == "__main__":
    with quiet():
        main()
