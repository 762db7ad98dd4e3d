"""What happens at a time that was planned, such as the end of an opt-in to INFO: on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_role,
    set_log_role,
    v2_arn,
)
from testing.cloudformation import make_stack
from testing.stacks import Deployed


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def stack(built: None, clock: MovableClock) -> Iterator[Deployed]:
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        set_log_role(sandbox, make_role(sandbox))  # to make one takes ten seconds
        yield Deployed(sandbox, deployment.deploy(sandbox, {"SettleSeconds": "0"}))


@pytest.fixture
def api_id(stack: Deployed) -> str:
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    return api_id


def tag(stack: Deployed, api_id: str, **tags: str) -> None:
    stack.sandbox.client("apigateway").tag_resource(
        resourceArn=arn(api_id), tags={name.replace("_", "-"): value for name, value in tags.items()}
    )


def arn(api_id: str) -> str:
    return f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"


def schedules(stack: Deployed, api_id: str) -> list[str]:
    """When the schedules of an API's stages fire."""
    client, found = stack.sandbox.client("scheduler"), []
    for each in client.list_schedules()["Schedules"]:
        if each["Name"].startswith(api_id):
            # It may go between the list and this.
            with suppress(client.exceptions.ResourceNotFoundException):
                schedule = client.get_schedule(GroupName=each["GroupName"], Name=each["Name"])
                found.append(schedule["ScheduleExpression"])
    return found


def test_opt_in_ends_by_itself(stack: Deployed, clock: MovableClock, api_id: str) -> None:
    end = clock.now() + timedelta(days=3)
    tag(stack, api_id, execution_logs="INFO", execution_logs_until=end.isoformat(timespec="seconds"))
    stack.wait_until_compliant(api_id, level="INFO")
    stack.sandbox.wait_until(lambda: schedules(stack, api_id) == [f"at({end:%Y-%m-%dT%H:%M:%S})"])
    clock.advance(timedelta(days=2))
    stack.wait_until_quiet()
    assert levels(get_stage(stack.sandbox, api_id)) == {"*/*": "INFO"}
    clock.advance(timedelta(days=1, seconds=1))
    stack.wait_until_compliant(api_id)
    stack.sandbox.wait_until(lambda: schedules(stack, api_id) == [])
    assert stack.wait_until_quiet() == 0


def test_schedule_follows_the_tag_and_goes_with_it(stack: Deployed, clock: MovableClock, api_id: str) -> None:
    days = [(clock.now() + timedelta(days=number)).date() for number in (5, 7)]
    tag(stack, api_id, execution_logs="INFO", execution_logs_until=days[0].isoformat())
    expected = [f"at({day + timedelta(days=1)}T00:00:00)" for day in days]
    stack.sandbox.wait_until(lambda: schedules(stack, api_id) == [expected[0]])
    tag(stack, api_id, execution_logs_until=days[1].isoformat())
    stack.sandbox.wait_until(lambda: schedules(stack, api_id) == [expected[1]])
    stack.sandbox.client("apigateway").untag_resource(resourceArn=arn(api_id), tagKeys=["execution-logs-until"])
    stack.sandbox.wait_until(lambda: schedules(stack, api_id) == [])
    stack.wait_until_compliant(api_id, level="INFO")


def test_end_that_is_past_is_no_opt_in(stack: Deployed, clock: MovableClock, api_id: str) -> None:
    yesterday = (clock.now() - timedelta(days=1)).date().isoformat()
    tag(stack, api_id, execution_logs="INFO", execution_logs_until=yesterday)
    stack.sandbox.wait_until(lambda: stack.wait_until_logged("compliant", api_id))
    assert levels(get_stage(stack.sandbox, api_id)) == {"*/*": "ERROR"}


def test_end_that_cannot_be_read_is_a_finding_that_names_the_tag(stack: Deployed, api_id: str) -> None:
    tag(stack, api_id, execution_logs="INFO", execution_logs_until="next week")
    line: dict[str, Any] = json.loads(stack.wait_until_logged("compliant", api_id, "execution-logs-until"))
    assert line["findings"] == [
        {
            "problem": "the value of a tag is not an ISO 8601 date or time, and counts as past",
            "detail": "execution-logs-until",
        }
    ]
    assert levels(get_stage(stack.sandbox, api_id)) == {"*/*": "ERROR"}


def test_http_stage_has_no_level_to_end(stack: Deployed, clock: MovableClock) -> None:
    """Its tag is of no use, and does no harm."""
    api_id = make_http_stage(stack.sandbox)
    until = (clock.now() + timedelta(days=1)).date().isoformat()
    stack.sandbox.client("apigatewayv2").tag_resource(
        ResourceArn=v2_arn(api_id, "$default"), Tags={"execution-logs": "INFO", "execution-logs-until": until}
    )
    stack.wait_until_logged("remediated", api_id)
    clock.advance(timedelta(days=2))
    assert stack.wait_until_quiet() == 0


def test_destination_that_stays_missing_is_replaced_after_an_hour(stack: Deployed, clock: MovableClock) -> None:
    """Its owner deletes the log group that they chose, and forgets about it."""
    logs = stack.sandbox.client("logs")
    chosen = f"arn:aws:logs:us-east-1:{stack.sandbox.account_id}:log-group:team/shop"
    logs.create_log_group(logGroupName="team/shop")
    logs.delete_log_group(logGroupName="team/shop")
    api_id = make_stack(
        stack.sandbox, "shop", AccessLogSetting={"DestinationArn": chosen, "Format": "$context.requestId"}
    )
    stack.wait_until_logged("partly remediated", api_id, "access logs are lost")
    stack.sandbox.wait_until(lambda: len(schedules(stack, api_id)) == 1)
    clock.advance(timedelta(minutes=59))
    stack.wait_until_quiet()
    assert get_stage(stack.sandbox, api_id)["accessLogSettings"]["destinationArn"] == chosen
    clock.advance(timedelta(minutes=1, seconds=1))
    own = chosen.replace("team/shop", f"/aws/vendedlogs/apigateway/{api_id}/prod")
    stack.sandbox.wait_until(lambda: get_stage(stack.sandbox, api_id)["accessLogSettings"]["destinationArn"] == own)
    assert "team/shop" not in log_groups(stack.sandbox)
    assert stack.wait_until_quiet() == 0


def test_stack_that_cannot_create_a_log_group_of_ours_is_reported(stack: Deployed, api_id: str) -> None:
    """A team declares the execution log group for a retention of its own, after Log Keeper has created it."""
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    resource = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group, "RetentionInDays": 7}}
    client = stack.sandbox.client("cloudformation")
    client.create_stack(StackName="late", TemplateBody=json.dumps({"Resources": {"Group": resource}}))
    line = json.loads(stack.wait_until_logged("compliant", api_id, "CreateLogGroup"))
    assert line["findings"] == [
        {"problem": "a deployment could not create a log group that exists already", "detail": group}
    ]
    assert log_groups(stack.sandbox)[group] == 30
