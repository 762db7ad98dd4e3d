"""Events that the real handler processes, in this process, in a sandbox account."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from handlers import enforce
from log_keeper.aws.account_role import AccountRoleError
from log_keeper.stages import Protocol
from sandbox.assembly import Sandbox
from sandbox.core.faults import Fault, FaultType
from testing.accounts import (
    PUSH_POLICY,
    TRUST,
    get_stage,
    levels,
    log_groups,
    log_role,
    make_log_key,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
)
from testing.builders import ACCOUNT, FORMATS, MADE_ROLE, record, updated
from testing.deliveries import Context, Deliver


def calls_by_handler(sandbox: Sandbox, since: int) -> list[str]:
    return [f"{made.call.service}:{made.call.operation}" for made in sandbox.calls[since:]]


def test_new_stage_is_remediated(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    assert deliver(updated(api_id)) == []
    stage = get_stage(sandbox, api_id)
    group = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    assert stage["accessLogSettings"] == {
        "destinationArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}",
        "format": FORMATS[Protocol.REST],
    }
    assert levels(stage) == {"*/*": "ERROR"}
    assert log_role(sandbox) == MADE_ROLE
    assert log_groups(sandbox)[group] == 365
    assert log_groups(sandbox)[f"API-Gateway-Execution-Logs_{api_id}/prod"] == 30


def test_event_without_an_envelope_is_processed_too(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    api_id = make_rest_stage(sandbox)
    enforce.handler(updated(api_id), Context())  # type: ignore[arg-type]
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}


def test_compliant_stage_costs_one_call_of_api_gateway(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    before = len(sandbox.calls)
    deliver(updated(api_id))
    made = calls_by_handler(sandbox, before)
    assert made[0] == "apigateway:GetStage"
    assert set(made[1:]) == {"logs:DescribeLogGroups"}  # test_log_group_answers counts them


def test_new_stage_takes_two_calls_of_api_gateway(sandbox: Sandbox, deliver: Deliver) -> None:
    deliver(updated(make_rest_stage(sandbox)))
    api_id = make_rest_stage(sandbox)
    before = len(sandbox.calls)
    deliver(updated(api_id))
    made = calls_by_handler(sandbox, before)
    assert [call for call in made if call.startswith("apigateway")] == ["apigateway:GetStage", "apigateway:UpdateStage"]


def test_a_burst_about_one_stage_costs_one_evaluation(sandbox: Sandbox, deliver: Deliver) -> None:
    deliver(updated(make_rest_stage(sandbox)))
    api_id = make_rest_stage(sandbox)
    before = len(sandbox.calls)
    assert deliver(*[updated(api_id)] * 9) == []
    assert calls_by_handler(sandbox, before).count("apigateway:GetStage") == 1


def test_tag_opts_a_stage_in_and_out(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    client, arn = sandbox.client("apigateway"), f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    client.tag_resource(resourceArn=arn, tags={"execution-logs": "info"})
    deliver(record("TagResource", {"resourceArn": arn}))
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "INFO"}
    client.untag_resource(resourceArn=arn, tagKeys=["execution-logs"])
    deliver(record("UntagResource", {"resourceArn": arn}))
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}


def test_overrides_are_remediated_and_data_trace_is_switched_off(sandbox: Sandbox, deliver: Deliver) -> None:
    """An override that has a throttle only gets a level, data trace is switched off, and other settings stay."""
    api_id = make_rest_stage(sandbox)
    set_log_role(sandbox, make_role(sandbox))
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/~1/GET/throttling/burstLimit", "7"),
        ("replace", "/*/*/logging/dataTrace", "true"),
        ("replace", "/*/*/metrics/enabled", "true"),
        ("replace", "/variables/colour", "blue"),
        ("replace", "/description", "mine"),
    )
    before = get_stage(sandbox, api_id)
    assert deliver(updated(api_id)) == []
    after = get_stage(sandbox, api_id)
    assert levels(after) == {"*/*": "ERROR", "~1/GET": "ERROR"}
    for settings in (*before["methodSettings"].values(), *after["methodSettings"].values()):
        settings.pop("loggingLevel", None)
        settings["dataTraceEnabled"] = False
    for stage in (before, after):
        for key in ("accessLogSettings", "lastUpdatedDate", "ResponseMetadata"):
            stage.pop(key, None)
    assert after == before


@pytest.mark.parametrize("unifies", [False, True])
def test_method_is_remediated_under_each_spelling_of_its_path(
    sandbox: Sandbox, deliver: Deliver, *, unifies: bool
) -> None:
    """As CDK, Terraform and SAM write it. No entry is added, and a second evaluation requires no change."""
    sandbox.turn(unifies_method_keys=unifies)
    api_id = make_rest_stage(sandbox)
    set_log_role(sandbox, make_role(sandbox))
    keys = ["~1pets/GET", "pets/GET", "/pets/GET", "pets~1{id}/GET", "variables/GET"]
    patch_stage(sandbox, api_id, *[("replace", f"/{key}/logging/dataTrace", "true") for key in keys])
    if unifies:
        keys = [keys[0], *keys[3:]]
    assert deliver(updated(api_id)) == []
    stage = get_stage(sandbox, api_id)
    assert levels(stage) == dict.fromkeys(["*/*", *keys], "ERROR")
    assert not any(settings["dataTraceEnabled"] for settings in stage["methodSettings"].values())
    assert "variables" not in stage
    before = len(sandbox.calls)
    deliver(updated(api_id))
    assert "apigateway:UpdateStage" not in calls_by_handler(sandbox, before)


def test_destination_of_the_owner_is_kept(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    set_log_role(sandbox, make_role(sandbox))
    sandbox.client("logs").create_log_group(logGroupName="mine")
    mine = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:mine"
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", mine),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    deliver(updated(api_id))
    assert get_stage(sandbox, api_id)["accessLogSettings"] == {"destinationArn": mine, "format": "$context.requestId"}
    assert log_groups(sandbox)["mine"] is None
    assert f"/aws/vendedlogs/apigateway/{api_id}/prod" not in log_groups(sandbox)


def test_retention_that_somebody_set_is_kept(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    logs = sandbox.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    deliver(updated(api_id))
    assert log_groups(sandbox)[group] == 7


def test_young_group_without_retention_gets_one(sandbox: Sandbox, deliver: Deliver) -> None:
    """API Gateway creates such a group where somebody raised the level before Log Keeper did."""
    api_id = make_rest_stage(sandbox)
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    sandbox.client("logs").create_log_group(logGroupName=group)
    deliver(updated(api_id))
    assert log_groups(sandbox)[group] == 30


def test_account_level_retention_policy_is_left(sandbox: Sandbox, deliver: Deliver) -> None:
    """It applies whatever a group says; a retention of the group would only hide it."""
    logs = sandbox.client("logs")
    logs.put_account_policy(
        policyName="all",
        policyType="RETENTION_POLICY",
        policyDocument=json.dumps({"RetentionInDays": 90}),
        scope="ALL",
    )
    api_id = make_rest_stage(sandbox)
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    logs.create_log_group(logGroupName=group)
    before = len(sandbox.calls)
    deliver(updated(api_id))
    retentions = [made.call.params for made in sandbox.calls[before:] if made.call.operation == "PutRetentionPolicy"]
    assert group not in [params["logGroupName"] for params in retentions]


def test_groups_are_encrypted_with_the_owners_key(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
) -> None:
    key = make_log_key(sandbox)
    environment.setenv("LOG_GROUP_KMS_KEY_ARN", key)
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    groups = sandbox.client("logs").describe_log_groups(logGroupNamePrefix="/aws/vendedlogs/")["logGroups"]
    assert [(group["logGroupName"], group["kmsKeyId"]) for group in groups] == [
        (f"/aws/vendedlogs/apigateway/{api_id}/prod", key)
    ]


def test_canary_gets_its_own_log_groups(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    client = sandbox.client("apigateway")
    client.create_deployment(restApiId=api_id, stageName="prod", canarySettings={"percentTraffic": 10.0})
    deliver(updated(api_id))
    assert log_groups(sandbox) | {
        f"API-Gateway-Execution-Logs_{api_id}/prod/Canary": 30,
        f"/aws/vendedlogs/apigateway/{api_id}/prod/Canary": 365,
    } == log_groups(sandbox)


def test_message_about_a_deleted_stage_is_done(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    sandbox.client("apigateway").delete_stage(restApiId=api_id, stageName="prod")
    assert deliver(updated(api_id), updated("abcdefghij")) == []


def test_bad_message_fails_alone(
    sandbox: Sandbox, deliver: Deliver, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    apis = [make_rest_stage(sandbox) for _ in range(3)]
    failed = deliver(updated(apis[0]), "no JSON", updated(apis[1]), record("UpdateStage", None), updated(apis[2]))
    assert failed == ["1"]
    assert all(levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"} for api_id in apis)
    assert [getattr(line, "messageId", None) for line in caplog.records if line.msg == "Message unreadable"] == ["1"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [
        (line["region"], line["protocol"]) for line in lines if "StagesRemediated" in line and "protocol" in line
    ] == [("us-east-1", "REST")] * 3
    metrics = lines[-1]
    assert (metrics["StagesRemediated"], metrics["MessagesUnreadable"], metrics["RecordsIgnored"]) == (
        [3.0],
        [1.0],
        [1.0],
    )


class TestLogRole:
    """A valid log role is left alone. If it is missing or invalid, one is created or repaired, and set."""

    def test_valid_role_of_somebody_else_is_left(self, sandbox: Sandbox, deliver: Deliver) -> None:
        theirs = make_role(sandbox, "Theirs")
        set_log_role(sandbox, theirs)
        deliver(record("UpdateAccount", {}))
        assert log_role(sandbox) == theirs
        assert [role["RoleName"] for role in sandbox.client("iam").list_roles()["Roles"]] == ["Theirs"]

    @pytest.mark.parametrize("death", ["deleted", "trust", "policy"])
    def test_invalid_role_of_somebody_else_is_replaced_and_not_changed(
        self, sandbox: Sandbox, deliver: Deliver, death: str
    ) -> None:
        iam, theirs = sandbox.client("iam"), make_role(sandbox, "Theirs")
        set_log_role(sandbox, theirs)
        if death in ("deleted", "policy"):
            iam.detach_role_policy(RoleName="Theirs", PolicyArn=PUSH_POLICY)
        if death == "deleted":
            iam.delete_role(RoleName="Theirs")
        if death == "trust":
            lambdas = {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}}  # type: ignore[dict-item]
            iam.update_assume_role_policy(
                RoleName="Theirs", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [lambdas]})
            )
        deliver(record("UpdateAccount", {}))
        assert log_role(sandbox) == MADE_ROLE
        if death == "policy":
            assert iam.list_attached_role_policies(RoleName="Theirs")["AttachedPolicies"] == []

    def test_log_role_is_set_in_the_other_regions_if_one_fails(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        environment.setenv("REGIONS", "eu-west-1,us-east-1")
        make_role(sandbox, "APIGatewayCloudWatchLogs")
        fault = Fault(
            FaultType.ACCESS_DENIED, "apigateway", "GetAccount", of=lambda _: True
        )  # the error is raised at the first call
        sandbox.faults.add(fault)
        deleted = record("DeleteRole", {"roleName": "APIGatewayCloudWatchLogs"}, eventSource="iam.amazonaws.com")
        assert deliver(deleted) == ["0"]
        assert log_role(sandbox) == MADE_ROLE

    def test_disabled_region_is_left_out(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        environment.setenv("REGIONS", "eu-west-1,us-east-1")
        sandbox.disabled_regions.add("eu-west-1")
        make_role(sandbox, "APIGatewayCloudWatchLogs")
        deleted = record("DeleteRole", {"roleName": "APIGatewayCloudWatchLogs"}, eventSource="iam.amazonaws.com")
        assert deliver(deleted) == []
        assert log_role(sandbox) == MADE_ROLE

    def test_own_invalid_role_is_repaired(self, sandbox: Sandbox, deliver: Deliver) -> None:
        """Its trust policy gains API Gateway and keeps its other statements."""
        other = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        make_role(sandbox, "APIGatewayCloudWatchLogs", {"Version": "2012-10-17", "Statement": other}, policy=None)
        deliver(record("UpdateAccount", {}))
        role = sandbox.client("iam").get_role(RoleName="APIGatewayCloudWatchLogs")["Role"]
        assert role["AssumeRolePolicyDocument"]["Statement"] == [other, TRUST["Statement"][0]]
        assert log_role(sandbox) == MADE_ROLE

    def test_created_role_has_the_permissions_boundary(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        boundary = sandbox.client("iam").create_policy(
            PolicyName="Boundary",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
            ),
        )["Policy"]["Arn"]
        environment.setenv("LOG_ROLE_BOUNDARY_ARN", boundary)
        deliver(record("UpdateAccount", {}))
        role = sandbox.client("iam").get_role(RoleName="APIGatewayCloudWatchLogs")["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
        assert log_role(sandbox) == MADE_ROLE

    def test_role_is_created_on_its_path(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        environment.setenv("LOG_ROLE_PATH", "/platform/logs/")
        deliver(record("UpdateAccount", {}))
        assert log_role(sandbox) == "arn:aws:iam::123456789012:role/platform/logs/APIGatewayCloudWatchLogs"

    def test_role_of_the_parameter_is_set(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        environment.setenv("LOG_ROLE_ARN", theirs := make_role(sandbox, "Theirs"))
        deliver(record("UpdateAccount", {}))
        assert log_role(sandbox) == theirs

    def test_invalid_role_of_the_owner_is_reported(
        self, sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
    ) -> None:
        environment.setenv("LOG_ROLE_ARN", make_role(sandbox, "Theirs", policy=None))
        api_id = make_rest_stage(sandbox)
        assert deliver(updated(api_id)) == ["0"]
        assert log_role(sandbox) is None
        assert levels(get_stage(sandbox, api_id)) == {}
        with pytest.raises(AccountRoleError, match=r"LogRoleArn, .*role/Theirs, is not allowed to write"):
            enforce.handler(updated(api_id), Context())  # type: ignore[arg-type]

    def test_status_valid_is_kept(self, sandbox: Sandbox, deliver: Deliver) -> None:
        api_id = make_rest_stage(sandbox)
        deliver(updated(api_id))
        before = len(sandbox.calls)
        deliver(updated(api_id))
        assert "apigateway:GetAccount" not in calls_by_handler(sandbox, before)

    def test_cleared_role_is_set_again(self, sandbox: Sandbox, deliver: Deliver) -> None:
        """UpdateAccount's record leads to a check although the role was valid a moment ago."""
        deliver(updated(make_rest_stage(sandbox)))
        set_log_role(sandbox, "")
        assert log_role(sandbox) is None
        deliver(record("UpdateAccount", {}))
        assert log_role(sandbox) == MADE_ROLE


def test_new_role_is_waited_for_until_it_can_be_used(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.iam_propagation_seconds = 1
    assert deliver(record("UpdateAccount", {})) == []
    assert log_role(sandbox) == MADE_ROLE


def test_no_wait_is_longer_than_the_invocation(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.iam_propagation_seconds = 3600
    assert deliver(record("UpdateAccount", {}), remaining=11_000) == ["0"]


def test_seconds_to_compliance_end_when_the_work_does(
    sandbox: Sandbox, deliver: Deliver, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wait for a new log role counts; that of the message before the function ran does too."""
    sandbox.iam_propagation_seconds = 5
    event = updated(make_rest_stage(sandbox))
    event["detail"]["eventTime"] = (sandbox.now() - timedelta(seconds=30)).isoformat()
    begun = sandbox.now()
    assert deliver(event) == []
    took = (sandbox.now() - begun).total_seconds()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [[seconds]] = [line["SecondsToCompliance"] for line in lines if "SecondsToCompliance" in line]
    assert 35 < seconds <= 30 + took
