"""What cannot be changed does not keep the rest of a stage from being remediated."""

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
    """As under a service control policy that demands tags: the level changes too, and the message comes back."""
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


def test_access_logs_go_on_although_the_execution_log_group_may_not_be_created(
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
    """All changes at once are refused, so that those of each setting are sent separately."""
    Refusal(sandbox, "UpdateStage", "accessLogSettings", code="BadRequestException")
    assert deliver(updated(leaking)) == ["0"]
    stage = get_stage(sandbox, leaking)
    assert levels(stage) == {"*/*": "ERROR"}
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False


def test_data_trace_ends_although_the_account_gets_no_log_role(
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
def test_opt_in_that_cannot_be_scheduled_to_end_leaves_no_stage_silent(
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


def test_opt_in_that_cannot_be_scheduled_to_end_does_not_begin(
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


def test_nothing_that_can_be_done_is_non_compliant(
    sandbox: Sandbox, deliver: Deliver, leaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    Refusal(sandbox, "CreateLogGroup")
    Refusal(sandbox, "UpdateStage")
    assert deliver(updated(leaking)) == ["0"]
    assert outcomes(caplog) == ["non-compliant"]
    assert get_stage(sandbox, leaking)["methodSettings"]["*/*"]["dataTraceEnabled"] is True


def test_what_was_made_before_a_conflict_is_published(sandbox: Sandbox, deliver: Deliver, leaking: str) -> None:
    """Another program makes the stage compliant between the log groups and the stage's own settings."""
    since = len(sandbox.calls)

    def meddle(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(meddle)
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

    sandbox.hooks.append(meddle)
    assert deliver(updated(leaking)) == []
    published = [made.call.params["Entries"] for made in sandbox.calls[since:] if made.call.operation == "PutEvents"]
    [groups] = [json.loads(entry["Detail"])["logGroups"] for entries in published for entry in entries]
    assert set(groups.values()) == {"created"}


def test_http_stage_needs_no_log_role(sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_ROLE_ARN", make_role(sandbox, "Unfit", policy=None))
    api_id = make_http_stage(sandbox)
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "$default"})) == []


def test_created_log_groups_say_who_created_them(sandbox: Sandbox, deliver: Deliver, leaking: str) -> None:
    assert deliver(updated(leaking)) == []
    logs = sandbox.client("logs", caller=sandbox.administrator)
    for name in (f"API-Gateway-Execution-Logs_{leaking}/prod", f"/aws/vendedlogs/apigateway/{leaking}/prod"):
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"created-by": "log-keeper"}
