"""A remediation that stops half-way publishes what it has changed, and makes the most important changes first."""

from __future__ import annotations

from typing import Any

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.core.call import AwsError, Call
from sandbox.core.faults import Fault, FaultType
from testing.accounts import (
    get_stage,
    levels,
    make_http_stage,
    make_leaking_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
)
from testing.builders import MADE_ROLE, record, updated
from testing.deliveries import Deliver
from testing.published import Refusal, findings, outcomes, published_changes, published_log_groups

CONFLICT = AwsError("ConflictException", "Unable to complete operation due to concurrent modification.", 409)


#: An address without a server.
NOWHERE = "http://127.0.0.1:1"


class Once:
    """Raise an error once, in place of a call of Log Keeper: the first of the operation, or a later one."""

    def __init__(self, sandbox: Sandbox, operation: str, error: Exception, number: int = 1, times: int = 1) -> None:
        self.operation, self.error, self.numbers, self.seen = operation, error, range(number, number + times), 0
        sandbox.hooks.append(self)

    def __call__(self, sandbox: Sandbox, call: Call) -> None:
        if call.operation == self.operation and "log-keeper" in call.user_agent:
            self.seen += 1
            if self.seen in self.numbers:
                raise self.error


@pytest.fixture
def leaking(sandbox: Sandbox) -> str:
    return make_leaking_stage(sandbox)


def traces(sandbox: Sandbox, api_id: str) -> bool:
    return bool(get_stage(sandbox, api_id)["methodSettings"]["*/*"]["dataTraceEnabled"])


