"""``make demo``: Log Keeper deployed into the sandbox account, and what it does to a stage, as a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox import deployment
from sandbox.account import Sandbox

REGION = "us-east-1"  # where IAM's records arrive, so that a deleted role is noticed at once
LOG_ROLE = "APIGatewayCloudWatchLogs"
STAGE = "prod"
#: Seconds after which a stage that is not in line will not be.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What a stage's logging looks like to somebody who asks API Gateway, CloudWatch Logs and IAM."""

    access_logs: str
    execution_logs: str
    execution_log_group: str
    bodies: str
    log_role: str

    def is_in_line(self, level: str = "ERROR") -> bool:
        return self.access_logs != "none" and (self.execution_logs, self.bodies, self.log_role) == (level, "no", "live")


class Account:
    """The demo's own hands and eyes in the account: an administrator with boto3."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._apigateway = sandbox.client("apigateway", REGION)
        self._logs = sandbox.client("logs", REGION)
        self._iam = sandbox.client("iam", REGION)
        self.api_id = ""

    def look(self, answer: dict[str, Any] | None = None) -> Look:
        """The stage now, or as the answer of a change to it said."""
        stage = answer or self._apigateway.get_stage(restApiId=self.api_id, stageName=STAGE)
        methods = stage.get("methodSettings", {}).values()
        levels = sorted({method.get("loggingLevel", "OFF") for method in methods}) or ["OFF"]
        destination = stage.get("accessLogSettings", {}).get("destinationArn")
        return Look(
            access_logs="none" if destination is None else self._group(destination.split(":log-group:")[-1]),
            execution_logs=", ".join(levels),
            execution_log_group=self._group(f"API-Gateway-Execution-Logs_{self.api_id}/{STAGE}"),
            bodies="yes" if any(method.get("dataTraceEnabled") for method in methods) else "no",
            log_role=self._log_role(),
        )

    def _group(self, name: str) -> str:
        found = self._logs.describe_log_groups(logGroupIdentifiers=[name])["logGroups"]
        if not found:
            return "none"
        days = found[0].get("retentionInDays")
        return f"{name}, {days} days" if days else f"{name}, for ever"

    def _log_role(self) -> str:
        role_arn = self._apigateway.get_account().get("cloudwatchRoleArn")
        if not role_arn:
            return "none"
        try:
            attached = self._iam.list_attached_role_policies(RoleName=role_arn.rsplit("/", 1)[-1])["AttachedPolicies"]
        except self._iam.exceptions.NoSuchEntityException:
            return "deleted"
        return "live" if attached else "powerless"

    def deploy_api(self) -> Look:
        client = self._apigateway
        self.api_id = client.create_rest_api(name="shop")["id"]
        root = client.get_resources(restApiId=self.api_id)["items"][0]["id"]
        client.put_method(restApiId=self.api_id, resourceId=root, httpMethod="GET", authorizationType="NONE")
        client.put_integration(restApiId=self.api_id, resourceId=root, httpMethod="GET", type="MOCK")
        client.create_deployment(restApiId=self.api_id, stageName=STAGE)
        return self.look()

    def tag(self) -> Look:
        before = self.look()
        self._apigateway.tag_resource(resourceArn=self._arn, tags={"execution-logs": "INFO"})
        return before

    def untag(self) -> Look:
        before = self.look()
        self._apigateway.untag_resource(resourceArn=self._arn, tagKeys=["execution-logs"])
        return before

    def switch_off(self) -> Look:
        operations = [
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "OFF"},
            {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
            {"op": "remove", "path": "/accessLogSettings"},
        ]
        return self.look(
            self._apigateway.update_stage(restApiId=self.api_id, stageName=STAGE, patchOperations=operations)
        )

    def delete_log_role(self) -> Look:
        # In AWS the records of these calls arrive seconds later; here they would at once, between the two.
        with self._sandbox.gateway.lock:
            for policy in self._iam.list_attached_role_policies(RoleName=LOG_ROLE)["AttachedPolicies"]:
                self._iam.detach_role_policy(RoleName=LOG_ROLE, PolicyArn=policy["PolicyArn"])
            self._iam.delete_role(RoleName=LOG_ROLE)
            return self.look()

    @property
    def _arn(self) -> str:
        return f"arn:aws:apigateway:{REGION}::/restapis/{self.api_id}/stages/{STAGE}"


class Show:
    """Tells what happens while it happens: a line per step with its seconds, and a spinner on a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        begun = time.monotonic()
        with self.console.status(doing):
            yield
        self.console.print(f"[green]done[/]  {time.monotonic() - begun:5.1f} s  {doing}", highlight=False)

    def compare(self, before: Look, after: Look) -> None:
        """What changed between the looks, side by side."""
        table = Table(show_edge=False, pad_edge=False)
        for heading in ("", "before", "after"):
            table.add_column(heading, overflow="fold")
        for name, was, is_now in (
            ("access logs", before.access_logs, after.access_logs),
            ("execution logs", before.execution_logs, after.execution_logs),
            ("execution log group", before.execution_log_group, after.execution_log_group),
            ("bodies in the logs", before.bodies, after.bodies),
            ("the account's log role", before.log_role, after.log_role),
        ):
            if was != is_now:
                table.add_row(name, was, f"[bold green]{is_now}[/]")
        self.console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """The demo has run; 0 if the stage was in line after each step, 1 if not."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.demo",
        description="Deploys Log Keeper with the real sam into an AWS account on this machine, and shows what it does.",
    )
    parser.parse_args(arguments)
    console = Console()
    show = Show(console)
    with Sandbox() as sandbox:
        console.print(f"An AWS account of its own answers at {sandbox.endpoint}; nothing leaves this machine.\n")
        try:
            with show.step("sam build"):
                deployment.build(sandbox)
            with show.step("sam deploy"):
                stack = deployment.deploy(sandbox, {"SettleSeconds": "0"})
        except deployment.ToolFailedError as error:
            console.print(f"[red]{error}[/]", markup=True, highlight=False)
            return 1
        account = Account(sandbox)
        failed = [
            title for title, level, act in _acts(account) if not _shown(show, sandbox, account, title, level, act)
        ]
        with show.step("Log Keeper finishes what it is at"):
            left_over = deployment.wait_until_quiet(sandbox, stack)
    if left_over:
        failed.append(f"{left_over} messages in the dead-letter queue")
    if failed:
        console.print(f"[red]Not in line after {PATIENCE} s:[/] {'; '.join(failed)}", highlight=False)
        return 1
    console.print("\nThe stage was put in line after each change; nobody called Log Keeper.")
    return 0


type Act = Callable[[], Look]


def _acts(account: Account) -> list[tuple[str, str, Act]]:
    """What is done to the account: title, the level that is in line then, and the act, which gives the look it left."""
    return [
        ("A team makes a REST API and deploys it to a new stage", "ERROR", account.deploy_api),
        ("The team tags the stage execution-logs=INFO", "INFO", account.tag),
        ("The team takes the tag away", "ERROR", account.untag),
        ("Somebody switches logging off and body logging on, by hand", "ERROR", account.switch_off),
        ("Somebody deletes the account's CloudWatch log role", "ERROR", account.delete_log_role),
    ]


def _shown(show: Show, sandbox: Sandbox, account: Account, title: str, level: str, act: Act) -> bool:
    """The act was done and its mend awaited and shown; whether the stage is in line."""
    show.console.print()
    with show.step(title):
        before = act()
        with suppress(TimeoutError):  # the last look tells
            sandbox.wait_until(lambda: account.look().is_in_line(level), PATIENCE)
        after = account.look()
    show.compare(before, after)
    return after.is_in_line(level)


if __name__ == "__main__":
    sys.exit(main())
