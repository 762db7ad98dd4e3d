"""A log group that somebody chose or a template owns is never created, and its stage does not stay silent for long."""

from __future__ import annotations

import json
from typing import Any

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.request_logs import write_access_log
from sandbox.services.cloudformation.stacks import CloudFormation
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
)
from testing.builders import ACCOUNT, record, updated
from testing.cloudformation import make_stack
from testing.deliveries import Deliver
from testing.published import Refusal, findings, outcomes, published_changes

THEIRS = "/aws/api-gateway/shop-prod"


def arn(group: str) -> str:
    return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"


@pytest.fixture(autouse=True)
def _schedules(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    sandbox.client("scheduler").create_schedule_group(Name="opt-ins")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    make_role(sandbox, "Schedules", trust, policy=None)


def rest_stage(sandbox: Sandbox, group: str = THEIRS) -> str:
    """Create a REST API whose compliant stage logs to a deleted group of its owner. Return the API's id."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", arn(group)),
        ("replace", "/accessLogSettings/format", "$context.requestId mine"),
    )
    return api_id


def checks(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return when each planned check is due, and the message that it sends."""
    client = sandbox.client("scheduler")
    found = [
        client.get_schedule(GroupName="opt-ins", Name=each["Name"])
        for each in client.list_schedules(GroupName="opt-ins")["Schedules"]
    ]
    return sorted(
        ({"at": each["ScheduleExpression"], "input": json.loads(each["Target"]["Input"])} for each in found),
        key=lambda check: str(check["at"]),
    )


def wait(sandbox: Sandbox, minutes: float) -> None:
    sandbox.clock.sleep(minutes * 60)  # type: ignore[attr-defined]


def destination(sandbox: Sandbox, api_id: str) -> str:
    return str(get_stage(sandbox, api_id)["accessLogSettings"]["destinationArn"])


def test_missing_group_of_the_owner_is_reported_at_once_and_not_created(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id, since = rest_stage(sandbox), len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert THEIRS not in log_groups(sandbox)
    assert findings(sandbox, since) == [(Problem.DESTINATION_MISSING, THEIRS)]
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}, "the rest is remediated"
    assert destination(sandbox, api_id) == arn(THEIRS)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["partly remediated", "non-compliant"]


def test_group_that_stays_missing_is_replaced(sandbox: Sandbox, deliver: Deliver) -> None:
    """By a group that Log Keeper creates: a template would fail if its own name were taken."""
    api_id = rest_stage(sandbox)
    deliver(updated(api_id))
    [check] = checks(sandbox)
    wait(sandbox, 59)
    deliver(updated(api_id))
    assert destination(sandbox, api_id) == arn(THEIRS)
    assert checks(sandbox) == [check], "an event does not postpone the check"
    wait(sandbox, 1)
    since = len(sandbox.calls)
    assert deliver(check["input"]) == []
    own = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    assert destination(sandbox, api_id) == arn(own)
    assert get_stage(sandbox, api_id)["accessLogSettings"]["format"] == "$context.requestId mine"
    assert log_groups(sandbox)[own] == 365
    assert THEIRS not in log_groups(sandbox)
    assert published_changes(sandbox, since) == ["access log destination"]
    assert findings(sandbox, since) == [(Problem.DESTINATION_MISSING, THEIRS)]


def test_group_that_is_created_again_is_left_and_reported(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = rest_stage(sandbox)
    deliver(updated(api_id))
    [check] = checks(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=THEIRS)
    wait(sandbox, 60)
    since = len(sandbox.calls)
    assert deliver(check["input"]) == []
    assert destination(sandbox, api_id) == arn(THEIRS)
    assert log_groups(sandbox)[THEIRS] is None, "its retention is its owner's"
    [(problem, detail)] = findings(sandbox, since)
    assert (problem, detail.split(",")[0]) == (Problem.DESTINATION_RECREATED, THEIRS)


@pytest.mark.parametrize("recreates", [True, False])
def test_stage_logs_again_whether_or_not_api_gateway_creates_the_group(
    sandbox: Sandbox, deliver: Deliver, recreates: bool
) -> None:
    """*Source:* serverless/serverless issue 6906: API Gateway creates it at the next request, without retention."""
    sandbox.turn(recreates_rest_access_log_groups=recreates)
    api_id = rest_stage(sandbox)
    deliver(updated(api_id))
    [check] = checks(sandbox)
    assert write_access_log(sandbox, api_id, "prod") == (THEIRS if recreates else None)
    wait(sandbox, 60)
    assert deliver(check["input"]) == []
    own = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    assert write_access_log(sandbox, api_id, "prod") == (THEIRS if recreates else own)
    assert log_groups(sandbox).get(own) == (None if recreates else 365)
    assert log_groups(sandbox).get(THEIRS) is None, "its retention is its owner's"


def owned_stage(sandbox: Sandbox) -> str:
    """Create the stack ``shop``, whose stage logs to a group that was deleted. Return the API's id."""
    set_log_role(sandbox, make_role(sandbox))
    return make_stack(sandbox, "shop", AccessLogSetting={"DestinationArn": arn(THEIRS), "Format": "$context.requestId"})


def test_stack_that_is_changing_is_waited_for(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = owned_stage(sandbox)
    deliver(updated(api_id))
    [first] = checks(sandbox)
    wait(sandbox, 60)
    [stack] = sandbox.service(CloudFormation).stacks.values()
    stack.status = "UPDATE_IN_PROGRESS"
    assert deliver(first["input"]) == []
    assert destination(sandbox, api_id) == arn(THEIRS)
    [again] = [check for check in checks(sandbox) if check["input"]["detail"]["missingLogGroup"]["attempt"] == 1]
    stack.status = "UPDATE_COMPLETE"
    wait(sandbox, 15)
    assert deliver(again["input"]) == []
    assert destination(sandbox, api_id) == arn(f"/aws/vendedlogs/apigateway/{api_id}/prod")


def test_deleted_stack_is_not_waited_for(sandbox: Sandbox, deliver: Deliver) -> None:
    """Its stage was kept by a deletion policy."""
    api_id = owned_stage(sandbox)
    deliver(updated(api_id))
    [check] = checks(sandbox)
    wait(sandbox, 60)
    Refusal(sandbox, "DescribeStacks", code="ValidationError")
    assert deliver(check["input"]) == []
    assert destination(sandbox, api_id) == arn(f"/aws/vendedlogs/apigateway/{api_id}/prod")


def test_rest_of_the_stage_is_remediated_if_the_check_cannot_be_planned(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = rest_stage(sandbox)
    Refusal(sandbox, "CreateSchedule")
    assert deliver(updated(api_id)) == ["0"]
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}


def test_group_that_each_deployment_deletes_is_replaced(sandbox: Sandbox, deliver: Deliver) -> None:
    """As the Serverless Framework does with ``restApi: false``: it deletes the group at the end of each deployment.

    *Source:* serverless/serverless, ``hack/update-stage.js``, removeAccessLoggingLogGroup.
    """
    api_id, logs = rest_stage(sandbox), sandbox.client("logs")
    for _ in range(2):
        logs.create_log_group(logGroupName=THEIRS)
        logs.delete_log_group(logGroupName=THEIRS)
        deliver(updated(api_id))
    [check] = checks(sandbox)
    wait(sandbox, 60)
    deliver(check["input"])
    assert destination(sandbox, api_id) == arn(f"/aws/vendedlogs/apigateway/{api_id}/prod")


def test_audit_plans_nothing(sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver) -> None:
    api_id = rest_stage(sandbox)
    environment.setenv("MODE", "Audit")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == [(Problem.DESTINATION_MISSING, THEIRS)]
    assert checks(sandbox) == []


def test_http_api_gets_its_access_logs_back(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id, logs, client = make_http_stage(sandbox), sandbox.client("logs"), sandbox.client("apigatewayv2")
    logs.create_log_group(logGroupName=THEIRS)
    settings = {"DestinationArn": arn(THEIRS), "Format": "$context.requestId"}
    client.update_stage(ApiId=api_id, StageName="$default", AccessLogSettings=settings)
    logs.delete_log_group(logGroupName=THEIRS)
    deliver(record("UpdateStage", {"apiId": api_id, "stageName": "$default"}))
    [check] = checks(sandbox)
    wait(sandbox, 60)
    assert deliver(check["input"]) == []
    found = client.get_stage(ApiId=api_id, StageName="$default")["AccessLogSettings"]["DestinationArn"]
    assert found == arn(f"/aws/vendedlogs/apigatewayv2/{api_id}/.default")


def deleted(group: str) -> dict[str, Any]:
    return record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com")


def test_deleted_execution_log_group_is_created_again_and_reported(sandbox: Sandbox, deliver: Deliver) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    group, since = f"API-Gateway-Execution-Logs_{api_id}/prod", len(sandbox.calls)
    sandbox.client("logs").delete_log_group(logGroupName=group)
    assert deliver(deleted(group)) == []
    assert log_groups(sandbox)[group] == 30
    assert findings(sandbox, since) == [(Problem.LOG_GROUP_DELETED, group)]


def test_rest_stage_may_log_to_a_group_named_like_a_websocket_apis(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """A vendor tells people to name it so: the stage counts as deleted only if no API of either version has it."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    group = f"/aws/apigateway/{api_id}/prod"
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", arn(group)),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    since = len(sandbox.calls)
    assert deliver(deleted(group)) == []
    problems = [Problem.LOG_GROUP_DELETED, Problem.DESTINATION_MISSING]
    assert sorted(findings(sandbox, since)) == sorted((problem, group) for problem in problems)
    assert outcomes(caplog) == ["partly remediated"]
    assert len(checks(sandbox)) == 1


def test_stage_of_neither_version_is_deleted(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(deleted("/aws/apigateway/a1b2c3d4e5/prod")) == []
    assert outcomes(caplog) == ["deleted"]


def test_log_group_that_makes_a_deployment_fail_is_reported(sandbox: Sandbox, deliver: Deliver) -> None:
    """A stack declares the execution log group that Log Keeper has created, and fails."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    group, since = f"API-Gateway-Execution-Logs_{api_id}/prod", len(sandbox.calls)
    blocked = record(
        "CreateLogGroup",
        {"logGroupName": group},
        eventSource="logs.amazonaws.com",
        errorCode="ResourceAlreadyExistsException",
    )
    assert deliver(blocked) == []
    assert findings(sandbox, since) == [(Problem.LOG_GROUP_EXISTS, group)]


@pytest.mark.parametrize(
    "missing",
    [
        {"name": THEIRS, "since": "yesterday", "attempt": 0},
        {"name": THEIRS, "since": "2026-01-01T00:00:00", "attempt": 0},
        {"name": 7, "since": "2026-01-01T00:00:00+00:00", "attempt": 0},
        {"name": THEIRS, "since": "2026-01-01T00:00:00+00:00", "attempt": "1"},
        [],
    ],
)
def test_planned_check_that_cannot_be_read_fails(sandbox: Sandbox, deliver: Deliver, missing: object) -> None:
    api_id = rest_stage(sandbox)
    deliver(updated(api_id))
    [check] = checks(sandbox)
    check["input"]["detail"]["missingLogGroup"] = missing
    assert deliver(check["input"]) == ["0"]
    assert destination(sandbox, api_id) == arn(THEIRS)
