"""Measure the wall time from the call that creates a stage until the stage is compliant, with a deployed stack.

First one stage after another, with the pause that the rate requires; then all at once.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks.results import Plot, Result
from benchmarks.simulated import calls_by_service
from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.call import CallRecord
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from testing.accounts import make_rest_api, make_role, set_log_role

STAGES = 20 if os.environ.get("BENCH_QUICK") else 200
STAGES_OF_AN_API = 10
#: Calls of API Gateway a second: the largest SweepRate, so that the program is measured and not its rate limit.
RATE = 10
#: Calls above the rate that are allowed after a pause, and the number of environments that share the rate and these.
BURST, ENVIRONMENTS = 20, 2
#: A read and a write of each stage.
CALLS = 2

type Stage = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """The account with the stack. ``deployments``: the deployment for new stages, by API."""

    sandbox: Sandbox
    outputs: dict[str, str]
    deployments: dict[str, str]

    def create(self, stage: Stage) -> datetime:
        """Create the stage. Return the time at which the call began."""
        api_id, name = stage
        began = self.sandbox.now()
        self.sandbox.client("apigateway").create_stage(
            restApiId=api_id, stageName=name, deploymentId=self.deployments[api_id]
        )
        return began

    def calls(self, since: int) -> list[CallRecord]:
        """Return the calls of the function since that number of calls."""
        return [made for made in self.sandbox.calls[since:] if "EnforceRole" in (made.call.caller.role_arn or "")]

    def wait_until_updated(self, stages: Sequence[Stage], since: int) -> dict[Stage, datetime]:
        """Wait until each stage is updated. Return the times of the updates."""

        def written() -> dict[Stage, datetime]:
            return {
                (made.call.params["restApiId"], made.call.params["stageName"]): made.time
                for made in self.calls(since)
                if made.call.operation == "UpdateStage" and made.status < 300
            }

        self.sandbox.wait_until(lambda: written().keys() >= set(stages), timeout=30 + len(stages) * CALLS / RATE * 4)
        return written()

    def settle(self) -> None:
        """Wait until no message is in a queue, and until the calls above the rate are allowed again."""
        assert deployment.wait_until_quiet(self.sandbox, self.outputs) == 0
        time.sleep(BURST / RATE)


def _one_after_another(account: Account, stages: Sequence[Stage]) -> list[float]:
    """Return the seconds of each stage."""
    seconds = []
    for stage in stages:
        since, began = len(account.sandbox.calls), account.create(stage)
        seconds.append((account.wait_until_updated([stage], since)[stage] - began).total_seconds())
        # One environment processes all of them, with its part of the rate.
        time.sleep(max(0.0, CALLS / (RATE / ENVIRONMENTS) - (account.sandbox.now() - began).total_seconds()))
    return seconds


def _at_once(account: Account, stages: Sequence[Stage]) -> tuple[list[float], float, int]:
    """Return the seconds of each stage, those from the first call to the last stage, and the API Gateway calls."""
    since = len(account.sandbox.calls)
    began = {stage: account.create(stage) for stage in stages}
    written = account.wait_until_updated(stages, since)
    whole = (max(written.values()) - min(began.values())).total_seconds()
    calls = calls_by_service(account.calls(since))["API Gateway"]
    return [(written[stage] - began[stage]).total_seconds() for stage in stages], whole, calls


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        set_log_role(sandbox, make_role(sandbox, "Logs"))
        client = sandbox.client("apigateway")
        apis = [make_rest_api(sandbox) for _ in range(2 * STAGES // STAGES_OF_AN_API + ENVIRONMENTS)]
        deployments = {api_id: client.create_deployment(restApiId=api_id)["id"] for api_id in apis}
        stages = [(api_id, f"s{number}") for number in range(STAGES_OF_AN_API) for api_id in apis]
        deployment.build(sandbox)
        outputs = deployment.deploy(sandbox, {"SettleSeconds": "0", "SweepRate": str(RATE)})
        account = Account(sandbox, outputs, deployments)
        account.settle()
        # Until both environments are warm and know the log role.
        _at_once(account, stages[2 * STAGES :])
        account.settle()
        alone = _one_after_another(account, stages[:STAGES])
        account.settle()
        invocations = len(sandbox.service(LambdaRuntime).invoked)
        together, whole, calls = _at_once(account, stages[STAGES : 2 * STAGES])
        account.settle()
        invocations = len(sandbox.service(LambdaRuntime).invoked) - invocations
    limit = (calls - BURST) / RATE
    rows = {"one after another": alone, "all at once": together}
    Result(
        name="event_to_compliance",
        title="Event to compliance",
        columns=["stages", "p50, s", "p90, s", "p99, s", "last, s", "calls / rate, s"],
        rows=[
            [
                f"{len(seconds)} {name}",
                *(_percentile(seconds, percent) for percent in (50, 90, 99)),
                max(seconds) if name == "one after another" else whole,
                "" if name == "one after another" else limit,
            ]
            for name, seconds in rows.items()
        ],
        notes=[
            (
                "Wall time from the call of CreateStage to the answer of Log Keeper's UpdateStage: record, rule, queue "
                "and function, over HTTP, in a separate process. SettleSeconds is 0. One run, warm."
            ),
            (
                f"One after another: one every {CALLS / (RATE / ENVIRONMENTS):g} s, so that the rate delays none. All "
                f"at once: with SweepRate {RATE} the limit is {calls} API Gateway calls, less the burst of {BURST}, at "
                f"{RATE} per second; {invocations} invocations."
            ),
            (
                "Not included: SettleSeconds, 15 s by default, and the time of AWS itself, mainly CloudTrail, which "
                "delivers within seconds and sometimes minutes."
            ),
        ],
        plot=Plot(
            "lines",
            list(range(1, 100)),
            {name: [_percentile(seconds, percent) for percent in range(1, 100)] for name, seconds in rows.items()},
            "seconds",
            axis="percent of the stages that are compliant by then",
            log=True,
        ),
    ).save()


if __name__ == "__main__":
    main()
