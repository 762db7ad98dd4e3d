"""A region's stages put in line by Cloud Custodian and by us, each a process of its own, and so is the account.

Custodian's policy does all that one can: REST stages get one fixed access log destination and the level ERROR.
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

# Nothing of the sandbox is imported but in the account's process: Linux counts the memory of who starts a process as
# that one's own, for a moment, so that this one has to stay small.

ROOT = Path(__file__).parent.parent
#: How many REST APIs, of one stage each -> in how many turns.
SIZES = {20: 2, 60: 1} if os.environ.get("BENCH_QUICK") else {20: 7, 200: 5, 1_320: 2}
#: How often each turn sweeps what is in line.
IN_LINE = 3
#: REST, HTTP and WebSocket APIs; of the first, so many have a method with settings of its own.
MIXED = (12, 6, 2, 4) if os.environ.get("BENCH_QUICK") else (120, 60, 20, 40)

#: REST and HTTP APIs, of ten stages each: few, and the largest region.
REGIONS = ((4, 2), (20, 10)) if os.environ.get("BENCH_QUICK") else ((20, 10), (1_320, 600))
#: MB that our memory may grow by from the smallest account to the largest.
_FLAT = 5

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


# ---- the account: what follows runs in its process


_account: list[Sandbox] = []


def _start(rest: int, http: int, websocket: int, overridden: int, stages: int) -> dict[str, str]:
    """An account with so many APIs, no stage in line; gives the environment of who speaks to it."""
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
            # As good as none: Custodian has none either.
            "SWEEP_RATE": str(10**9),
        }
    )


def _calls(since: int) -> tuple[int, dict[str, int]]:
    """How many calls there were so far, and of those since then how many went where."""
    from benchmarks.simulated import calls_by_service

    made = _account[0].calls
    failed = [each for each in made[since:] if each.status >= 400]
    assert not failed, failed[0]
    return len(made), dict(calls_by_service(made[since:]))


def _logging() -> int:
    """How many stages have access logs and, where there is such a thing, ERROR for each method and route."""
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
    """The API, the name and the deployment of the first REST stage."""
    client = _account[0].client("apigateway")
    api_id = client.get_rest_apis()["items"][0]["id"]
    stage = client.get_stages(restApiId=api_id)["item"][0]
    return api_id, stage["stageName"], stage["deploymentId"]


def _stop() -> None:
    _account.pop().stop()


# ---- what is measured


@dataclass(frozen=True, slots=True)
class Run:
    """A process that ended well. ``memory``: in MB, at its peak. ``calls``: by service."""

    wall: float
    cpu: float
    memory: float
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account in a process of its own."""

    process: ProcessPoolExecutor
    environment: dict[str, str]

    def ask(self, question: Any, *arguments: Any) -> Any:
        return self.process.submit(question, *arguments).result()

    def measure(self, command: list[str], folder: Path) -> Run:
        """The command has run against this account."""
        seen, _ = self.ask(_calls, 0)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (folder / "output").open("w+") as output:
            began = time.monotonic()
            process = subprocess.Popen(  # noqa: S603 - our own commands
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
    """A new account with so many APIs, all of whose stages are out of line."""
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
            ["/usr/bin/env", f"PYTHONPATH={path}", f"MODE={mode}", sys.executable, "-m", "benchmarks.whole_sweep"],
            Path(name),
        )


TOOLS = {"Custodian": run_custodian, "ours": run_ours}


@dataclass(slots=True)
class Measured:
    """The same thing several times. ``calls``: the same each time."""

    wall: Samples = field(default_factory=Samples)
    cpu: Samples = field(default_factory=Samples)
    memory: Samples = field(default_factory=Samples)
    calls: dict[str, int] = field(default_factory=dict)
    #: Stages that log as asked, afterwards.
    logging: int = 0

    def add(self, run: Run, logging: int) -> None:
        for samples, value in ((self.wall, run.wall), (self.cpu, run.cpu), (self.memory, run.memory)):
            samples.values.append(value)
        assert not self.calls or self.calls == run.calls, (self.calls, run.calls)
        self.calls, self.logging = run.calls, logging


def measure(turns: int, rest: int, *others: int) -> dict[tuple[str, str], Measured]:
    """By the state of the stages and the tool; in each turn each tool has an account of its own."""
    found: dict[tuple[str, str], Measured] = {}
    for _ in range(turns):
        with account(rest, *others) as theirs, account(rest, *others) as ours:
            accounts = dict(zip(TOOLS, (theirs, ours), strict=True))
            for state in ("out of line", *["in line"] * IN_LINE):
                for tool, there in accounts.items():
                    done = TOOLS[tool](there)
                    found.setdefault((state, tool), Measured()).add(done, there.ask(_logging))
    return found


