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
from testing.accounts import make_rest_stage

REGION = "us-east-1"  # where IAM's records arrive, so that a deleted role is noticed at once
LOG_ROLE = "APIGatewayCloudWatchLogs"
STAGE = "prod"
NO_LEVELS = "not of HTTP APIs"
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
        self._apigatewayv2 = sandbox.client("apigatewayv2", REGION)
        self._logs = sandbox.client("logs", REGION)
        self._iam = sandbox.client("iam", REGION)
        self.api_id = self.http_api_id = self.websocket_api_id = ""

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

    def look_at_v2(self, api_id: str, stage_name: str) -> Look:
        """A stage of an HTTP or WebSocket API now."""
        stage = self._apigatewayv2.get_stage(ApiId=api_id, StageName=stage_name)
        routes = [stage["DefaultRouteSettings"], *stage.get("RouteSettings", {}).values()]
        has_levels = any("LoggingLevel" in route for route in routes)
        levels = sorted({route.get("LoggingLevel", "OFF") for route in routes}) if has_levels else [NO_LEVELS]
        destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
        return Look(
            access_logs="none" if destination is None else self._group(destination.split(":log-group:")[-1]),
            execution_logs=", ".join(levels),
            execution_log_group=self._group(f"/aws/apigateway/{api_id}/{stage_name}") if has_levels else NO_LEVELS,
            bodies="yes" if any(route.get("DataTraceEnabled") for route in routes) else "no",
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
        self.api_id = make_rest_stage(self._sandbox, STAGE, REGION)
        return self.look()

    def deploy_http_api(self) -> Look:
        self.http_api_id = self._apigatewayv2.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
        self._apigatewayv2.create_stage(ApiId=self.http_api_id, StageName="$default", AutoDeploy=True)
        return self.look_at_http_stage()

    def look_at_http_stage(self) -> Look:
        return self.look_at_v2(self.http_api_id, "$default")

    def deploy_websocket_api(self) -> Look:
        client = self._apigatewayv2
        api = client.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        self.websocket_api_id = api["ApiId"]
        client.create_route(ApiId=self.websocket_api_id, RouteKey="send")
        own = {"send": {"LoggingLevel": "OFF", "DataTraceEnabled": True}}
        client.create_stage(ApiId=self.websocket_api_id, StageName=STAGE, RouteSettings=own)
        return self.look_at_websocket_stage()

    def look_at_websocket_stage(self) -> Look:
        return self.look_at_v2(self.websocket_api_id, STAGE)

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
        failed = [act.title for act in _acts(account) if not _is_shown(show, sandbox, act)]
        with show.step("Log Keeper finishes what it is at"):
            left_over = deployment.wait_until_quiet(sandbox, stack)
    if left_over:
        failed.append(f"{left_over} messages in the dead-letter queue")
    if failed:
        console.print(f"[red]Not in line after {PATIENCE} s:[/] {'; '.join(failed)}", highlight=False)
        return 1
    console.print("\nEach stage was put in line after each change; nobody called Log Keeper.")
    return 0


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done to the account.

    ``do`` gives the look it left the stage with, ``look`` what it looks like now; ``level`` is in line afterwards.
    """

    title: str
    level: str
    do: Callable[[], Look]
    look: Callable[[], Look]


def _acts(account: Account) -> list[Act]:
    return [
        Act("A team makes a REST API and deploys it to a new stage", "ERROR", account.deploy_api, account.look),
        Act("The team tags the stage execution-logs=INFO", "INFO", account.tag, account.look),
        Act("The team takes the tag away", "ERROR", account.untag, account.look),
        Act("Somebody switches logging off and bodies on, by hand", "ERROR", account.switch_off, account.look),
        Act("Another makes an HTTP API", NO_LEVELS, account.deploy_http_api, account.look_at_http_stage),
        Act(
            "A third makes a WebSocket API with a route that logs bodies",
            "ERROR",
            account.deploy_websocket_api,
            account.look_at_websocket_stage,
        ),
        Act("Somebody deletes the account's CloudWatch log role", "ERROR", account.delete_log_role, account.look),
    ]


def _is_shown(show: Show, sandbox: Sandbox, act: Act) -> bool:
    """The act was done, its mend awaited, and both shown; whether the stage is in line."""
    show.console.print()
    with show.step(act.title):
        before = act.do()
        with suppress(TimeoutError):  # the last look tells
            sandbox.wait_until(lambda: act.look().is_in_line(act.level), PATIENCE)
        after = act.look()
    show.compare(before, after)
    return after.is_in_line(act.level)


if __name__ == "__main__":
    sys.exit(main())
