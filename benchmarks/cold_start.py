"""Measure the time from a new process to the answer of its first invocation, with Lambda's runtime client.

The stage is compliant. Runs alternate between our functions, a baseline that only creates the same clients, and Cloud
Custodian's function.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.custodian_account import POLICY, ROOT, Account, account, first_stage, run_ours
from benchmarks.results import Plot, Result, Samples, ratios
from log_keeper.stages import ApiVersion, StageRef, access_log_group, execution_log_group
from sandbox.services.lambda_.execution_environment import ExecutionEnvironment, Invocation, link_runtime
from testing.builders import updated
from tools import package

RUNS = int(os.environ.get("BENCH_RUNS", "3")) if os.environ.get("BENCH_QUICK") else 25
GOAL = 1.15
BASELINE, OURS = "baseline: only the clients", "Enforce"

#: The baseline: it only creates the clients that Enforce needs for a compliant stage; ``with_calls`` also makes its
#: calls.
_BASELINE = """
import json
import boto3
gateway, logs, iam = (boto3.client(name) for name in ("apigateway", "logs", "iam"))
def handler(event, context):
    return {"batchItemFailures": []}
def with_calls(event, context):
    [record] = event["Records"]
    names = json.loads(record["body"])["detail"]["requestParameters"]
    gateway.get_stage(**names)
    role = gateway.get_account()["cloudwatchRoleArn"]
    iam.get_role(RoleName=role.rpartition("/")[2])
    iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["logs:PutLogEvents"])
    logs.describe_log_groups(logGroupIdentifiers=event["groups"])
    return {"batchItemFailures": []}
