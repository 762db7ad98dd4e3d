"""``make demo``: deploy Log Keeper into the sandbox account, change stages, and show what Log Keeper does to them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox import demo_organization, deployment
from sandbox.assembly import Sandbox
from sandbox.demo_output import Output
from sandbox.demo_requests import show_failed_request
from testing.accounts import make_rest_stage
from tools.version import add_version

REGION = "us-east-1"  # IAM's CloudTrail records arrive here: Log Keeper notices a deleted role at once
LOG_ROLE = "APIGatewayCloudWatchLogs"
STAGE = "prod"
NO_LEVELS = "none: an HTTP API"
#: Seconds after which the demo stops waiting for a stage to become compliant.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class LoggingState:
    """The logging of a stage, in the words of the table: read from API Gateway, CloudWatch Logs and IAM."""

    access_logs: str
    execution_logs: str
    execution_log_group: str
    data_trace: str
    log_role: str

    def is_compliant(self, level: str = "ERROR") -> bool:
        return self.access_logs != "none" and (self.execution_logs, self.data_trace, self.log_role) == (
            level,
            "no",
            "valid",
        )


class Account:
    """What an administrator does in the account with boto3: create APIs, change stages, read their state."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._apigateway = sandbox.client("apigateway", REGION)
        self._apigatewayv2 = sandbox.client("apigatewayv2", REGION)
        self._logs = sandbox.client("logs", REGION)
        self._iam = sandbox.client("iam", REGION)
        self.api_id = self.http_api_id = self.websocket_api_id = ""

    def read_state(self, answer: dict[str, Any] | None = None) -> LoggingState:
        """Return the state of the REST stage: as it is now, or as ``answer``, an answer of UpdateStage, has it."""
        stage = answer or self._apigateway.get_stage(restApiId=self.api_id, stageName=STAGE)
        methods = stage.get("methodSettings", {}).values()
        levels = sorted({method.get("loggingLevel", "OFF") for method in methods}) or ["OFF"]
        destination = stage.get("accessLogSettings", {}).get("destinationArn")
        return LoggingState(
            access_logs="none" if destination is None else self._group(destination.split(":log-group:")[-1]),
            execution_logs=", ".join(levels),
            execution_log_group=self._group(f"API-Gateway-Execution-Logs_{self.api_id}/{STAGE}"),
            data_trace="yes" if any(method.get("dataTraceEnabled") for method in methods) else "no",
            log_role=self._log_role(),
        )

    def read_v2_state(self, api_id: str, stage_name: str) -> LoggingState:
        """Return the state of a stage of an HTTP or WebSocket API."""
        stage = self._apigatewayv2.get_stage(ApiId=api_id, StageName=stage_name)
        routes = [stage["DefaultRouteSettings"], *stage.get("RouteSettings", {}).values()]
        has_levels = any("LoggingLevel" in route for route in routes)
        levels = sorted({route.get("LoggingLevel", "OFF") for route in routes}) if has_levels else [NO_LEVELS]
        destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
        return LoggingState(
            access_logs="none" if destination is None else self._group(destination.split(":log-group:")[-1]),
            execution_logs=", ".join(levels),
            execution_log_group=self._group(f"/aws/apigateway/{api_id}/{stage_name}") if has_levels else NO_LEVELS,
            data_trace="yes" if any(route.get("DataTraceEnabled") for route in routes) else "no",
            log_role=self._log_role(),
        )

    def _group(self, name: str) -> str:
        found = self._logs.describe_log_groups(logGroupIdentifiers=[name])["logGroups"]
        if not found:
            return "none"
        days = found[0].get("retentionInDays")
        return f"{name}, {days} days" if days else f"{name}, never expires"

    def _log_role(self) -> str:
        role_arn = self._apigateway.get_account().get("cloudwatchRoleArn")
        if not role_arn:
            return "none"
        try:
            attached = self._iam.list_attached_role_policies(RoleName=role_arn.rsplit("/", 1)[-1])["AttachedPolicies"]
        except self._iam.exceptions.NoSuchEntityException:
            return "deleted"
        return "valid" if attached else "no permissions"

    def deploy_api(self) -> LoggingState:
        self.api_id = make_rest_stage(self._sandbox, STAGE, REGION)
        return self.read_state()

    def deploy_http_api(self) -> LoggingState:
        self.http_api_id = self._apigatewayv2.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
        self._apigatewayv2.create_stage(ApiId=self.http_api_id, StageName="$default", AutoDeploy=True)
        return self.read_http_state()

    def read_http_state(self) -> LoggingState:
        return self.read_v2_state(self.http_api_id, "$default")

    def deploy_websocket_api(self) -> LoggingState:
        client = self._apigatewayv2
        api = client.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        self.websocket_api_id = api["ApiId"]
        client.create_route(ApiId=self.websocket_api_id, RouteKey="send")
        own = {"send": {"LoggingLevel": "OFF", "DataTraceEnabled": True}}
        client.create_stage(ApiId=self.websocket_api_id, StageName=STAGE, RouteSettings=own)
        return self.read_websocket_state()

    def read_websocket_state(self) -> LoggingState:
        return self.read_v2_state(self.websocket_api_id, STAGE)

    def tag(self) -> LoggingState:
        before = self.read_state()
        self._apigateway.tag_resource(resourceArn=self._arn, tags={"execution-logs": "INFO"})
        return before

    def untag(self) -> LoggingState:
        before = self.read_state()
        self._apigateway.untag_resource(resourceArn=self._arn, tagKeys=["execution-logs"])
        return before

    def switch_off(self) -> LoggingState:
        operations = [
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "OFF"},
            {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
            {"op": "remove", "path": "/accessLogSettings"},
        ]
        return self.read_state(
            self._apigateway.update_stage(restApiId=self.api_id, stageName=STAGE, patchOperations=operations)
        )

    def delete_log_role(self) -> LoggingState:
        # In AWS the records of these calls arrive seconds later. The lock delays them: here they arrive at once, and
        # Log Keeper would repair the role before it is deleted.
        with self._sandbox.lock:
            for policy in self._iam.list_attached_role_policies(RoleName=LOG_ROLE)["AttachedPolicies"]:
                self._iam.detach_role_policy(RoleName=LOG_ROLE, PolicyArn=policy["PolicyArn"])
            self._iam.delete_role(RoleName=LOG_ROLE)
            return self.read_state()

    @property
    def _arn(self) -> str:
        return f"arn:aws:apigateway:{REGION}::/restapis/{self.api_id}/stages/{STAGE}"


