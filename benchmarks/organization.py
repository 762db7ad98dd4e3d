"""An organization: the sweep of all accounts, its calls and memory, and the fairness between accounts; simulated time.

Costs are in ``cost_of_organization``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from math import ceil

from benchmarks import fairness, organization_sweep
from benchmarks.fairness import Fairness
from benchmarks.organization_functions import ENFORCE, LATENCY, RATE, SWEEP
from benchmarks.organization_sweep import OrganizationSweep
from benchmarks.results import Plot, Result
from benchmarks.simulated import quiet

IS_SHORT = bool(os.environ.get("BENCH_QUICK"))
#: Member accounts of the sweep, and of the sweeps whose memory is compared.
ACCOUNTS = 20 if IS_SHORT else 200
MEMORY_OF = (2, 4, 6) if IS_SHORT else (20, 100, 200)
#: Member accounts of the other measurement, and the changes in one of them.
FAIR, CHANGES = (10, 100) if IS_SHORT else (50, 2_000)
#: Seconds from a change to compliance in an account that is not busy: those of the queue, and a minute.
SECONDS = ENFORCE.delay + 60

type Row = Sequence[str | int | float]


def _memory(accounts: int) -> int:
    """Return the megabytes of an environment of the Sweep function that has swept so many accounts."""
    command = [sys.executable, "-m", "benchmarks.organization_sweep", str(accounts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own module
    return int(done.stdout)


def _calls(swept: OrganizationSweep) -> list[Row]:
    """Return the rows about the calls of an account and sweep."""
    accounts, size = swept.size.accounts, swept.size
    regions = len(size.regions)
    # The lists of both versions, and the account settings; the stages of each API.
    least = {
        "API Gateway": (swept.of_api_gateway, regions * (3 + size.apis)),
        "AssumeRole": (swept.calls["sts:AssumeRole"], 1),
        "ListStackInstances": (
            swept.calls["cloudformation:ListStackInstances"],
            (ceil(accounts * regions / 100) + ceil(accounts / 100)) / accounts,
        ),
    }
    others = swept.calls.total() - sum(count for count, _ in least.values())
    rows: list[Row] = [
        [f"calls of an account and sweep: {name}", count / accounts, minimum, f"{count / accounts / minimum:.2f}"]
        for name, (count, minimum) in least.items()
    ]
    return [*rows, ["calls of an account and sweep: others", others / accounts, "", ""]]


def _fair(found: Fairness) -> list[Row]:
    busy = found.busy[-1]
    return [
        [f"{CHANGES:,} changes in one of {FAIR} accounts, s", busy, found.limit, f"{busy / found.limit:.2f}"],
        [f"{len(found.at_once)} others, a change at the same moment, slowest, s", found.at_once[-1], SECONDS, ""],
        [f"{len(found.meanwhile)} others, a change meanwhile, slowest, s", found.meanwhile[-1], SECONDS, ""],
        ["most API Gateway calls of an account in a second, after the burst", found.most, RATE, ""],
        ["calls above API Gateway's quota", found.above_quota, 0, ""],
        ["messages in the dead-letter queue", found.dead_letters, 0, ""],
        ["SendMessage for each message that was postponed", found.sends / max(found.postponed, 1), 1, ""],
    ]


def _plot(found: Fairness) -> Plot:
    """Return the plot of compliant stages in the busy account."""
    steps = [found.busy[-1] * step / 60 for step in range(61)]
    share = len(found.busy) / found.limit
    return Plot(
        "lines",
        [seconds / 60 for seconds in steps],
        {
            "compliant stages": [float(sum(time <= seconds for time in found.busy)) for seconds in steps],
            "as fast as the rate allows": [min(len(found.busy), seconds * share) for seconds in steps],
        },
        "stages",
        axis="minutes",
    )


def main() -> None:
    began = time.monotonic()
    with quiet():
        swept = organization_sweep.measure(ACCOUNTS)
        found = fairness.measure(FAIR, CHANGES)
    memory = {accounts: _memory(accounts) for accounts in MEMORY_OF}
    *_, before, last = MEMORY_OF
    Result(
        name="organization",
        title="An organization",
        goal=(
            "sweep within 1.2 of calls / allowed rate, constant memory; many changes in one account: others compliant "
            "within a minute, these within 1.1 of calls / rate, no second above the rate after the burst"
        ),
        is_met=(
            swept.seconds <= swept.limit * 1.2
            and memory[last] <= memory[before] * 1.05
            and found.at_once[-1] <= SECONDS
            and found.meanwhile[-1] <= SECONDS
            and found.busy[-1] <= found.limit * 1.1
            and found.most <= RATE
            and not (found.above_quota or found.dead_letters or found.failed or swept.dead_letters or swept.failed)
        ),
        columns=["figure", "measured", "limit or minimum", "ratio"],
        rows=[
            [
                f"sweep of {ACCOUNTS} accounts, {len(swept.size.regions)} regions, {swept.stages:,} stages, s",
                swept.seconds,
                swept.limit,
                f"{swept.seconds / swept.limit:.2f}",
            ],
            *_calls(swept),
            *(
                [f"memory of an environment that sweeps {accounts} accounts, MB", memory[accounts], "", ""]
                for accounts in MEMORY_OF[:-1]
            ),
            [
                f"memory of an environment that sweeps {last} accounts, MB",
                memory[last],
                memory[before],
                f"{memory[last] / memory[before]:.2f}",
            ],
            *_fair(found),
        ],
        notes=[
            (
                f"In simulated time, with an AWS in memory: a call takes {LATENCY * 1000:.0f} ms. One run, the same "
                f"each time; it took {time.monotonic() - began:.0f} s. Memory is that of the whole process, which is "
                "larger than on Lambda."
            ),
            (
                f"SweepRate {RATE}, for each account and region; {SWEEP.environments} environments of Sweep, "
                f"{ENFORCE.environments} of Enforce. Times from change to compliance include SettleSeconds, "
                f"{ENFORCE.delay} s."
            ),
            "50 stages in each account and region, all compliant, of 6 REST and 4 HTTP APIs.",
            (
                "Minimum of AssumeRole: once for each account. Each environment assumes the role on its own, and a "
                "sweep spreads the regions of an account over them. Minimum of ListStackInstances: each stack set once."
            ),
            "Costs for each member account and month: see docs/organization.md, computed by cost_of_organization.py.",
        ],
        plot=_plot(found),
    ).save()


if __name__ == "__main__":
    main()