"""

#: Writes the package that Custodian would upload for the policy to a file.
_PACK = """
import sys, shutil, yaml
from c7n.config import Config
from c7n.mu import PolicyLambda
from c7n.policy import PolicyCollection
from c7n.resources import load_resources
load_resources(("aws.rest-stage",))
options = Config.empty(region="us-east-1", account_id=sys.argv[1], output_dir="/tmp")
data = yaml.safe_load(sys.argv[2])
data["policies"][0]["mode"] = {
    "type": "cloudtrail",
    "role": "any",
    "runtime": "python3.13",
    "events": [
        {"source": "apigateway.amazonaws.com", "event": "UpdateStage", "ids": "responseElements.deploymentId"}
    ],
}
[policy] = PolicyCollection.from_data(data, options)
archive = PolicyLambda(policy).get_archive()
shutil.copy(archive.path, sys.argv[3])
"""


@dataclass(slots=True)
class Function:
    """A function and the measurements of its cold starts: milliseconds, milliseconds of CPU, and MB of peak memory."""

    name: str
    handler: str
    task_root: Path
    event: dict[str, Any]
    init: Samples = field(default_factory=Samples)
    first: Samples = field(default_factory=Samples)
    total: Samples = field(default_factory=Samples)
    cpu: Samples = field(default_factory=Samples)
    memory: Samples = field(default_factory=Samples)

    def start(self, runtime_root: Path, variables: dict[str, str]) -> None:
        """Start the function, invoke it once, end it, and add the measurements."""
        lines: list[str] = []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = ExecutionEnvironment(self.handler, self.task_root, runtime_root, variables, lines.extend)
        try:
            arn = "arn:aws:lambda:us-east-1:123456789012:function:it"
            outcome = environment.invoke(Invocation(str(uuid.uuid4()), json.dumps(self.event).encode(), arn), 60)
            assert outcome.kind == "response", "\n".join([outcome.payload.decode(), *lines])
            assert b'"itemIdentifier"' not in outcome.payload, "\n".join(lines)
            assert outcome.init_duration is not None
            memory = environment.max_memory_mb()
        finally:
            environment.kill()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        for samples, value in (
            (self.init, 1000 * outcome.init_duration),
            (self.first, 1000 * outcome.duration),
            (self.total, 1000 * (outcome.init_duration + outcome.duration)),
            (self.cpu, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)),
            (self.memory, memory),
        ):
            samples.values.append(value)


def _messages(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(number), "receiptHandle": "", "body": json.dumps(body), "eventSource": "aws:sqs"}
            for number, body in enumerate(bodies)
        ]
    }


def _size(folder: Path) -> tuple[float, float]:
    """Return the size of the package in MB, zipped and unpacked."""
    with tempfile.TemporaryDirectory() as name:
        zipped = Path(shutil.make_archive(f"{name}/package", "zip", folder)).stat().st_size
    return zipped / 1e6, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _functions(folder: Path, there: Account) -> list[Function]:
    """Return the functions to compare, each with its package unpacked."""
    api_id, stage_name, deployment_id = there.ask(first_stage)
    changed = updated(api_id, stage_name)
    changed["detail"]["responseElements"] = {"deploymentId": deployment_id}
    ref = StageRef(there.environment["ACCOUNT_ID"], "us-east-1", ApiVersion.V1, api_id, stage_name)
    message = _messages(changed) | {"groups": [execution_log_group(ref), access_log_group(ref)]}

    sweep = _messages({"region": "us-east-1", "apis": [[api_id, "REST"]]})

    ours, as_built, custodian = (folder / name for name in ("ours", "as_built", "custodian"))
    shutil.copytree(ROOT / ".aws-sam" / "build" / "EnforceFunction", ours)
    (ours / "baseline.py").write_text(_BASELINE)
    package.compile_all(ours)
    shutil.copytree(ours, as_built, ignore=shutil.ignore_patterns("__pycache__"))
    python = ROOT / ".venv-bench" / "bin" / "python"
    subprocess.run(  # noqa: S603 - our own script
        [python, "-c", _PACK, ref.account, POLICY, f"{custodian}.zip"], check=True, env=there.environment, cwd=folder
    )
    shutil.unpack_archive(f"{custodian}.zip", custodian)
    return [
        Function(BASELINE, "baseline.handler", ours, message),
        Function("baseline that makes the same calls", "baseline.with_calls", ours, message),
        Function(OURS, "handlers.enforce.handler", ours, message),
        Function("Sweep, one API with one compliant stage", "handlers.sweep.handler", ours, sweep),
        Function("Custodian", "custodian_policy.run", custodian, changed),
        Function(f"{BASELINE}, no bytecode", "baseline.handler", as_built, message),
        Function(f"{OURS}, no bytecode", "handlers.enforce.handler", as_built, message),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name, account(1) as there:
        folder = Path(name)
        run_ours(there)  # makes the stage compliant
        functions = _functions(folder, there)
        runtime_root = link_runtime(folder / "runtime")
        variables = there.environment | {
            "AWS_LAMBDA_FUNCTION_NAME": "it",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            # Lambda's /var/task is read-only.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for _ in range(RUNS):
            for function in functions:
                function.start(runtime_root, variables)
        by_name = {function.name: function for function in functions}
        baseline, ours, custodian = (by_name[each] for each in (BASELINE, OURS, "Custodian"))
        sizes = {function.name: _size(function.task_root) for function in functions}
    reached = ratios(ours.total, baseline.total).median
    halved = ratios(ours.total, by_name[f"{OURS}, no bytecode"].total)
    Result(
        name="cold_start",
        title="Cold start",
        goal=f"import and first invocation within {GOAL} of a function that only creates the same boto3 clients",
        is_met=reached <= GOAL,
        columns=[
            "function",
            "import, ms",
            "first invocation, ms",
            "both, ms",
            "ratio to the baseline",
            "ratio to Custodian",
            "CPU, ms",
            "peak memory, MB",
            "package, MB",
            "unpacked, MB",
        ],
        rows=[
            [
                each.name,
                str(each.init),
                str(each.first),
                str(each.total),
                str(ratios(each.total, baseline.total)) if each is not baseline else "",
                str(ratios(each.total, custodian.total)) if each is not custodian else "",
                str(each.cpu),
                str(each.memory),
                *(f"{size:.1f}" for size in sizes[each.name]),
            ]
            for each in functions
        ],
        notes=[
            (
                f"{RUNS} alternating runs each: a new process with Lambda's runtime client (`awslambdaric`), one "
                "invocation, the end of the process. The stage is compliant; files are in the cache of the machine."
            ),
            (
                "Enforce makes five calls in its first invocation: the stage, the account settings (once in five "
                "minutes), the log role and its permissions in IAM, the log groups. The sandbox answers each in a few "
                "milliseconds."
            ),
            (
                f"`make build` adds Python bytecode to the package: {halved} of the time without it, because "
                "Lambda's `/var/task` is read-only and every environment would compile all modules. It also removes "
                "botocore's models of services that are not called, which are most of the package."
            ),
            (
                "Custodian: the handler that it creates for a policy on UpdateStage, with `aws.rest-stage` loaded. It "
                "uses the boto3 of the runtime, which has bytecode here; ours is in the package, pinned."
            ),
        ],
        plot=Plot(
            "bars",
            [each.name for each in functions],
            {
                "import": [each.init.median for each in functions],
                "first invocation": [each.first.median for each in functions],
            },
            "milliseconds",
        ),
    ).save()


if __name__ == "__main__":
    main()
