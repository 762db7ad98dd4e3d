"""Stages whose lines are lost are not compliant, and nothing is tried until it can succeed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.services.apigatewayv2.state import api_by_id
from testing.accounts import (
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, record, updated
from testing.deliveries import Deliver
from testing.published import findings, outcomes

THEIRS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/team/web"


@pytest.fixture(autouse=True)
def _schedules(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    sandbox.client("scheduler").create_schedule_group(Name="opt-ins")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    make_role(sandbox, "Schedules", {"Version": "2012-10-17", "Statement": [trust]}, policy=None)


def check(sandbox: Sandbox) -> tuple[datetime, dict[str, Any]]:
    """Return when the only planned check is due, and the message that it sends."""
    client = sandbox.client("scheduler")
    [found] = client.list_schedules(GroupName="opt-ins")["Schedules"]
    schedule = client.get_schedule(GroupName="opt-ins", Name=found["Name"])
    at = datetime.fromisoformat(schedule["ScheduleExpression"].removeprefix("at(").removesuffix(")") + "+00:00")
    return at, json.loads(schedule["Target"]["Input"])


def rest_stage(sandbox: Sandbox) -> str:
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", THEIRS),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    return api_id


def test_check_of_a_missing_group_is_due_no_earlier_than_it_takes_effect(sandbox: Sandbox, deliver: Deliver) -> None:
    """Scheduler has whole seconds: a check a fraction of a second too early would start the wait again."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = rest_stage(sandbox)
    sandbox.clock.sleep(1.5 - sandbox.now().microsecond / 1_000_000)  # type: ignore[attr-defined]
    deliver(updated(api_id))
    due, event = check(sandbox)
    assert due - datetime.fromisoformat(event["detail"]["missingLogGroup"]["since"]) >= timedelta(minutes=60)


def test_new_destination_that_the_log_role_may_not_write_to_is_a_finding(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    arn, iam = make_role(sandbox, "Theirs"), sandbox.client("iam")
    set_log_role(sandbox, arn)
    policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    iam.detach_role_policy(RoleName="Theirs", PolicyArn=policy)
    groups = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
    statement = {"Effect": "Allow", "Action": "logs:*", "Resource": [f"{THEIRS}:*", f"{groups}API-Gateway-*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="Theirs", PolicyName="logs", PolicyDocument=document)
    api_id = rest_stage(sandbox)
    deliver(updated(api_id))
    _, event = check(sandbox)
    sandbox.clock.sleep(3601)  # type: ignore[attr-defined]
    since = len(sandbox.calls)
    outcomes(caplog)
    assert deliver(event) == []
    assert outcomes(caplog) == ["partly remediated"]
    [detail] = [detail for problem, detail in findings(sandbox, since) if problem == Problem.LIMITED_LOG_ROLE]
    assert f"/aws/vendedlogs/apigateway/{api_id}/prod" in detail


@pytest.mark.parametrize("protocol", ["HTTP", "WEBSOCKET"])
@pytest.mark.parametrize("refuses", [True, False])
def test_format_is_not_set_before_the_destination_exists(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture, protocol: str, *, refuses: bool
) -> None:
    """Until then API Gateway may refuse any access log settings, and the message would become a dead letter."""
    sandbox.turn(refuses_missing_websocket_log_groups=refuses)
    sandbox.turn(accepts_missing_http_log_groups=not refuses)
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_http_stage(sandbox, "prod") if protocol == "HTTP" else make_websocket_stage(sandbox)
    stage = api_by_id(sandbox, "us-east-1", api_id).stages["prod"]
    stage.access_log = {"DestinationArn": THEIRS, "Format": "$context.status"}
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "prod"})) == []
    assert outcomes(caplog) == ["non-compliant" if protocol == "HTTP" else "partly remediated"]
    _, event = check(sandbox)
    sandbox.clock.sleep(3601)  # type: ignore[attr-defined]
    assert deliver(event) == []
    settings = v2_stage(sandbox, api_id)["AccessLogSettings"]
    assert "/aws/vendedlogs/apigatewayv2/" in settings["DestinationArn"]
    assert "$context.requestId" in settings["Format"]


@pytest.mark.parametrize("mode", ["Enforce", "Audit"])
def test_stage_whose_firehose_stream_was_deleted_is_not_compliant(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = rest_stage(sandbox)
    stream = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/amazon-apigateway-gone"
    patch_stage(sandbox, api_id, ("replace", "/accessLogSettings/destinationArn", stream))
    deliver(updated(api_id))
    outcomes(caplog)
    environment.setenv("MODE", mode)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["non-compliant"]
    assert findings(sandbox, since) == [(Problem.FIREHOSE_MISSING, "amazon-apigateway-gone")]
