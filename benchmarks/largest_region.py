"""Sweep and remediate the largest region that API Gateway's quotas allow, in simulated time, with the quotas applied.

1,320 REST and 600 HTTP APIs with 10 stages each: first none is compliant, then all are. Two environments of Enforce and
one of Sweep run, as deployed, at the default SweepRate, while another caller deploys every five seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.results import Plot, Result
from benchmarks.simulated import World, give_log_role, make_http_apis, make_rest_apis, quiet, world
from log_keeper.aws.clients import LOG_GROUP_RATE
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
    """A sweep of the region, until all stages are compliant. ``progress``: (seconds, compliant stages) meanwhile.

    ``floor``: the calls to API Gateway that it cannot do without. ``logs``: calls that create log groups, or set their
    retention, whichever are more.
    """

    stages: int
    calls: int
    floor: int
    logs: int
    seconds: float
    throttled: int
    owner_calls: int
    owner_throttled: int
    dead_letters: int
    invocations: int
    progress: list[tuple[float, int]]

    @property
    def limit(self) -> float:
        """Return the seconds that the calls which cannot be done without take at the allowed rate."""
        return self.floor / RATE

    @property
    def limit_of_logs(self) -> float:
        """Return the seconds that the log groups take at the rate that Log Keeper allows itself."""
        return self.logs / LOG_GROUP_RATE


def _pass(here: World, owner: Owner, stages: int, writes: int, show: Callable[[str], None]) -> Pass:
    calls, began = len(here.sandbox.calls), here.time.monotonic()
    owner.calls = owner.throttled = 0
    invocations = here.enforce.invocations + here.sweep.invocations
    here.begin_sweep()
    seen, written, own, throttled, throttled_of_logs = calls, 0, 0, 0, 0
    logs: Counter[str] = Counter()
    progress: list[tuple[float, int]] = [(0.0, 0)]
    last = 0.0

    def count() -> None:
        """Count the calls since the last count, and drop the records, which would fill the memory."""
        nonlocal seen, written, own, throttled, throttled_of_logs, last
        for made in here.calls(seen):
            if made.call.service in ("apigateway", "apigatewayv2"):
                own += made.status != 429
                throttled += made.status == 429
                written += made.call.operation == "UpdateStage" and made.status < 300
                last = max(last, (made.time - here.time.start_of_time).total_seconds())
            if made.call.operation in ("CreateLogGroup", "PutRetentionPolicy"):
                logs[made.call.operation] += 1
                throttled_of_logs += made.status >= 400
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
        # The lists of APIs, the stages of each API, the owner's API included, and the writes.
        floor=-(-(REST + 1) // 500) + -(-HTTP // 500) + REST + 1 + HTTP + writes,
        logs=max(logs.values(), default=0),
        seconds=last - began,
        throttled=throttled + throttled_of_logs,
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
        non_compliant = _pass(here, owner, stages, stages + 1, _show)  # the owner has a stage too
        here.time.sleep(timedelta(minutes=10).total_seconds())
        compliant = _pass(here, owner, stages, 0, _show)
    passes = {"all non-compliant": non_compliant, "all compliant": compliant}
    Result(
        name="largest_region",
        title="The largest region",
        goal=("calls within 1.02 of the minimum, time within 1.05 of minimum / allowed rate; no throttled call"),
        is_met=all(
            each.calls <= each.floor * 1.02
            and each.seconds <= each.limit * 1.05
            and not (each.throttled or each.owner_throttled or each.dead_letters)
            for each in passes.values()
        ),
        columns=[
            "stages",
            "API Gateway calls",
            "minimum",
            "ratio",
            "time, s",
            "minimum / rate, s",
            "ratio",
            "log groups / rate, s",
            "throttled",
            "calls of another caller",
            "of these, throttled",
            "invocations",
        ],
        rows=[
            [
                f"{each.stages:,} {name}",
                each.calls,
                each.floor,
                f"{each.calls / each.floor:.3f}",
                each.seconds,
                each.limit,
                f"{each.seconds / each.limit:.3f}",
                each.limit_of_logs,
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
            (
                "Minimum: the lists of APIs, one list of stages for each API, and one write for each non-compliant "
                "stage. Log groups: CloudWatch Logs takes 10 calls per second of CreateLogGroup, and 10 of "
                f"PutRetentionPolicy. Log Keeper makes {LOG_GROUP_RATE}; with a higher SweepRate these are the limit. "
                "Throttled: calls of both services."
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
