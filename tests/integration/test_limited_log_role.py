"""A log role that may write to some log groups only is left and reported, and its stages are not compliant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from handlers import enforce
from log_keeper.aws.account_role import AccountRoleError
from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.account_settings import writes_to
from testing.accounts import (
    PUSH_POLICY,
    get_stage,
    levels,
    log_role,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    set_log_role,
)
from testing.builders import MADE_ROLE, record, updated
from testing.deliveries import Context, Deliver
from testing.limited_roles import EXECUTION, GROUPS, WELCOME, allow, least_privilege, narrow, own_destination


def reported(caplog: pytest.LogCaptureFixture) -> list[tuple[str, list[str]]]:
    """The outcome of each stage, with the details of the findings about the log role."""
    return [
        (line.outcome, [each["detail"] for each in line.findings if each["problem"] == Problem.LIMITED_LOG_ROLE])
        for line in caplog.records
        if hasattr(line, "outcome")
    ]


def test_stage_that_the_role_may_not_write_for_is_remediated_and_then_not_compliant(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = least_privilege(sandbox)
    api_id = make_rest_stage(sandbox)
    access = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    assert deliver(updated(api_id)) == []
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}
    assert log_role(sandbox) == arn
    assert not writes_to(sandbox, "us-east-1", access)
    assert writes_to(sandbox, "us-east-1", f"API-Gateway-Execution-Logs_{api_id}/prod")
    missing = f"{arn} needs logs:CreateLogGroup, logs:CreateLogStream, logs:PutLogEvents on {GROUPS}{access}:*"
    assert reported(caplog) == [("partly remediated", [missing])]

    caplog.clear()
    capsys.readouterr()
    before = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert reported(caplog) == [("non-compliant", [missing])]
    assert not [made for made in sandbox.calls[before:] if made.call.operation in ("UpdateStage", "CreateLogGroup")]
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert metrics["StagesNonCompliant"] == [1.0]
    assert "StagesCompliant" not in metrics
    [entries] = [made.call.params["Entries"] for made in sandbox.calls[before:] if made.call.operation == "PutEvents"]
    assert [json.loads(entry["Detail"])["detail"] for entry in entries] == [missing]


def test_stage_becomes_compliant_when_the_owner_allows_the_role_more(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    least_privilege(sandbox)
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    sandbox.client("iam").attach_role_policy(RoleName="Theirs", PolicyArn=PUSH_POLICY)
    sandbox.clock.sleep(timedelta(minutes=6).total_seconds())  # type: ignore[attr-defined]
    caplog.clear()
    deliver(updated(api_id))
    assert reported(caplog) == [("compliant", [])]


def test_websocket_stage_needs_other_groups_than_a_rest_stage(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    least_privilege(sandbox)
    api_id = make_websocket_stage(sandbox)
    names = [f"/aws/apigateway/{api_id}/prod", f"/aws/vendedlogs/apigatewayv2/{api_id}/prod"]
    deliver(record("CreateStage", {"apiId": api_id, "stageName": "prod"}))
    [(_, [detail])] = reported(caplog)
    assert [f"{GROUPS}{name}:*" in detail for name in names] == [True, True]
    assert [writes_to(sandbox, "us-east-1", name) for name in names] == [False, False]


def test_http_stage_does_not_need_the_role(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    least_privilege(sandbox)
    api_id = make_http_stage(sandbox)
    event = record("CreateStage", {"apiId": api_id, "stageName": "$default"})
    deliver(event)
    caplog.clear()
    before = len(sandbox.calls)
    deliver(event)
    assert reported(caplog) == [("compliant", [])]
    assert not [made for made in sandbox.calls[before:] if made.call.service == "iam"]


@pytest.mark.parametrize("has_welcome", [True, False])
def test_role_for_its_owners_group_only_is_left(sandbox: Sandbox, deliver: Deliver, has_welcome: bool) -> None:
    """Whatever tool deployed it, and although it may write to no standard log group."""
    arn = narrow(sandbox, allow("mine", *([WELCOME] if has_welcome else [])))
    another = make_rest_stage(sandbox)
    assert deliver(record("UpdateAccount", {}), updated(own_destination(sandbox)), updated(another)) == []
    assert log_role(sandbox) == arn
    assert [role["RoleName"] for role in sandbox.client("iam").list_roles()["Roles"]] == ["Theirs"]


@pytest.mark.parametrize(("group", "is_silenced"), [("mine", False), ("another", True)])
def test_owners_destination_is_evaluated_by_its_own_name(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture, group: str, is_silenced: bool
) -> None:
    narrow(sandbox, allow(EXECUTION, "mine"))
    api_id = own_destination(sandbox, group)
    deliver(updated(api_id))
    caplog.clear()
    before = len(sandbox.calls)
    deliver(updated(api_id))
    [(outcome, details)] = reported(caplog)
    assert outcome == ("non-compliant" if is_silenced else "compliant")
    assert [f"{GROUPS}another:*" in detail for detail in details] == [True] * is_silenced
    assert writes_to(sandbox, "us-east-1", group) is not is_silenced
    # The answer is remembered as long as the role's status is.
    assert not [made for made in sandbox.calls[before:] if made.call.service == "iam"]


def test_destination_of_an_owner_costs_one_simulation(sandbox: Sandbox, deliver: Deliver) -> None:
    set_log_role(sandbox, make_role(sandbox))
    deliver(updated(make_rest_stage(sandbox)))
    api_id = own_destination(sandbox)
    before = len(sandbox.calls)
    deliver(updated(api_id))
    asked = [made.call.operation for made in sandbox.calls[before:] if made.call.service == "iam"]
    assert asked == ["SimulatePrincipalPolicy"]


def test_role_that_may_write_for_one_api_is_valid_for_that_api(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = make_rest_stage(sandbox), make_rest_stage(sandbox)
    narrow(sandbox, allow(f"API-Gateway-Execution-Logs_{ours}/*", f"/aws/vendedlogs/apigateway/{ours}/*"))
    deliver(updated(ours), updated(theirs))
    caplog.clear()
    deliver(updated(ours))
    deliver(updated(theirs))
    assert [outcome for outcome, _ in reported(caplog)] == ["compliant", "non-compliant"]


ROLE_CASES: dict[str, Callable[[Sandbox], None]] = {
    "explicit deny": lambda sandbox: _deny(sandbox, "/aws/vendedlogs/*"),
    "permissions boundary": lambda sandbox: _bound(sandbox, allow(EXECUTION, WELCOME)),
}


def _deny(sandbox: Sandbox, group: str) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow(group, effect="Deny")]})
    sandbox.client("iam").put_role_policy(RoleName="Theirs", PolicyName="deny", PolicyDocument=document)


def _bound(sandbox: Sandbox, statement: dict[str, Any]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    boundary = sandbox.client("iam").create_policy(PolicyName="Boundary", PolicyDocument=document)["Policy"]["Arn"]
    sandbox.client("iam").put_role_permissions_boundary(RoleName="Theirs", PermissionsBoundary=boundary)


@pytest.mark.parametrize("case", ROLE_CASES)
def test_stage_is_non_compliant_if_the_role_is_denied_its_log_group(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    set_log_role(sandbox, arn := make_role(sandbox, "Theirs"))
    ROLE_CASES[case](sandbox)
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    caplog.clear()
    deliver(updated(api_id))
    assert [outcome for outcome, _ in reported(caplog)] == ["non-compliant"]
    assert log_role(sandbox) == arn


@pytest.mark.parametrize(
    "make", [lambda sandbox: _deny(sandbox, "*"), lambda sandbox: _bound(sandbox, allow("*", actions=["s3:*"]))]
)
def test_role_that_may_write_nothing_is_replaced(sandbox: Sandbox, deliver: Deliver, make: Any) -> None:
    set_log_role(sandbox, make_role(sandbox, "Theirs"))
    make(sandbox)
    assert deliver(record("UpdateAccount", {})) == []
    assert log_role(sandbox) == MADE_ROLE


def test_boundary_that_leaves_the_owners_group_leaves_the_role(sandbox: Sandbox, deliver: Deliver) -> None:
    set_log_role(sandbox, arn := make_role(sandbox, "Theirs"))
    _bound(sandbox, allow("mine"))
    deliver(record("UpdateAccount", {}))
    assert log_role(sandbox) == arn


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_condition_on_the_region_is_evaluated(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture, region: str
) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": region}}
    narrow(sandbox, allow(EXECUTION), allow("/aws/vendedlogs/*", Condition=condition))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    caplog.clear()
    deliver(updated(api_id))
    assert [outcome for outcome, _ in reported(caplog)] == ["compliant" if region == "us-east-1" else "non-compliant"]
    assert writes_to(sandbox, "us-east-1", f"/aws/vendedlogs/apigateway/{api_id}/prod") is (region == "us-east-1")


def test_role_counts_as_valid_under_a_condition_that_cannot_be_simulated(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    arn = narrow(sandbox, allow("*", Condition={"StringEquals": {"aws:PrincipalTag/team": "shop"}}))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    caplog.clear()
    deliver(updated(api_id))
    assert reported(caplog) == [("compliant", [])]
    assert log_role(sandbox) == arn


def test_role_without_permission_to_create_groups_is_left_and_reported(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """AWS says that a role needs the permission. Whether it needs it for a group that exists is not known."""
    arn = narrow(sandbox, allow("*", actions=["logs:CreateLogStream", "logs:PutLogEvents"]))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    caplog.clear()
    deliver(updated(api_id))
    [(outcome, [detail])] = reported(caplog)
    assert outcome == "non-compliant"
    assert f"{arn} needs logs:CreateLogGroup on " in detail
    assert log_role(sandbox) == arn


def test_audit_reports_the_permissions_that_the_role_needs(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    least_privilege(sandbox)
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    environment.setenv("MODE", "Audit")
    enforce.enforce_handler.cache_clear()
    caplog.clear()
    before = len(sandbox.calls)
    deliver(updated(api_id), updated(make_rest_stage(sandbox)))
    assert [outcome for outcome, _ in reported(caplog)] == ["non-compliant", "would be remediated"]
    assert not [
        made for made in sandbox.calls[before:] if made.call.caller.arn != "" and made.call.operation == "UpdateStage"
    ]


def test_refused_role_is_explained(sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver) -> None:
    """The role is valid, but the organization demands tags on the group, and API Gateway creates it without."""
    condition = {"Null": {"aws:RequestTag/owner": "true"}}
    deny = {"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*", "Condition": condition}
    sandbox.service_control_policies.append(json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    environment.setenv("LOG_ROLE_ARN", make_role(sandbox, "Theirs"))
    with pytest.raises(AccountRoleError) as caught:
        enforce.handler(updated(make_rest_stage(sandbox)), Context(remaining=80_000))  # type: ignore[arg-type]
    said = str(caught.value)
    assert "tests the role on log group /aws/apigateway/welcome" in said
    assert "logs:CreateLogGroup, logs:DescribeLogStreams, logs:CreateLogStream, logs:PutLogEvents" in said
    assert "requires tags on new log groups" in said


@pytest.mark.parametrize("tests_all_groups", [False, True])
def test_limited_role_of_the_parameter_is_set_if_api_gateway_accepts_it(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, tests_all_groups: bool
) -> None:
    sandbox.turn(update_account_tests_all_groups=tests_all_groups)
    arn = make_role(sandbox, "Theirs", policy=None)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow(EXECUTION, WELCOME)]})
    sandbox.client("iam").put_role_policy(RoleName="Theirs", PolicyName="logs", PolicyDocument=document)
    environment.setenv("LOG_ROLE_ARN", arn)
    failed = deliver(record("UpdateAccount", {}), remaining=80_000)
    assert (failed, log_role(sandbox)) == ((["0"], None) if tests_all_groups else ([], arn))