def test_http_stage_whose_group_may_not_be_created_is_reported(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id = make_http_stage(sandbox)
    event = record("UpdateStage", {"apiId": api_id, "stageName": "$default"})
    deliver(event)
    outcomes(caplog)
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    sandbox.client("logs").delete_log_group(logGroupName=group)
    Refusal(sandbox, "CreateLogGroup")
    since = len(sandbox.calls)
    assert deliver(event) == ["0"]
    assert outcomes(caplog) == ["non-compliant"]
    assert Problem.CHANGE_FAILED in [problem for problem, _ in findings(sandbox, since)]


def test_created_log_groups_are_published_although_the_time_runs_out(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    since = len(sandbox.calls)
    Once(sandbox, "UpdateStage", CONFLICT, times=99)
    assert deliver(updated(leaking), remaining=16_000) == ["0"]
    assert len(published_log_groups(sandbox, since)) == 2
    assert outcomes(caplog) == ["partly remediated"]


def test_created_log_groups_are_published_although_the_stage_cannot_be_read_again(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    since = len(sandbox.calls)
    Once(sandbox, "UpdateStage", CONFLICT)
    Once(sandbox, "GetStage", AwsError("AccessDeniedException", "No.", 403), 2)
    assert deliver(updated(leaking)) == ["0"]
    assert len(published_log_groups(sandbox, since)) == 2
    assert outcomes(caplog) == ["partly remediated"]


def test_log_groups_of_a_stage_that_is_deleted_meanwhile_are_published(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage":
            sandbox.hooks.remove(interfere)
            sandbox.client("apigateway").delete_stage(restApiId=leaking, stageName="prod")

    sandbox.hooks.append(interfere)
    since = len(sandbox.calls)
    assert deliver(updated(leaking)) == []
    assert outcomes(caplog) == ["deleted"]
    assert len(published_log_groups(sandbox, since)) == 2


def overrides(sandbox: Sandbox, api_id: str, count: int) -> None:
    for number in range(count):
        patch_stage(sandbox, api_id, ("replace", f"/~1m{number}/GET/logging/dataTrace", "true"))


def test_each_call_that_was_made_is_published_although_a_later_one_fails(
    sandbox: Sandbox, deliver: Deliver, leaking: str
) -> None:
    """The stage requires more changes than one UpdateStage accepts."""
    overrides(sandbox, leaking, 100)
    since = len(sandbox.calls)
    Once(sandbox, "UpdateStage", AwsError("BadRequestException", "No.", 400), 2, times=99)
    assert deliver(updated(leaking)) == ["0"]
    assert published_changes(sandbox, since) == ["data trace"] * 80


def test_each_call_that_was_made_is_published_although_the_next_is_a_conflict(
    sandbox: Sandbox, deliver: Deliver, leaking: str
) -> None:
    overrides(sandbox, leaking, 100)
    since = len(sandbox.calls)
    Once(sandbox, "UpdateStage", CONFLICT, 2)
    assert deliver(updated(leaking)) == []
    assert published_changes(sandbox, since).count("data trace") == 101


@pytest.mark.parametrize("operation", ["GetAccount", "GetRole", "SimulatePrincipalPolicy"])
def test_data_trace_ends_although_the_log_role_cannot_be_read(
    sandbox: Sandbox, deliver: Deliver, leaking: str, operation: str
) -> None:
    Refusal(sandbox, operation)
    since = len(sandbox.calls)
    assert deliver(updated(leaking)) == ["0"]
    assert not traces(sandbox, leaking)
    assert published_changes(sandbox, since) == ["data trace"]


def test_data_trace_ends_although_no_time_is_left_to_repair_the_log_role(sandbox: Sandbox, deliver: Deliver) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox, api_id, ("replace", "/*/*/logging/loglevel", "INFO"), ("replace", "/*/*/logging/dataTrace", "true")
    )
    set_log_role(sandbox, "")
    assert deliver(updated(api_id), remaining=15_000) == ["0"]
    assert not traces(sandbox, api_id)


def test_data_trace_ends_although_log_groups_cannot_be_read(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    Refusal(sandbox, "DescribeLogGroups")
    since = len(sandbox.calls)
    assert deliver(updated(leaking)) == ["0"]
    assert not traces(sandbox, leaking)
    assert published_changes(sandbox, since) == ["data trace"]
    assert outcomes(caplog) == ["partly remediated"]
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.CHANGE_FAILED]


@pytest.mark.parametrize("service", ["IAM", "CLOUDWATCH_LOGS"])
def test_data_trace_ends_although_a_service_cannot_be_reached(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, leaking: str, service: str
) -> None:
    """No connection at all: for botocore another error than a connection that breaks."""
    environment.setenv(f"AWS_ENDPOINT_URL_{service}", NOWHERE)
    assert deliver(updated(leaking)) == ["0"]
    assert not traces(sandbox, leaking)


def test_stage_is_remediated_although_scheduler_cannot_be_reached(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, leaking: str
) -> None:
    environment.setenv("AWS_ENDPOINT_URL_SCHEDULER", NOWHERE)
    theirs = "arn:aws:logs:us-east-1:123456789012:log-group:theirs"
    patch_stage(
        sandbox,
        leaking,
        ("replace", "/accessLogSettings/destinationArn", theirs),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    assert deliver(updated(leaking)) == ["0"]
    assert not traces(sandbox, leaking)
    assert levels(get_stage(sandbox, leaking)) == {"*/*": "ERROR"}


def test_group_without_its_retention_is_published_as_created(sandbox: Sandbox, deliver: Deliver, leaking: str) -> None:
    Refusal(sandbox, "PutRetentionPolicy")
    since = len(sandbox.calls)
    assert deliver(updated(leaking)) == ["0"]
    assert len(published_log_groups(sandbox, since)) == 2
    assert get_stage(sandbox, leaking)["accessLogSettings"]["destinationArn"].endswith(f"/{leaking}/prod")
    details = [detail.split(":")[0] for _, detail in findings(sandbox, since)]
    assert all("retention" in detail for detail in details)


def test_repaired_log_role_is_reported_although_the_stage_cannot_be_read_again(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id = make_rest_stage(sandbox)
    Once(sandbox, "GetStage", AwsError("AccessDeniedException", "No.", 403), 2)
    assert deliver(updated(api_id)) == ["0"]
    assert MADE_ROLE in [getattr(line, "roleArn", None) for line in caplog.records]


def stale(sandbox: Sandbox) -> str:
    """Create a WebSocket API with settings of a route that does not exist, and data trace on another. Return its id."""
    set_log_role(sandbox, make_role(sandbox))
    api_id, client = make_websocket_stage(sandbox), sandbox.client("apigatewayv2")
    loud: dict[str, Any] = {"LoggingLevel": "INFO", "DataTraceEnabled": True}
    route = client.create_route(ApiId=api_id, RouteKey="join")["RouteId"]
    client.update_stage(ApiId=api_id, StageName="prod", RouteSettings={"join": loud, "send": loud})
    client.delete_route(ApiId=api_id, RouteId=route)
    return api_id


def test_stage_whose_routes_cannot_be_changed_is_not_compliant(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    event = record("UpdateStage", {"apiId": stale(sandbox), "stageName": "prod"})
    assert deliver(event) == []
    assert deliver(event) == []
    assert outcomes(caplog) == ["partly remediated", "non-compliant"]


def test_change_of_a_route_is_published_although_its_settings_cannot_be_restored(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    sandbox.turn(partial_route_settings="resets")
    set_log_role(sandbox, make_role(sandbox))
    api_id, client = make_websocket_stage(sandbox), sandbox.client("apigatewayv2")
    client.update_stage(
        ApiId=api_id, StageName="prod", RouteSettings={"send": {"ThrottlingBurstLimit": 7, "LoggingLevel": "INFO"}}
    )
    sandbox.faults.add(Fault(FaultType.DROPPED, "apigatewayv2", "UpdateStage", times=None, skip=1, of=lambda _: True))
    since = len(sandbox.calls)
    deliver(record("UpdateStage", {"apiId": api_id, "stageName": "prod"}))
    assert "execution logging level" in published_changes(sandbox, since)
    assert Problem.ROUTE_SETTINGS_LOST in [problem for problem, _ in findings(sandbox, since)]


def test_log_groups_of_a_managed_stage_that_may_not_be_changed_are_published(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    sandbox.turn(managed_stage_is_locked=True)
    client = sandbox.client("apigatewayv2")
    api_id = client.create_api(Name="quick", ProtocolType="HTTP", Target="https://example.com")["ApiId"]
    since = len(sandbox.calls)
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "$default"})) == []
    assert published_log_groups(sandbox, since) == [f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"]


def test_data_trace_of_a_route_without_a_level_is_switched_off_although_there_is_no_log_role(
    sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch
) -> None:
    """Only the trace is sent, and API Gateway drops the throttle."""
    sandbox.turn(partial_route_settings="resets")
    set_log_role(sandbox, make_role(sandbox))
    api_id, client = make_websocket_stage(sandbox), sandbox.client("apigatewayv2")
    loud = {"DataTraceEnabled": True, "ThrottlingBurstLimit": 7}
    client.update_stage(ApiId=api_id, StageName="prod", RouteSettings={"send": loud})
    set_log_role(sandbox, "")
    environment.setenv("LOG_ROLE_ARN", "arn:aws:iam::123456789012:role/Absent")
    since = len(sandbox.calls)
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "prod"})) == ["0"]
    settings = client.get_stage(ApiId=api_id, StageName="prod")["RouteSettings"]["send"]
    assert (settings["DataTraceEnabled"], settings["ThrottlingBurstLimit"]) == (False, 7)
    assert published_changes(sandbox, since) == ["data trace"]
