"""The largest region that API Gateway's quotas allow, swept and put in line, on simulated time with the quotas on.

1,320 REST and 600 HTTP APIs of 10 stages each: first all out of line, then all in line; with two environments of
Enforce and one of Sweep, as deployed, at the default SweepRate, beside an owner who deploys every five seconds.
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
from testing.builders import SETTINGS
from testing.owner import Owner

REST, HTTP, STAGES = (20, 10, 10) if os.environ.get("BENCH_QUICK") else (1_320, 600, 10)
#: Calls a second: the default of parameter SweepRate.
RATE = SETTINGS.sweep_rate
#: Seconds of AWS's time that a call takes.
LATENCY = 0.05


@dataclass(frozen=True, slots=True)
class Pass:
    """A sweep of the region until nothing is left to do. ``in_line_after``: (seconds, stages in line) on the way."""

    stages: int
    calls: int
    seconds: float
    throttled: int
    owner_calls: int
    owner_throttled: int
    dead_letters: int
    invocations: int
    in_line_after: list[tuple[float, int]]

    @property
    def limit(self) -> float:
        """Seconds that so many calls take at the allowed rate."""
        return self.calls / RATE


def _pass(here: World, owner: Owner, stages: int, tell: Callable[[str], None]) -> Pass:
    calls, began = len(here.sandbox.calls), here.time.monotonic()
    owner.calls = owner.throttled = 0
    invocations = here.enforce.invocations + here.sweep.invocations
    here.begin_sweep()
    seen, written, own, throttled = calls, 0, 0, 0
    in_line: list[tuple[float, int]] = [(0.0, 0)]
    last = 0.0

    def count() -> None:
        """What the program called since the last look; the records are dropped, or they would fill the memory."""
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
        if here.time.monotonic() - began >= in_line[-1][0] + 60:
            count()
            in_line.append((here.time.monotonic() - began, written))
            tell(f"{written:,} of {stages:,} stages written to, {here.time.monotonic() - began:,.0f} s of AWS's time")
        return here.enforce.is_idle() and here.sweep.is_idle()

    here.time.run(is_done, limit=20 * 3600)
    count()
    in_line.append((last - began, written))
    return Pass(
        stages=stages,
        calls=own,
        seconds=last - began,
        throttled=throttled,
        owner_calls=owner.calls,
        owner_throttled=owner.throttled,
        dead_letters=here.dead_letters(),
        invocations=here.enforce.invocations + here.sweep.invocations - invocations,
        in_line_after=in_line,
    )


def _tell(words: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    sys.stderr.write(f"      {words:<78}{end}")


def main() -> None:
    began = time.monotonic()
    with world() as here:
        here.sandbox.interposers.insert(0, Latency(here.time, LATENCY).interpose)
        give_log_role(here)
        _tell("making the region")
        stages = len(make_rest_apis(here.sandbox, REST, STAGES)) + len(make_http_apis(here.sandbox, HTTP, STAGES))
        owner = Owner.of(here)
        here.sandbox.quotas.are_on = True
        for environment in (here.enforce, here.another_enforce(), here.sweep):
            here.time.start(environment.live)
        here.time.start(owner.deploy_repeatedly)
        out_of_line = _pass(here, owner, stages, _tell)
        here.time.sleep(timedelta(minutes=10).total_seconds())
        in_line = _pass(here, owner, stages, _tell)
    passes = {"all out of line": out_of_line, "all in line": in_line}
    Result(
        name="largest_region",
        title="The largest region",
        goal="within 1.05 of calls / allowed rate; no throttle for the owner",
        is_met=all(
            each.seconds <= each.limit * 1.05 and not each.owner_throttled and not each.dead_letters
            for each in passes.values()
        ),
        columns=[
            "stages",
            "calls of API Gateway",
            "time, s",
            "calls / rate, s",
            "ratio",
            "throttled",
            "owner's calls",
            "of those throttled",
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
                f"{REST:,} REST and {HTTP:,} HTTP APIs of {STAGES} stages, in simulated time: one run, the same each "
                f"time; {time.monotonic() - began:.0f} s of the machine's."
            ),
            (
                f"SweepRate {RATE}; control plane 10 calls a second, burst 40; the owner deploys every 5 s, with 6 "
                f"calls; a call takes {LATENCY * 1000:.0f} ms."
            ),
            "That memory stays flat is measured in a process of its own: see the sweep against Cloud Custodian.",
        ],
        plot=Plot(
            "lines",
            [seconds / 3600 for seconds, _ in out_of_line.in_line_after],
            {
                "stages in line": [float(count) for _, count in out_of_line.in_line_after],
                "as fast as the rate allows": [
                    min(stages, seconds * RATE * stages / out_of_line.calls) for seconds, _ in out_of_line.in_line_after
                ],
            },
            "stages",
            axis="hours",
        ),
    ).save()


if __name__ == "__main__":
    with quiet():
        main()
