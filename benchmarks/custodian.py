"""Compare a sweep of one region by Cloud Custodian and by Log Keeper. Each tool and the account have their own process.

Custodian's policy does all that a policy can: it gives REST stages one fixed access log destination and the level
ERROR.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial

from benchmarks.custodian_account import OURS, TOOLS, Run, account, count_logging, run_custodian, run_ours
from benchmarks.results import Plot, Result, Samples, ratios

#: Number of REST APIs with one stage each -> number of rounds.
SIZES = {20: 2, 60: 1} if os.environ.get("BENCH_QUICK") else {20: 7, 200: 5, 1_320: 2}
#: Number of sweeps of compliant stages in each round.
SWEEPS_OF_COMPLIANT = 3
#: Numbers of REST, HTTP and WebSocket APIs, and of REST APIs that have a method with its own settings.
MIXED = (12, 6, 2, 4) if os.environ.get("BENCH_QUICK") else (120, 60, 20, 40)

#: Numbers of REST and HTTP APIs with ten stages each: a small region, and the largest.
REGIONS = ((4, 2), (20, 10)) if os.environ.get("BENCH_QUICK") else ((20, 10), (1_320, 600))
MIXED_APIS = MIXED[0], MIXED[1] + MIXED[2]
MIXED_NAME = f"{MIXED[0]} REST, {MIXED[1]} HTTP, {MIXED[2]} WebSocket"
#: Milliseconds until the account begins with each answer -> number of REST APIs. Parameters of the experiment: AWS
#: publishes no times of these calls.
SLOW = {25: 12, 100: 6} if os.environ.get("BENCH_QUICK") else {25: 1_320, 100: 200}
#: Environments of Enforce that run at the same time as the sweep then: the default of the template.
ENVIRONMENTS = 2
#: Times Custodian's time that a sweep of non-compliant stages may take, which also creates two log groups for each.
_LONGEST = 2
#: MB by which the memory of Log Keeper may grow from the smallest account to the largest.
_FLAT = 5


@dataclass(slots=True)
class Measured:
    """Measurements of several runs. ``calls``: by service, the most in a run."""

    wall: Samples = field(default_factory=Samples)
    cpu: Samples = field(default_factory=Samples)
    memory: Samples = field(default_factory=Samples)
    calls: dict[str, int] = field(default_factory=dict)
    #: Number of stages with the required logging afterwards.
    logging: int = 0

    def add(self, run: Run, logging: int) -> None:
        for samples, value in ((self.wall, run.wall), (self.cpu, run.cpu), (self.memory, run.memory)):
            samples.values.append(value)
        # Receiving messages is a call too, and how many there are depends on time.
        self.calls = {name: max(count, self.calls.get(name, 0)) for name, count in run.calls.items()}
        self.logging = logging


type Table = dict[tuple[str, str], Measured]


def measure(rounds: int, rest: int, *others: int) -> Table:
    """Return the measurements by state of the stages and tool. Each round gives each tool its own account."""
    found: Table = {}
    for _ in range(rounds):
        with account(rest, *others) as theirs, account(rest, *others) as ours:
            accounts = dict(zip(TOOLS, (theirs, ours), strict=True))
            for state in ("non-compliant", *["compliant"] * SWEEPS_OF_COMPLIANT):
                for tool, there in accounts.items():
                    done = TOOLS[tool](there)
                    found.setdefault((state, tool), Measured()).add(done, there.ask(count_logging))
    return found


def measure_slow(rest: int, milliseconds: int) -> Table:
    """Return the measurements of non-compliant stages, with an account that begins with each answer after that time."""
    found: Table = {}
    runs = (("Custodian", run_custodian), (OURS, partial(run_ours, environments=ENVIRONMENTS)))
    for tool, run in runs:
        with account(rest, latency=milliseconds / 1000) as there:
            found["non-compliant", tool] = measured = Measured()
            measured.add(run(there), there.ask(count_logging))
    return found


def minimum(rest: int, v2: int, writes: int, environments: int = 1) -> int:
    """Return the calls to API Gateway that Log Keeper cannot do without.

    The lists of APIs, the stages of each, the writes, and the account settings: once in the sweep, and once in each
    environment of Enforce.
    """
    return -(-rest // 500) + max(1, -(-v2 // 500)) + rest + v2 + writes + 1 + (environments if writes else 0)


def _row(of: str, state: str, tool: str, found: Table) -> list[str | int | float]:
    ours, theirs = found[state, tool], found[state, "Custodian"]
    calls = ours.calls["API Gateway"]
    is_ours = tool == OURS
    rest, v2 = MIXED_APIS if of == MIXED_NAME else (int(of.split()[0].replace(",", "")), 0)
    environments = 1 if "ms" not in of else ENVIRONMENTS
    least = minimum(rest, v2, rest + v2 if state == "non-compliant" else 0, environments)
    return [
        of,
        f"all {state}",
        tool,
        str(ours.wall),
        str(ratios(ours.wall, theirs.wall)) if is_ours else "",
        str(ours.cpu),
        str(ratios(ours.cpu, theirs.cpu)) if is_ours else "",
        str(ours.memory),
        calls,
        f"{calls / theirs.calls['API Gateway']:.2f}" if is_ours else "",
        f"{calls / least:.2f}" if is_ours else "",
        sum(ours.calls.values()) - calls,
        ours.logging,
    ]


def _is_fast(found: Table, state: str) -> bool:
    longest = 1 if state == "compliant" else _LONGEST
    return ratios(found[state, OURS].wall, found[state, "Custodian"].wall).median < longest


def _is_reached(found: Table, state: str) -> bool:
    calls = {tool: found[state, tool].calls["API Gateway"] for tool in TOOLS}
    return calls[OURS] <= calls["Custodian"] and _is_fast(found, state)


def _sizes(found: list[int]) -> str:
    return f"{' and '.join(f'{size:,}' for size in found)} stages" if found else "none"


def main() -> None:
    sizes = {size: measure(rounds, size) for size, rounds in SIZES.items()}
    found = {f"{size:,} REST": each for size, each in sizes.items()}
    found[MIXED_NAME] = measure(min(SIZES.values()), *MIXED)
    slow = {f"{size:,} REST, answers after {each} ms": measure_slow(size, each) for each, size in SLOW.items()}
    found |= slow
    small, large = min(SIZES), max(SIZES)
    memory = []
    for region in REGIONS:
        with account(*region, stages=10) as there:
            memory.append(run_ours(there, "Audit").memory)
    grown = sizes[large]["non-compliant", OURS].memory.median - sizes[small]["non-compliant", OURS].memory.median
    states = ("compliant", "non-compliant")
    reached = {state: [size for size, each in sizes.items() if _is_reached(each, state)] for state in states}
    reached_slow = [name for name, each in slow.items() if _is_fast(each, "non-compliant")]
    Result(
        name="custodian",
        title="Sweep compared with Cloud Custodian",
        goal=(
            "at most as many API Gateway calls as Custodian, in less time (non-compliant: at most 2 times), while "
            "covering more; constant memory"
        ),
        is_met=all(found == list(sizes) for found in reached.values())
        and len(reached_slow) == len(slow)
        and max(grown, memory[1] - memory[0]) < _FLAT,
        columns=[
            "stages (one per API)",
            "before",
            "tool",
            "time, s",
            "ratio",
            "CPU, s",
            "ratio",
            "peak memory, MB",
            "API Gateway calls",
            "ratio",
            "to the minimum",
            "other calls",
            "stages with required logging, after",
        ],
        rows=[
            _row(of, state, tool, each)
            for of, each in found.items()
            for state in reversed(states)
            for tool in TOOLS
            if (state, tool) in each
        ],
        notes=[
            (
                f"Rounds: {', '.join(f'{rounds} with {size:,} APIs' for size, rounds in SIZES.items())}. In each round "
                f"both tools sweep non-compliant stages once and compliant stages {SWEEPS_OF_COMPLIANT} times, each "
                "tool in its own account, which is another process. Time and CPU are those of the whole process. "
                "Ratios are Log Keeper to Custodian. No rate limit: Custodian has none, and Log Keeper's is switched "
                "off here."
            ),
            (
                "Custodian: `custodian run` with one policy on `aws.rest-stage`, which selects non-compliant stages "
                "and sets ERROR and one fixed access log group on each. It cannot do more: no HTTP and WebSocket "
                "stages, no methods with their own settings, no destination for each stage, no log groups and no "
                "retention."
            ),
            (
                "Log Keeper: the handlers of Sweep and of Enforce, which take turns in one process until their queues "
                "are empty. It does all of the above, checks "
                "the log role and the trail, and publishes an event for each change. Its other calls include those "
                "with which this benchmark receives messages in place of Lambda."
            ),
            (
                "All compliant, as on nearly every day: the goal is reached with "
                f"{_sizes(reached['compliant'])}. Log Keeper makes two calls that Custodian does not make: the list of "
                "HTTP and WebSocket APIs, and the account settings. Custodian lists REST APIs in smaller pages, which "
                "matters from some dozens of APIs on."
            ),
            (
                "All non-compliant, as on the first day: the goal is reached with "
                f"{_sizes(reached['non-compliant'])}. Custodian writes what it has read at the beginning. Log Keeper "
                "writes within seconds of a read, and otherwise reads again, so that it does not undo a change made "
                "meanwhile. Calls that Custodian does not make take most of the time: for each stage two log groups "
                "with a retention, a message and an event. The account answers all calls from one Python process, so "
                "that their number decides."
            ),
            (
                f"Answers after {' and '.join(map(str, SLOW))} ms: the account waits before each answer, for all "
                "callers at the same time, as AWS would. One round. Log Keeper runs as on Lambda: the sweep, and "
                f"{ENVIRONMENTS} environments of Enforce, in processes of their own; CPU is their sum, memory that of "
                f"the largest. In at most {_LONGEST} times Custodian's time: {', '.join(reached_slow) or 'none'}. "
                "Without a rate limit, the sweep is faster than the remediation, so that messages wait and their "
                "stages are read again; with one, a message is due when its turn comes (see The largest region). On "
                "AWS the rate decides: SweepRate, by default 4 calls of API Gateway per second."
            ),
            (
                f"Peak memory of Log Keeper from {small:,} to {large:,} non-compliant stages: {grown:+.1f} MB. Of a "
                f"sweep in audit mode, from {sum(REGIONS[0]) * 10:,} stages to {sum(REGIONS[1]) * 10:,}, the largest "
                f"region: {memory[1] - memory[0]:+.1f} MB."
            ),
            (
                "Minimum: the lists of APIs, the stages of each API, one write for each non-compliant stage, and the "
                "account settings, once in each function."
            ),
            (
                f"Of the stages of three protocols, {MIXED[3]} of the REST stages have a method at INFO. Required "
                "logging: access logs, and ERROR for each method and route, unless the API is HTTP."
            ),
        ],
        plot=Plot(
            "bars",
            [f"{size:,} stages\n{state}" for state in states for size in SIZES],
            {tool: [each[state, tool].wall.median for state in states for each in sizes.values()] for tool in TOOLS},
            "seconds",
            log=True,
        ),
    ).save()


if __name__ == "__main__":
    main()
