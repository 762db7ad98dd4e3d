"""The account that Cloud Custodian and Log Keeper sweep, and the commands that sweep it. Each has its own process.

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
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.assembly import Sandbox
    from sandbox.core.call import Answer

# Only the process of the account imports the sandbox: Linux first counts the memory of the parent for a new process, so
# this process must stay small.

ROOT = Path(__file__).parent.parent
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
#: Seconds until the account begins with an answer; 0 while it is prepared or asked by the process that measures.
_latency = [0.0]


def _wait(_there: object, _call: object, answer: Callable[[], Answer]) -> Answer:
    time.sleep(_latency[0])
    return answer()


def _set_latency(seconds: float) -> None:
    _latency[0] = seconds


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
    # Nearest to the caller, so that calls wait at the same time, before the account's lock.
    sandbox.interposers.insert(0, _wait)
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


# ---- functions of the process that measures


@dataclass(frozen=True, slots=True)
class Run:
    """A command that ended without an error. ``memory``: peak in MB, of its largest process. ``calls``: by service."""

    wall: float
    cpu: float
    memory: float
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account in its own process. ``latency``: seconds until it begins with an answer to a tool's call."""

    process: ProcessPoolExecutor
    environment: dict[str, str]
    latency: float

    def ask(self, question: Any, *arguments: Any) -> Any:
        return self.process.submit(question, *arguments).result()

    def measure(self, command: list[str], folder: Path) -> Run:
        """Run the command with this account, and return its measurements."""
        seen, _ = self.ask(_calls, 0)
        self.ask(_set_latency, self.latency)
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
        self.ask(_set_latency, 0.0)
        unit = 1 if sys.platform == "darwin" else 1024
        _, calls = self.ask(_calls, seen)
        return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6, calls)


@contextmanager
def account(
    rest: int, http: int = 0, websocket: int = 0, overridden: int = 0, *, stages: int = 1, latency: float = 0
) -> Iterator[Account]:
    """Start an account with so many APIs, none of whose stages is compliant. ``latency``: see ``Account``."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield Account(process, process.submit(_start, rest, http, websocket, overridden, stages).result(), latency)
        process.submit(_stop).result()


def run_custodian(there: Account) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policy.yml").write_text(POLICY)
        custodian = str(ROOT / ".venv-bench" / "bin" / "custodian")
        return there.measure(
            [custodian, "run", "--region", "us-east-1", "--cache", "cache", "--output-dir", "out", "policy.yml"], folder
        )


def run_ours(there: Account, mode: str = "Enforce", environments: int = 0) -> Run:
    """Run the sweep and the remediation. ``environments``: see ``whole_sweep``."""
    with tempfile.TemporaryDirectory() as name:
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        return there.measure(
            [
                *("/usr/bin/env", f"PYTHONPATH={path}", f"MODE={mode}"),
                *(sys.executable, "-c", _SWEEP, str(environments)),
            ],
            Path(name),
        )


OURS = "Log Keeper"
TOOLS = {"Custodian": run_custodian, OURS: run_ours}
