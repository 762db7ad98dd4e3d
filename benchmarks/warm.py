"""Measure a warm Enforce function with an AWS that answers at once: events per second, and which part takes the time.

The baseline is the same boto3 calls with the same answers, and nothing else. Runs of both alternate. The time is CPU
time, because nothing waits.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest import mock

import boto3
from botocore import xform_name
from botocore.client import BaseClient
from botocore.config import Config

from benchmarks.instant_aws import BATCH, CASES, NOW, SETTINGS_WITHOUT_LIMIT, Aws, Case
from benchmarks.results import Plot, Result, Samples, ratios
from log_keeper.aws import clients
from testing.deliveries import Context

#: The part of the time that is not Log Keeper's.
BOTO = "botocore"
ROUNDS, BATCHES = (5, 10) if os.environ.get("BENCH_QUICK") else (21, 20)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of boto3."""

    service: str
    method: str
    parameters: dict[str, Any]


def handler(aws: Aws, session: boto3.Session, messages: int = BATCH) -> Callable[[], None]:
    """Return a function that passes one batch to the handler. Its first call is cold, and reads the log role."""
    from handlers import enforce  # only after standard output is redirected: its Logger keeps the stream
    from handlers.runtime import Time, logger

    of_batches = enforce.EnforceHandler(SETTINGS_WITHOUT_LIMIT, session, Time(now=lambda: NOW))
    handle = logger.inject_lambda_context(of_batches.handle)
    event = {"Records": [aws.case.message(number) for number in range(messages)]}

    def happen() -> None:
        answer = handle(event, cast(Any, Context()))
        assert answer == {"batchItemFailures": []}, answer

    return happen


def _calls(aws: Aws) -> list[Call]:
    """Return the calls for one batch."""
    made: list[Call] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append(Call(model.service_model.service_name, xform_name(model.name), dict(params)))

    session = aws.session()
    session.events.register("provide-client-params", record)
    happen = handler(aws, session)
    happen()
    made.clear()
    happen()
    return made


def _baseline(aws: Aws, calls: list[Call]) -> Callable[[], None]:
    """Return a function that makes only the calls."""
    session = aws.session()
    clients = {
        service: session.client(cast(Any, service), config=Config(retries={"mode": "standard"}))
        for service in {call.service for call in calls}
    }
    bound = [(getattr(clients[call.service], call.method), call.parameters) for call in calls]

    def happen() -> None:
        for method, parameters in bound:
            method(**parameters)

    happen()
    return happen


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part, without those of the parts within it."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _within: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def on(self, owner: object, name: str, part: str) -> Iterator[None]:
        """Count the time of each call of the function ``name`` of ``owner`` for the part."""
        function = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self._within.append(0.0)
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                passed = time.perf_counter() - began
                self.seconds[part] += passed - self._within.pop()
                if self._within:
                    self._within[-1] += passed

        with mock.patch.object(owner, name, timed):
            yield


def functions_of_parts() -> dict[str, list[tuple[object, str]]]:
    """Return the functions of each part of the time: the module or class that calls or has them, and their names."""
    from log_keeper import enforcement, facts, governed_accounts
    from log_keeper.aws import event_bus, http_websocket, rest
    from log_keeper.reporting import Reporter

    return {
        BOTO: [(BaseClient, "_make_api_call")],
        "messages read": [(governed_accounts, name) for name in ("_json", "read_event", "cause_of")],
        "stages evaluated": [
            *[(each, "to_stage") for each in (rest, http_websocket)],
            *[(each, "log_groups_of") for each in (facts, enforcement)],
            (enforcement, "evaluate"),
        ],
        "log lines and metrics": [(Reporter, "stage"), (Reporter, "flush")],
        "change events": [(event_bus, "put_events")],
    }


def _parts(aws: Aws) -> dict[str, Samples]:
    """Return the percentage of the time of a batch for each part.

    Parts are measured in the running handler, because a part alone is faster.
    """
    happen, watch, found = handler(aws, aws.session()), Stopwatch(), defaultdict[str, Samples](Samples)
    happen()
    with contextlib.ExitStack() as stack:
        for part, functions in functions_of_parts().items():
            for owner, name in functions:
                stack.enter_context(watch.on(owner, name, part))
        for _ in range(ROUNDS):
            watch.seconds.clear()
            began = time.perf_counter()
            for _ in range(BATCHES):
                happen()
            whole = time.perf_counter() - began
            watch.seconds["batch and the rest"] = whole - sum(watch.seconds.values())
            for part, seconds in watch.seconds.items():
                found[part].values.append(100 * seconds / whole)
    return found


def _seconds(happen: Callable[[], object]) -> float:
    """Return the seconds of CPU time for one event."""
    began = time.process_time()
    for _ in range(BATCHES):
        happen()
    return (time.process_time() - began) / BATCHES / BATCH


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of one case.

    ``calls``: number for one event. ``ours``, ``baseline``: seconds of CPU time for one event. ``parts``: percent of
    the time.
    """

    calls: int
    ours: Samples
    baseline: Samples
    parts: dict[str, Samples]

    @property
    def share(self) -> Samples:
        """Return the percentage of the time that is not botocore's."""
        return Samples([100 - percent for percent in self.parts[BOTO].values])


@mock.patch.dict(clients.LOGS_RATES, dict.fromkeys(clients.LOGS_RATES, 10**9))
def measure(case: Case) -> Measured:
    aws = Aws(case)
    calls = _calls(aws)
    whole, baseline, ours, theirs = handler(aws, aws.session()), _baseline(aws, calls), Samples(), Samples()
    whole()
    for _ in range(ROUNDS):
        ours.values.append(_seconds(whole))
        theirs.values.append(_seconds(baseline))
    return Measured(len(calls) // BATCH, ours, theirs, _parts(aws))


def main() -> None:
    found = {case.name: measure(case) for case in CASES}
    split = {name: ", ".join(f"{part} {each}" for part, each in sorted(found[name].parts.items())) for name in found}
    Result(
        name="warm",
        title="Warm",
        columns=[
            "events about",
            "calls per event",
            "events per second",
            "ratio to the calls alone",
            "Log Keeper's share, %",
        ],
        rows=[
            [
                name,
                each.calls,
                round(1 / each.ours.median),
                str(ratios(each.ours, each.baseline)),
                str(each.share),
            ]
            for name, each in found.items()
        ],
        notes=[
            (
                f"{ROUNDS} rounds of {BATCHES} batches of {BATCH} messages, alternating with only the same boto3 "
                "calls; all calls are answered at once. CPU time of one thread, no rate limit, standard output is "
                "dropped."
            ),
            (
                "Log Keeper's share: the part of the time outside botocore, in the same invocation. Only the calls are "
                "faster than the same calls within other code, so the ratio is higher than this share suggests."
            ),
            "The log role is known, as it is for five minutes after it was read.",
            *(f"{name}, % of the time: {split[name]}." for name in (CASES[0].name, CASES[-1].name)),
            "In AWS, add the time until AWS answers: some tens of milliseconds for each call.",
        ],
        plot=Plot(
            "bars",
            [name.replace(", ", ",\n") for name in found],
            {
                "the handler": [1000 * each.ours.median for each in found.values()],
                "only its boto3 calls": [1000 * each.baseline.median for each in found.values()],
            },
            "ms of CPU time per event",
        ),
    ).save()


if __name__ == "__main__":
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        main()
