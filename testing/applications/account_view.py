"""Read the state of applications and their stages from the account."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.accounts import get_stage, v2_stage
from testing.stacks import Deployed

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:"


def stack(sandbox: Sandbox, name: str) -> dict[str, Any]:
    """Wait until no operation on the stack is in progress, and return it."""
    cloudformation = sandbox.client("cloudformation")

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    found = sandbox.wait_until(described, 60)
    assert found is not None
    return found


def failures(sandbox: Sandbox, name: str) -> list[str]:
    """Return the reasons why resources of the stack failed."""
    events = sandbox.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event["ResourceStatus"].endswith("_FAILED")]


def resources(sandbox: Sandbox, name: str) -> dict[str, str]:
    """Return the physical ids of a stack's resources by logical id."""
    answer = sandbox.client("cloudformation").list_stack_resources(StackName=name)
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in answer["StackResourceSummaries"]}


def deploy_change_set(
    sandbox: Sandbox, stack_name: str, change_set: str, kind: str, template: dict[str, Any]
) -> dict[str, Any]:
    """Create and execute a change set. Return the stack. ``template``: parameters of the call with the template."""
    cloudformation = sandbox.client("cloudformation")
    cloudformation.delete_change_set(StackName=stack_name, ChangeSetName=change_set) if kind == "UPDATE" else None
    cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName=change_set,
        ChangeSetType=kind,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        **template,
    )
    described = cloudformation.describe_change_set(StackName=stack_name, ChangeSetName=change_set)
    assert described["Status"] == "CREATE_COMPLETE", described.get("StatusReason")
    cloudformation.execute_change_set(StackName=stack_name, ChangeSetName=change_set)
    return stack(sandbox, stack_name)


def entries(keeper: Deployed, api_id: str, stage_name: str) -> dict[str, tuple[str | None, bool]]:
    """Return level and data trace of each entry of a REST stage's method settings."""
    stage = get_stage(keeper.sandbox, api_id, stage_name)
    return {key: (each.get("loggingLevel"), each["dataTraceEnabled"]) for key, each in stage["methodSettings"].items()}


def destination(keeper: Deployed, api_id: str, stage_name: str) -> str | None:
    """Return the access log destination of a REST stage, or None."""
    settings = get_stage(keeper.sandbox, api_id, stage_name).get("accessLogSettings") or {}
    return settings.get("destinationArn")


def wait_until_v2_compliant(keeper: Deployed, api_id: str, stage_name: str, *, websocket: bool) -> dict[str, Any]:
    """Wait until a stage has access logs and, of a WebSocket API, execution logs at ERROR. Return the stage."""

    def found() -> dict[str, Any] | None:
        stage = v2_stage(keeper.sandbox, api_id, stage_name)
        default = stage.get("DefaultRouteSettings") or {}
        logs_errors = not websocket or (
            default.get("LoggingLevel") == "ERROR" and not default.get("DataTraceEnabled", False)
        )
        return stage if logs_errors and (stage.get("AccessLogSettings") or {}).get("DestinationArn") else None

    stage = keeper.sandbox.wait_until(found)
    assert stage is not None
    return stage


def is_there(keeper: Deployed, api_id: str) -> bool:
    """Tell whether the account has the API, of any protocol."""
    rest = keeper.sandbox.client("apigateway").get_rest_apis(limit=500)["items"]
    v2 = keeper.sandbox.client("apigatewayv2").get_apis()["Items"]
    return api_id in {each["id"] for each in rest} | {each["ApiId"] for each in v2}


def log_group_names(keeper: Deployed) -> set[str]:
    """Return the names of all log groups of the account."""
    pages = keeper.sandbox.client("logs").get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"] for page in pages for group in page["logGroups"]}
