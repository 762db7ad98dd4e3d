"""A change that cannot be made does not prevent the other changes of a stage."""

from __future__ import annotations

import json

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.core.call import AwsError, Call
from testing.accounts import get_stage, levels, log_groups, make_http_stage, make_leaking_stage, make_role, patch_stage
from testing.builders import record, updated
from testing.deliveries import Deliver
from testing.published import Refusal, findings, outcomes, published_changes


@pytest.fixture
def leaking(sandbox: Sandbox) -> str:
    return make_leaking_stage(sandbox)


def test_data_trace_ends_although_no_log_group_may_be_created(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A service control policy demands tags: the level changes too, and the message is retried."""
    refusal, since = Refusal(sandbox, "CreateLogGroup"), len(sandbox.calls)
    assert deliver(updated(leaking)) == ["0"]
    stage = get_stage(sandbox, leaking)
    assert levels(stage) == {"*/*": "ERROR"}
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False
    assert "accessLogSettings" not in stage, "access logs to a log group that does not exist would be lost"
    assert outcomes(caplog) == ["partly remediated"]
    problems = [problem for problem, _ in findings(sandbox, since)]
    assert problems == [Problem.CHANGE_FAILED, Problem.CHANGE_FAILED]
    assert published_changes(sandbox, since) == ["data trace", "execution logging level"]
    refusal.end()
    assert deliver(updated(leaking)) == []
    assert get_stage(sandbox, leaking)["accessLogSettings"]["destinationArn"].endswith(f"/{leaking}/prod")
    assert outcomes(caplog) == ["remediated"]


def test_access_logs_are_set_although_the_execution_log_group_may_not_be_created(
    sandbox: Sandbox, deliver: Deliver, leaking: str
) -> None:
    Refusal(sandbox, "CreateLogGroup", "API-Gateway-Execution-Logs", code="LimitExceededException")
    assert deliver(updated(leaking)) == ["0"]
    stage = get_stage(sandbox, leaking)
    assert stage["accessLogSettings"]["destinationArn"].endswith(f"/{leaking}/prod")
    assert log_groups(sandbox)[f"/aws/vendedlogs/apigateway/{leaking}/prod"] == 365


def test_data_trace_ends_although_api_gateway_refuses_the_access_logs(
    sandbox: Sandbox, deliver: Deliver, leaking: str
) -> None:
    """The update with all changes is refused, so each type of change is sent by itself."""
    Refusal(sandbox, "UpdateStage", "accessLogSettings", code="BadRequestException")
    assert deliver(updated(leaking)) == ["0"]
    stage = get_stage(sandbox, leaking)
    assert levels(stage) == {"*/*": "ERROR"}
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False


def test_data_trace_ends_although_no_log_role_can_be_set(
    sandbox: Sandbox, deliver: Deliver, leaking: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_ROLE_ARN", make_role(sandbox, "Unfit", policy=None))
    sandbox.client("iam").detach_role_policy(
        RoleName="Logs", PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    )
    assert deliver(updated(leaking)) == ["0"]
    settings = get_stage(sandbox, leaking)["methodSettings"]["*/*"]
    assert (settings["dataTraceEnabled"], settings["loggingLevel"]) == (False, "INFO")


@pytest.mark.parametrize(("before", "after"), [("OFF", "ERROR"), ("ERROR", "ERROR"), ("INFO", "INFO")])
def test_stage_logs_at_error_if_the_end_of_its_opt_in_cannot_be_scheduled(
    sandbox: Sandbox, deliver: Deliver, leaking: str, before: str, after: str
) -> None:
    patch_stage(sandbox, leaking, ("replace", "/*/*/logging/loglevel", before))
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{leaking}/stages/prod"
    tags = {"execution-logs": "INFO", "execution-logs-until": "2100-01-01"}
    sandbox.client("apigateway").tag_resource(resourceArn=arn, tags=tags)
    Refusal(sandbox, "GetSchedule")
    since = len(sandbox.calls)
    assert deliver(record("TagResource", {"resourceArn": arn})) == ["0"]
    assert levels(get_stage(sandbox, leaking)) == {"*/*": after}
    assert ("execution logging level" in published_changes(sandbox, since)) == (before != after)


def test_opt_in_does_not_start_if_its_end_cannot_be_scheduled(
    sandbox: Sandbox, deliver: Deliver, leaking: str, environment: pytest.MonkeyPatch
) -> None:
    patch_stage(sandbox, leaking, ("replace", "/*/*/logging/loglevel", "ERROR"))
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{leaking}/stages/prod"
    tags = {"execution-logs": "INFO", "execution-logs-until": "2100-01-01"}
    sandbox.client("apigateway").tag_resource(resourceArn=arn, tags=tags)
    Refusal(sandbox, "GetSchedule")
    assert deliver(record("TagResource", {"resourceArn": arn})) == ["0"]
    settings = get_stage(sandbox, leaking)["methodSettings"]["*/*"]
    assert (settings["dataTraceEnabled"], settings["loggingLevel"]) == (False, "ERROR")


def test_stage_without_a_possible_change_is_non_compliant(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    Refusal(sandbox, "CreateLogGroup")
    Refusal(sandbox, "UpdateStage")
    assert deliver(updated(leaking)) == ["0"]
    assert outcomes(caplog) == ["non-compliant"]
    assert get_stage(sandbox, leaking)["methodSettings"]["*/*"]["dataTraceEnabled"] is True


def test_log_groups_created_before_a_conflict_are_published(sandbox: Sandbox, deliver: Deliver, leaking: str) -> None:
    """Another program makes the stage compliant after the log groups were created and before the update."""
    since = len(sandbox.calls)

    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(interfere)
            group = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apigateway/{leaking}/prod"
            patch_stage(
                sandbox,
                leaking,
                ("replace", "/*/*/logging/loglevel", "ERROR"),
                ("replace", "/*/*/logging/dataTrace", "false"),
                ("replace", "/accessLogSettings/destinationArn", group),
                ("replace", "/accessLogSettings/format", "$context.requestId"),
            )
            raise AwsError("ConflictException", "Unable to complete operation due to concurrent modification.", 409)

    sandbox.hooks.append(interfere)
    assert deliver(updated(leaking)) == []
    published = [made.call.params["Entries"] for made in sandbox.calls[since:] if made.call.operation == "PutEvents"]
    [groups] = [json.loads(entry["Detail"])["logGroups"] for entries in published for entry in entries]
    assert set(groups.values()) == {"created"}


def test_http_stage_needs_no_log_role(sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_ROLE_ARN", make_role(sandbox, "Unfit", policy=None))
    api_id = make_http_stage(sandbox)
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "$default"})) == []


def test_created_log_groups_are_tagged_with_their_creator(sandbox: Sandbox, deliver: Deliver, leaking: str) -> None:
    assert deliver(updated(leaking)) == []
    logs = sandbox.client("logs", caller=sandbox.administrator)
    for name in (f"API-Gateway-Execution-Logs_{leaking}/prod", f"/aws/vendedlogs/apigateway/{leaking}/prod"):
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"created-by": "log-keeper"}
