"""An organization: the sweep of all accounts, its calls and memory, and the fairness between accounts; simulated time.

Costs of the whole stack are in ``cost_of_organization``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil

from benchmarks import fairness, organization_memory, organization_sweep
from benchmarks.cost_of_log_keeper import MEMORY_MB, SWEEPS, Item, seconds_of_a_sweep
from benchmarks.cost_of_organization import STAGES
from benchmarks.fairness import WINDOWS, Fairness
from benchmarks.organization_functions import BURST, ENFORCE, LATENCY, QUOTA, QUOTA_BURST, RATE, SWEEP
from benchmarks.organization_memory import Function
from benchmarks.organization_sweep import HTTP_APIS, REST_APIS, OrganizationSweep
from benchmarks.prices import DATED, DURATION, INVOCATIONS
from benchmarks.results import Plot, Result
from benchmarks.simulated import quiet

IS_SHORT = bool(os.environ.get("BENCH_QUICK"))
#: Member accounts of the sweep, and of the two runs of which the memory is compared.
ACCOUNTS = 20 if IS_SHORT else 200
MEMORY_OF = (10, 20) if IS_SHORT else (50, 100)
#: Member accounts of the other measurement, and the changes in one of them.
FAIR, CHANGES = (10, 100) if IS_SHORT else (50, 2_000)
#: Further runs with fewer changes, each with other random numbers.
RUNS, FEWER = (2, 60) if IS_SHORT else (5, 200)
#: API Gateway calls of the sweep of a region besides one for each API: lists of both versions, account settings.
OVERHEAD = 3
#: Seconds from a change to compliance in an account that is not busy, besides those of the queue (SettleSeconds).
SECONDS = 15

type Row = Sequence[str | int | float]


def _show(words: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    sys.stderr.write(f"      {words:<78}{end}")


def _ratio(measured: float, limit: float) -> str:
    return f"{measured / limit:.2f}"


def _compared(what: str, measured: float, limit: float) -> Row:
    """Return a row with the ratio of the measured value to its limit."""
    return [what, measured, limit, _ratio(measured, limit)]


def _sweep(swept: OrganizationSweep) -> list[Row]:
    """Return the rows about the sweep, and the calls of an account and sweep."""
    accounts, regions = swept.size.accounts, len(swept.size.regions)
    assume, instances = swept.calls["sts:AssumeRole"], swept.calls["cloudformation:ListStackInstances"]
    least = {
        "API Gateway": (swept.of_api_gateway, regions * (OVERHEAD + swept.size.apis)),
        "AssumeRole": (assume, 1),
        "ListStackInstances": (instances, (ceil(accounts * regions / 100) + ceil(accounts / 100)) / accounts),
    }
    others = swept.calls.total() - sum(count for count, _ in least.values())
    return [
        _compared(
            f"sweep of {accounts} accounts, {regions} regions, {swept.stages:,} stages, s", swept.seconds, swept.limit
        ),
        _compared(
            "first to last API Gateway call in one account and region, slowest, s", swept.slowest, swept.limit_of_one
        ),
        _compared("most API Gateway calls in one account and region in a second", swept.most, RATE),
        *(
            _compared(f"calls of an account and sweep: {name}", count / accounts, minimum)
            for name, (count, minimum) in least.items()
        ),
        ["calls of an account and sweep: others", others / accounts, "", ""],
        ["failed invocations, and messages in the dead-letter queue", swept.failed + swept.dead_letters, 0, ""],
        [
            f"{SWEEPS} sweeps, duration and number of invocations, USD",
            f"{_usd(swept.busy, swept.invocations):.2f}",
            f"{_usd(swept.works * seconds_of_a_sweep(STAGES, OVERHEAD), swept.works):.2f}",
            "",
        ],
    ]


def _usd(seconds: float, invocations: int) -> float:
    """Return USD per month for the invocations of a sweep each day, which take so many seconds in all."""
    duration = Item(DURATION, SWEEPS * seconds * MEMORY_MB / 1024)
    return duration.usd + Item(INVOCATIONS, SWEEPS * invocations).usd


def _memory(megabytes: dict[tuple[Function, int], int]) -> list[Row]:
    fewer, more = MEMORY_OF
    functions: dict[Function, str] = {"sweep": "sweeps", "enforce": "enforces"}
    return [
        _compared(
            f"memory of an environment that {verb} {more} accounts, and {fewer}, MB",
            megabytes[name, more],
            megabytes[name, fewer],
        )
        for name, verb in functions.items()
    ]


def _fair(found: Fairness, others: Sequence[Fairness]) -> list[Row]:
    seconds = ENFORCE.delay + SECONDS
    most = [each.most[1] for each in (found, *others)]
    return [
        _compared(f"{CHANGES:,} changes in one of {FAIR} accounts, s", found.busy[-1], found.limit),
        [
            f"{len(found.at_once)} accounts, one change each at the same moment, slowest, s",
            found.at_once[-1],
            seconds,
            "",
        ],
        [f"{len(found.meanwhile)} accounts, one change each meanwhile, slowest, s", found.meanwhile[-1], seconds, ""],
        *(
            _compared(
                f"most API Gateway calls in one account in {window} s, after the burst",
                found.most[window],
                window * RATE,
            )
            for window in WINDOWS
        ),
        [f"the same in 1 s, in {len(most)} runs", f"{min(most)} to {max(most)}", RATE, _ratio(max(most), RATE)],
        ["the same in 1 s, with the burst", found.most_at_first, "", ""],
        [f"least that is left of API Gateway's {QUOTA_BURST} calls at once, after the burst", found.left, "", ""],
        ["the same, with the burst", found.left_at_first, "", ""],
        ["calls above API Gateway's quota", sum(each.above_quota for each in (found, *others)), 0, ""],
        ["messages in the dead-letter queue", sum(each.dead_letters for each in (found, *others)), 0, ""],
        ["failed invocations", sum(each.failed for each in (found, *others)), 0, ""],
        _compared("times that a postponed message was put back", found.sends / max(found.postponed, 1), 1),
        ["calls of SQS for that", found.send_calls, "", ""],
    ]


def _goals(
    swept: OrganizationSweep,
    megabytes: dict[tuple[Function, int], int],
    found: Fairness,
    others: Sequence[Fairness],
) -> dict[str, bool]:
    """Return the goals, in words, and whether each is met."""
    fewer, more = MEMORY_OF
    functions: tuple[Function, ...] = ("sweep", "enforce")
    runs = (found, *others)
    return {
        "sweep within 1.2 of calls / allowed rate": swept.seconds <= swept.limit * 1.2 and swept.most <= RATE,
        "memory constant": all(megabytes[name, more] <= megabytes[name, fewer] * 1.05 for name in functions),
        f"many changes in one account: others compliant within {SECONDS} s after SettleSeconds": (
            max(found.at_once[-1], found.meanwhile[-1]) <= ENFORCE.delay + SECONDS
        ),
        "these within 1.1 of calls / rate": found.busy[-1] <= found.limit * 1.1,
        "after the burst, no second above SweepRate": all(each.most[1] <= RATE for each in runs),
        "no call above API Gateway's quota, none failed": not (
            any(each.above_quota or each.dead_letters or each.failed for each in runs)
            or swept.dead_letters
            or swept.failed
        ),
    }


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


def _notes(seconds: float) -> list[str]:
    return [
        (
            f"In simulated time, with an AWS in memory: a call takes {LATENCY * 1000:.0f} ms. One run, the same "
            f"each time, except memory; it took {seconds:.0f} s. The time of the function's own work is not included."
        ),
        (
            f"SweepRate {RATE}, for each account and region; {SWEEP.environments} environments of Sweep, "
            f"{ENFORCE.environments} of Enforce. An environment sweeps one region of one account at a time: the limit "
            "of a sweep is that of all calls at the rate in all environments. One account alone takes the time in the "
            "second row."
        ),
        (
            f"{(REST_APIS + HTTP_APIS)} APIs in each account and region, {REST_APIS} REST and {HTTP_APIS} HTTP, with "
            f"{STAGES} stages in all; in the sweep all are compliant."
        ),
        (
            "Minimum of AssumeRole: once for each account. Each environment assumes the role on its own, and a sweep "
            "spreads the regions of an account over them. Minimum of ListStackInstances: each stack set once."
        ),
        (
            "Memory: by how much the process grows while one environment does all the work. Without it, the "
            "functions take about 50 MB: see Cold start."
        ),
        (
            f"From change to compliance, SettleSeconds included, {ENFORCE.delay} s. The other accounts' changes are "
            f"behind those of the busy account in the queue. The burst is {BURST} calls, and one more in each "
            "environment."
        ),
        (
            "One second can have more calls than SweepRate, because a message makes its calls "
            "together, the environments do not know of each other, and each reads the account settings every five "
            f"minutes. API Gateway allows {QUOTA} calls per second in an account, "
            f"and {QUOTA_BURST} at once. The other {RUNS} runs have {FEWER} changes and other random numbers."
        ),
        "A message is put back again if its turn is later than 15 minutes, the longest delay of SQS.",
        (
            f"Costs: with the durations of this simulation and prices of {DATED}; as the limit, with the assumptions "
            "of [docs/cost.md](../docs/cost.md), which has the costs of the whole stack."
        ),
    ]


def main() -> None:
    began = time.monotonic()
    functions: tuple[Function, ...] = ("sweep", "enforce")
    with quiet(), ThreadPoolExecutor(max_workers=1) as pool:
        # On the other core: memory does not depend on time.
        pending: dict[tuple[Function, int], Future[int]] = {
            (name, accounts): pool.submit(organization_memory.measure, name, accounts)
            for name in functions
            for accounts in MEMORY_OF
        }
        swept = organization_sweep.measure(ACCOUNTS, _show)
        found = fairness.measure(FAIR, CHANGES, show=_show)
        others = [fairness.measure(FAIR, FEWER, seed=seed, show=_show) for seed in range(1, RUNS + 1)]
        _show("memory")
        megabytes = {key: future.result() for key, future in pending.items()}
    goals = _goals(swept, megabytes, found, others)
    missed = [goal for goal, is_met in goals.items() if not is_met]
    Result(
        name="organization",
        title="An organization",
        goal="; ".join(goals),
        is_met=all(goals.values()),
        columns=["figure", "measured", "limit or minimum", "ratio"],
        rows=[*_sweep(swept), *_memory(megabytes), *_fair(found, others)],
        notes=[f"Goals missed: {'; '.join(missed) or 'none'}.", *_notes(time.monotonic() - began)],
        plot=_plot(found),
    ).save()


if __name__ == "__main__":
    main()