def _row(of: str, state: str, tool: str, found: dict[tuple[str, str], Measured]) -> list[str | int | float]:
    ours, theirs = found[state, tool], found[state, "Custodian"]
    calls = ours.calls["API Gateway"]
    is_ours = tool == "ours"
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
        sum(ours.calls.values()) - calls,
        ours.logging,
    ]


def _is_reached(found: dict[tuple[str, str], Measured], state: str) -> bool:
    ours, theirs = found[state, "ours"], found[state, "Custodian"]
    return ours.calls["API Gateway"] <= theirs.calls["API Gateway"] and ratios(ours.wall, theirs.wall).median < 1


def _sizes(found: list[int]) -> str:
    return f"{' and '.join(f'{size:,}' for size in found)} stages" if found else "none"


def main() -> None:
    sizes = {size: measure(turns, size) for size, turns in SIZES.items()}
    rest, http, websocket, overridden = MIXED
    found = {f"{size:,} REST": each for size, each in sizes.items()}
    found[f"{rest} REST, {http} HTTP, {websocket} WebSocket"] = measure(min(SIZES.values()), *MIXED)
    small, large = min(SIZES), max(SIZES)
    memory = []
    for region in REGIONS:
        with account(*region, stages=10) as there:
            memory.append(run_ours(there, "Audit").memory)
    grown = sizes[large]["out of line", "ours"].memory.median - sizes[small]["out of line", "ours"].memory.median
    states = ("in line", "out of line")
    reached = {state: [size for size, each in sizes.items() if _is_reached(each, state)] for state in states}
    Result(
        name="custodian",
        title="Sweep against Cloud Custodian",
        goal="no more calls of API Gateway than Custodian's, and less time, while covering more; memory flat",
        is_met=all(found == list(sizes) for found in reached.values()) and max(grown, memory[1] - memory[0]) < _FLAT,
        columns=[
            "stages, one an API",
            "before",
            "tool",
            "time, s",
            "to Custodian's",
            "CPU, s",
            "to Custodian's",
            "peak memory, MB",
            "calls of API Gateway",
            "to Custodian's",
            "other calls",
            "stages that log as asked, after",
        ],
        rows=[
            _row(of, state, tool, each) for of, each in found.items() for state in reversed(states) for tool in TOOLS
        ],
        notes=[
            (
                f"In turns, {', '.join(f'{turns} of {size:,}' for size, turns in SIZES.items())}, with "
                f"{IN_LINE} sweeps of what is in line in each; each tool in an account of its own that is another "
                "process. Time and CPU are of the whole process, from its start. Neither is paced: Custodian cannot "
                "be, and ours waits for no rate here."
            ),
            (
                "Custodian: `custodian run` with one policy on `aws.rest-stage`, which filters stages out of line and "
                "updates each to ERROR and to one fixed access log group. That is all that it can do: no HTTP and "
                "WebSocket stages, no methods with settings of their own, no destination of each stage's own, no log "
                "groups and no retention."
            ),
            (
                "Ours: the handler of Sweep and then that of Enforce over their queues until those are empty, one "
                "batch after the other, in one process; on Lambda they are three at once. Besides all of the above it "
                "looks at the log role and the trail, and tells EventBridge of each change. Its other calls hold those "
                "by which this benchmark takes messages in Lambda's place."
            ),
            (
                f"All in line, as on nearly every day: the goal is reached with {_sizes(reached['in line'])}. "
                "Two calls are not Custodian's: the list of HTTP and WebSocket APIs, and the account settings. "
                "Custodian lists REST APIs in smaller pages, which counts from some dozens on."
            ),
            (
                f"All out of line, as on the first day: the goal is reached with {_sizes(reached['out of line'])}. "
                "Custodian writes what it read at the beginning. Here the stage is read again before it is written "
                "to, so that nothing that changed meanwhile is undone: one call more for each stage. The time goes "
                "into calls that Custodian does not make: for each stage two log groups, each with a retention, a "
                "message, an event. On AWS it is the rate that decides: SweepRate, by default 4 calls a second."
            ),
            (
                f"Our peak memory from {small:,} to {large:,} stages out of line: {grown:+.1f} MB. Of a sweep that "
                f"only reports, from {sum(REGIONS[0]) * 10:,} stages to {sum(REGIONS[1]) * 10:,}, the largest region: "
                f"{memory[1] - memory[0]:+.1f} MB."
            ),
            (
                f"In the last rows, {overridden} of the REST stages have a method at INFO. To log as asked: access "
                "logs, and ERROR for each method and route, if the kind has it."
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
