"""Compare a sweep of one region by Cloud Custodian and by Log Keeper. Each tool and the account have their own process.

Custodian's policy does all that a policy can: it gives REST stages one fixed access log destination and the level
ERROR.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results import Plot, Result, Samples, ratios

if TYPE_CHECKING:
    from sandbox.assembly import Sandbox

# Only the process of the account imports the sandbox: Linux first counts the memory of the parent for a new process, so
# this process must stay small.

ROOT = Path(__file__).parent.parent
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
#: Times Custodian's time that a sweep of non-compliant stages may take, which also creates two log groups for each.
_LONGEST = 2
#: MB by which the memory of Log Keeper may grow from the smallest account to the largest.
_FLAT = 5

#: Runs Log Keeper without awscrt, as on Lambda: only the tools need it, but botocore loads its 7 MB if it is installed.
_SWEEP = """
import runpy, sys
sys.modules["awscrt"] = None
runpy.run_module("benchmarks.whole_sweep", run_name="__main__", alter_sys=True)
"""
_DESTINATION = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/access"
POLICY = rf"""
policies:
  - name: stages-log
    resource: aws.rest-stage
    filters:
      - or:
          - accessLogSettings.destinationArn: absent
          - not:
              - methodSettings."*/*".loggingLevel: ERROR
          - methodSettings."*/*".dataTraceEnabled: true
    actions:
      - type: update
        patch:
          - {{op: replace, path: /accessLogSettings/destinationArn, value: "{_DESTINATION}"}}
          - {{op: replace, path: /accessLogSettings/format, value: "$context.requestId $context.status"}}
          - {{op: replace, path: /*/*/logging/loglevel, value: ERROR}}
          - {{op: replace, path: /*/*/logging/dataTrace, value: "false"}}
"""


# ---- functions that run in the process of the account


_account: list[Sandbox] = []


def _start(rest: int, http: int, websocket: int, overridden: int, stages: int) -> dict[str, str]:
    """Start an account with so many APIs, without a compliant stage. Return the environment for its callers."""
    from benchmarks.simulated import make_http_apis, make_rest_apis
    from sandbox.assembly import Sandbox
    from testing.accounts import (
        make_http_stage,
        make_rest_stage,
        make_role,
        make_websocket_stage,
        patch_stage,
        set_log_role,
    )
    from testing.builders import ENVIRONMENT

    sandbox = Sandbox(iam_propagation_seconds=0).start()
    _account.append(sandbox)
    set_log_role(sandbox, make_role(sandbox))
    sandbox.client("logs").create_log_group(logGroupName=_DESTINATION.rpartition(":")[2])
    sandbox.client("scheduler").create_schedule_group(Name="opt-ins")
    sqs = sandbox.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("StageQueue", "SweepQueue")}
    if stages > 1:
        make_rest_apis(sandbox, rest, stages)
        make_http_apis(sandbox, http, stages)
        rest = http = 0
    for number in range(rest):
        api_id = make_rest_stage(sandbox)
        if number < overridden:
            patch_stage(sandbox, api_id, ("replace", "/~1/GET/logging/loglevel", "INFO"))
    for _ in range(http):
        make_http_stage(sandbox)
    for _ in range(websocket):
        make_websocket_stage(sandbox)
    return (
        sandbox.environment()
        | ENVIRONMENT
        | {
            "SCHEDULE_GROUP": "opt-ins",
            "STAGE_QUEUE_ARN": f"arn:aws:sqs:us-east-1:{sandbox.account_id}:StageQueue",
            "STAGE_QUEUE_URL": urls["StageQueue"],
            "SWEEP_QUEUE_URL": urls["SweepQueue"],
            # The sender of the sweep's messages, as SQS knows it: the account's administrator makes all calls here.
            "SWEEP_ROLE_ID": sandbox.administrator.user_identity["principalId"],
            # Practically no limit: Custodian has none either.
            "SWEEP_RATE": str(10**9),
        }
    )


def _calls(since: int) -> tuple[int, dict[str, int]]:
    """Return the number of all calls so far, and the numbers of calls since ``since`` by service."""
    from benchmarks.simulated import calls_by_service

    made = _account[0].calls
    failed = [each for each in made[since:] if each.status >= 400]
    assert not failed, failed[0]
    return len(made), dict(calls_by_service(made[since:]))


def count_logging() -> int:
    """Return the number of stages with access logs and, unless the API is HTTP, ERROR for each method and route."""
    v1, v2 = _account[0].client("apigateway"), _account[0].client("apigatewayv2")
    count = 0
    for api in (each for page in v1.get_paginator("get_rest_apis").paginate() for each in page["items"]):
        for stage in v1.get_stages(restApiId=api["id"])["item"]:
            levels = {settings.get("loggingLevel") for settings in stage.get("methodSettings", {}).values()}
            count += "accessLogSettings" in stage and levels == {"ERROR"}
    for api in (each for page in v2.get_paginator("get_apis").paginate() for each in page["Items"]):
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            settings = [stage.get("DefaultRouteSettings", {}), *stage.get("RouteSettings", {}).values()]
            has_levels = api["ProtocolType"] == "HTTP" or {each.get("LoggingLevel") for each in settings} == {"ERROR"}
            count += "AccessLogSettings" in stage and has_levels
    return count


def first_stage() -> tuple[str, str, str]:
    """Return the API's id, the name and the deployment of the first REST stage."""
    client = _account[0].client("apigateway")
    api_id = client.get_rest_apis()["items"][0]["id"]
    stage = client.get_stages(restApiId=api_id)["item"][0]
    return api_id, stage["stageName"], stage["deploymentId"]


