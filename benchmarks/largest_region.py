"""Sweep and remediate the largest region that API Gateway's quotas allow, in simulated time, with the quotas applied.

1,320 REST and 600 HTTP APIs with 10 stages each: first none is compliant, then all are. Two environments of Enforce and
one of Sweep run, as deployed, at the default SweepRate, while another caller deploys every five seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.results import Plot, Result
from benchmarks.simulated import World, give_log_role, make_http_apis, make_rest_apis, quiet, world
from sandbox.simulation import Latency
from testing.builders import DEPLOYMENT
from testing.owner import Owner

REST, HTTP, STAGES = (20, 10, 10) if os.environ.get("BENCH_QUICK") else (1_320, 600, 10)
#: Calls a second: the default of parameter SweepRate.
RATE = DEPLOYMENT.sweep_rate
#: Simulated seconds that a call takes.
LATENCY = 0.05


@dataclass(frozen=True, slots=True)
class Pass:
    """A sweep of the region, until all stages are compliant. ``progress``: (seconds, compliant stages) meanwhile."""

    stages: int
    calls: int
    seconds: float
    throttled: int
    owner_calls: int
    owner_throttled: int
    dead_letters: int
    invocations: int
    progress: list[tuple[float, int]]

    @property
    def limit(self) -> float:
        """Return the seconds that the calls take at the allowed rate."""
        return self.calls / RATE


def _pass(here: World, owner: Owner, stages: int, show: Callable[[str], None]) -> Pass:
    calls, began = len(here.sandbox.calls), here.time.monotonic()
    owner.calls = owner.throttled = 0
    invocations = here.enforce.invocations + here.sweep.invocations
    here.begin_sweep()
    seen, written, own, throttled = calls, 0, 0, 0
    progress: list[tuple[float, int]] = [(0.0, 0)]
    last = 0.0

    def count() -> None:
        """Count the calls since the last count, and drop the records, which would fill the memory."""
        nonlocal seen, written, own, throttled, last
        for made in here.calls(seen):
            if made.call.service in ("apigateway", "apigatewayv2"):
                own += made.status != 429
                throttled += made.status == 429
                written += made.call.operation == "UpdateStage" and made.status < 300
                last = max(last, (made.time - here.time.start_of_time).total_seconds())
        del here.sandbox.calls[:]
        del here.sandbox.trail[:]
        seen = 0

    def is_done() -> bool:
        if here.time.monotonic() - began >= progress[-1][0] + 60:
            count()
            progress.append((here.time.monotonic() - began, written))
            show(f"{written:,} of {stages:,} stages updated, {here.time.monotonic() - began:,.0f} simulated s")
        return here.enforce.is_idle() and here.sweep.is_idle()

    here.time.run(is_done, limit=20 * 3600)
    count()
    progress.append((last - began, written))
    return Pass(
        stages=stages,
        calls=own,
        seconds=last - began,
        throttled=throttled,
        owner_calls=owner.calls,
        owner_throttled=owner.throttled,
        dead_letters=here.dead_letters(),
        invocations=here.enforce.invocations + here.sweep.invocations - invocations,
        progress=progress,
    )


def _show(words: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    sys.stderr.write(f"      {words:<78}{end}")


def main() -> None:
    began = time.monotonic()
    with world() as here:
        here.sandbox.interposers.insert(0, Latency(here.time, LATENCY).interpose)
        give_log_role(here)
        _show("creating the region")
        stages = len(make_rest_apis(here.sandbox, REST, STAGES)) + len(make_http_apis(here.sandbox, HTTP, STAGES))
        owner = Owner.of(here)
        here.sandbox.quotas.are_on = True
        for environment in (here.enforce, here.another_enforce(), here.sweep):
            here.time.start(environment.live)
        here.time.start(owner.deploy_repeatedly)
        non_compliant = _pass(here, owner, stages, _show)
        here.time.sleep(timedelta(minutes=10).total_seconds())
        compliant = _pass(here, owner, stages, _show)
    passes = {"all non-compliant": non_compliant, "all compliant": compliant}
    Result(
        name="largest_region",
        title="The largest region",
        goal="within 1.05 of calls / allowed rate; no throttled call of another caller",
        is_met=all(
            each.seconds <= each.limit * 1.05 and not each.owner_throttled and not each.dead_letters
            for each in passes.values()
        ),
        columns=[
            "stages",
            "API Gateway calls",
            "time, s",
            "calls / rate, s",
            "ratio",
            "throttled",
            "calls of another caller",
            "of these, throttled",
            "invocations",
        ],
        rows=[
            [
                f"{each.stages:,} {name}",
                each.calls,
                each.seconds,
                each.limit,
                f"{each.seconds / each.limit:.3f}",
                each.throttled,
                each.owner_calls,
                each.owner_throttled,
                each.invocations,
            ]
            for name, each in passes.items()
        ],
        notes=[
            (
                f"{REST:,} REST and {HTTP:,} HTTP APIs with {STAGES} stages each, in simulated time. One run, the same "
                f"each time; it took {time.monotonic() - began:.0f} s."
            ),
            (
                f"SweepRate {RATE}; the control plane allows 10 calls per second with a burst of 40; another caller "
                f"deploys every 5 s, with 6 calls; a call takes {LATENCY * 1000:.0f} ms."
            ),
            "Peak memory is measured in another benchmark: see the comparison with Cloud Custodian.",
        ],
        plot=Plot(
            "lines",
            [seconds / 3600 for seconds, _ in non_compliant.progress],
            {
                "compliant stages": [float(count) for _, count in non_compliant.progress],
                "as fast as the rate allows": [
                    min(stages, seconds * RATE * stages / non_compliant.calls) for seconds, _ in non_compliant.progress
                ],
            },
            "stages",
            axis="hours",
        ),
    ).save()


if __name__ == "__main__":
    with quiet():
        main()