def compare(console: Console, before: LoggingState, after: LoggingState) -> None:
    """Print the differences between the two states, side by side."""
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("", "before", "after"):
        table.add_column(heading, overflow="fold")
    for name, was, is_now in (
        ("access logs", before.access_logs, after.access_logs),
        ("execution logs", before.execution_logs, after.execution_logs),
        ("execution log group", before.execution_log_group, after.execution_log_group),
        ("request and response bodies", before.data_trace, after.data_trace),
        ("the account's log role", before.log_role, after.log_role),
    ):
        if was != is_now:
            table.add_row(name, was, f"[bold green]{is_now}[/]")
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo. Return 0 if all happened that the demo says, 1 if not."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.demo",
        description="Deploy Log Keeper with the AWS SAM CLI into a simulated AWS account on this machine, "
        "and show what it does to stages. Nothing leaves this machine.",
    )
    add_version(parser)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("account", "organization"),
        default="account",
        help="account: one account, two minutes (default). organization: a hub that governs 12 member accounts with "
        "240 stages, first in audit, then enforced; accounts join, move and leave; four minutes",
    )
    options = parser.parse_args(arguments)
    output = Output(Console())
    return demo_organization.run(output) if options.what == "organization" else run(output)


def run(output: Output) -> int:
    """Run the demo of one account. Return 0 if the stages were compliant after each step, 1 if not."""
    console = output.console
    with Sandbox() as sandbox:
        console.print(f"A simulated AWS account runs at {sandbox.endpoint}. Nothing leaves this machine.\n")
        try:
            with output.step("sam build"):
                deployment.build(sandbox)
            with output.step("sam deploy"):
                stack = deployment.deploy(sandbox, {"SettleSeconds": "0"})
        except deployment.ToolFailedError as error:
            console.print(f"[red]{error}[/]", markup=True, highlight=False)
            return 1
        account = Account(sandbox)
        failed = [change.title for change in _changes(account) if not _is_remediated(output, sandbox, change)]
        if not show_failed_request(output, sandbox, REGION, account.api_id, STAGE):
            failed.append("make logs does not show the failed request")
        with output.step("Log Keeper processes the remaining messages"):
            left_over = deployment.wait_until_quiet(sandbox, stack)
    if left_over:
        failed.append(f"{left_over} messages in the dead-letter queue")
    if failed:
        console.print(f"[red]Not compliant after {PATIENCE} s:[/] {'; '.join(failed)}", highlight=False)
        return 1
    console.print("\nLog Keeper remediated the stages after each change, without being called.")
    return 0


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the account that the demo makes.

    ``do``: make the change and return the state of the stage right after it. ``read``: return the current state.
    ``level``: the execution logging level of a compliant stage after the change.
    """

    title: str
    level: str
    do: Callable[[], LoggingState]
    read: Callable[[], LoggingState]


def _changes(account: Account) -> list[Change]:
    return [
        Change(
            "A team creates a REST API and deploys it to a new stage", "ERROR", account.deploy_api, account.read_state
        ),
        Change("The team tags the stage execution-logs=INFO", "INFO", account.tag, account.read_state),
        Change("The team removes the tag", "ERROR", account.untag, account.read_state),
        Change(
            "Somebody switches logging off and data tracing on, by hand",
            "ERROR",
            account.switch_off,
            account.read_state,
        ),
        Change("Another team creates an HTTP API", NO_LEVELS, account.deploy_http_api, account.read_http_state),
        Change(
            "A third team creates a WebSocket API with data tracing on one route",
            "ERROR",
            account.deploy_websocket_api,
            account.read_websocket_state,
        ),
        Change(
            "Somebody deletes the account's CloudWatch log role", "ERROR", account.delete_log_role, account.read_state
        ),
    ]


def _is_remediated(output: Output, sandbox: Sandbox, change: Change) -> bool:
    """Make the change, wait until the stage is compliant, and show both states. Return whether it is compliant."""
    output.console.print()
    with output.step(change.title):
        before = change.do()
        with suppress(TimeoutError):  # the last state shows it
            sandbox.wait_until(lambda: change.read().is_compliant(change.level), PATIENCE)
        after = change.read()
    compare(output.console, before, after)
    return after.is_compliant(change.level)


if __name__ == "__main__":
    sys.exit(main())