def _stop() -> None:
    _account.pop().stop()


# ---- measurements


@dataclass(frozen=True, slots=True)
class Run:
    """A process that ended without an error. ``memory``: peak in MB. ``calls``: numbers by service."""

    wall: float
    cpu: float
    memory: float
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account in its own process."""

    process: ProcessPoolExecutor
    environment: dict[str, str]

    def ask(self, question: Any, *arguments: Any) -> Any:
        return self.process.submit(question, *arguments).result()

    def measure(self, command: list[str], folder: Path) -> Run:
        """Run the command with this account, and return its measurements."""
        seen, _ = self.ask(_calls, 0)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (folder / "output").open("w+") as output:
            began = time.monotonic()
            process = subprocess.Popen(  # noqa: S603 -- our own commands
                command, cwd=folder, env=environment | self.environment, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            assert process.returncode == 0, output.read()[-5000:]
        unit = 1 if sys.platform == "darwin" else 1024
        _, calls = self.ask(_calls, seen)
        return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6, calls)


@contextmanager
def account(rest: int, http: int = 0, websocket: int = 0, overridden: int = 0, *, stages: int = 1) -> Iterator[Account]:
    """Start an account with so many APIs, none of whose stages is compliant."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield Account(process, process.submit(_start, rest, http, websocket, overridden, stages).result())
        process.submit(_stop).result()


def run_custodian(there: Account) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policy.yml").write_text(POLICY)
        custodian = str(ROOT / ".venv-bench" / "bin" / "custodian")
        return there.measure(
            [custodian, "run", "--region", "us-east-1", "--cache", "cache", "--output-dir", "out", "policy.yml"], folder
        )


def run_ours(there: Account, mode: str = "Enforce") -> Run:
    with tempfile.TemporaryDirectory() as name:
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        return there.measure(
            ["/usr/bin/env", f"PYTHONPATH={path}", f"MODE={mode}", sys.executable, "-c", _SWEEP],
            Path(name),
        )


OURS = "Log Keeper"
TOOLS = {"Custodian": run_custodian, OURS: run_ours}


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


def measure(rounds: int, rest: int, *others: int) -> dict[tuple[str, str], Measured]:
    """Return the measurements by state of the stages and tool. Each round gives each tool its own account."""
    found: dict[tuple[str, str], Measured] = {}
    for _ in range(rounds):
        with account(rest, *others) as theirs, account(rest, *others) as ours:
            accounts = dict(zip(TOOLS, (theirs, ours), strict=True))
            for state in ("non-compliant", *["compliant"] * SWEEPS_OF_COMPLIANT):
                for tool, there in accounts.items():
                    done = TOOLS[tool](there)
                    found.setdefault((state, tool), Measured()).add(done, there.ask(count_logging))
    return found


def minimum(rest: int, v2: int, writes: int) -> int:
    """Return the calls to API Gateway that Log Keeper cannot do without.

    The lists of APIs, the stages of each, the writes, and the account settings: once in each function that needs them.
    """
    return -(-rest // 500) + max(1, -(-v2 // 500)) + rest + v2 + writes + (2 if writes else 1)


def _row(of: str, state: str, tool: str, found: dict[tuple[str, str], Measured]) -> list[str | int | float]:
    ours, theirs = found[state, tool], found[state, "Custodian"]
    calls = ours.calls["API Gateway"]
    is_ours = tool == OURS
    rest, v2 = MIXED_APIS if of == MIXED_NAME else (int(of.split()[0].replace(",", "")), 0)
    least = minimum(rest, v2, rest + v2 if state == "non-compliant" else 0)
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


def _is_reached(found: dict[tuple[str, str], Measured], state: str) -> bool:
    ours, theirs = found[state, OURS], found[state, "Custodian"]
    longest = 1 if state == "compliant" else _LONGEST
    return ours.calls["API Gateway"] <= theirs.calls["API Gateway"] and ratios(ours.wall, theirs.wall).median < longest


def _sizes(found: list[int]) -> str:
    return f"{' and '.join(f'{size:,}' for size in found)} stages" if found else "none"


def main() -> None:
    sizes = {size: measure(rounds, size) for size, rounds in SIZES.items()}
    found = {f"{size:,} REST": each for size, each in sizes.items()}
    found[MIXED_NAME] = measure(min(SIZES.values()), *MIXED)
    small, large = min(SIZES), max(SIZES)
    memory = []
    for region in REGIONS:
        with account(*region, stages=10) as there:
            memory.append(run_ours(there, "Audit").memory)
    grown = sizes[large]["non-compliant", OURS].memory.median - sizes[small]["non-compliant", OURS].memory.median
    states = ("compliant", "non-compliant")
    reached = {state: [size for size, each in sizes.items() if _is_reached(each, state)] for state in states}
    Result(
        name="custodian",
        title="Sweep compared with Cloud Custodian",
        goal=(
            "at most as many API Gateway calls as Custodian, in less time (non-compliant: at most 2 times), while "
            "covering more; constant memory"
        ),
        is_met=all(found == list(sizes) for found in reached.values()) and max(grown, memory[1] - memory[0]) < _FLAT,
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
            _row(of, state, tool, each) for of, each in found.items() for state in reversed(states) for tool in TOOLS
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
                "are empty; on Lambda three run at once. It does all of the above, checks "
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
                "with a retention, a message and an event. On AWS the rate decides: SweepRate, by default 4 calls per "
                "second."
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
                f"In the last rows, {MIXED[3]} of the REST stages have a method at INFO. Required logging: access "
                "logs, and ERROR for each method and route, unless the API is HTTP."
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
