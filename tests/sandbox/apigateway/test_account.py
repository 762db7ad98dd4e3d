"""API Gateway tests the log role that is set, and refuses an invalid one with AWS's messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.apigateway.account_settings import writes_to
from testing.accounts import PUSH_POLICY, give_log_role, log_role, set_log_role
from testing.clients import client, refusal
from testing.iam import allow, role, trust

PERMISSIONS = (
    "The role ARN does not have required permissions configured. "
    "Please grant trust permission for API Gateway and add the required role policy."
)


def test_new_account_has_no_role(sandbox: Sandbox) -> None:
    answer = client(sandbox, "apigateway").get_account()
    assert "cloudwatchRoleArn" not in answer
    assert answer["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}


def test_valid_role_is_tested_and_set(sandbox: Sandbox) -> None:
    arn = give_log_role(sandbox)
    assert log_role(sandbox) == arn
    groups = client(sandbox, "logs").describe_log_groups(logGroupNamePrefix="/aws/apigateway/welcome")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/aws/apigateway/welcome"]
    welcome = next(record for record in sandbox.trail if record["eventName"] == "CreateLogGroup")
    assert welcome["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == arn
    assert welcome["userIdentity"]["arn"].endswith("/BackplaneAssumeRoleSession")


@pytest.mark.parametrize("value", ["not-an-arn", "arn:aws:iam::123456789012:user/x"])
def test_malformed_arn_is_refused(sandbox: Sandbox, value: str) -> None:
    assert refusal(lambda: set_log_role(sandbox, value)) == ("BadRequestException", "The role ARN is not well formed")


def test_invalid_role_is_refused(sandbox: Sandbox) -> None:
    absent = "arn:aws:iam::123456789012:role/absent"
    assert refusal(lambda: set_log_role(sandbox, absent)) == ("BadRequestException", PERMISSIONS)
    distrustful = role(sandbox, "distrustful", "lambda.amazonaws.com", allow("logs:*"))
    assert refusal(lambda: set_log_role(sandbox, distrustful)) == ("BadRequestException", PERMISSIONS)
    mute = role(sandbox, "mute", "apigateway.amazonaws.com")
    assert refusal(lambda: set_log_role(sandbox, mute)) == ("BadRequestException", PERMISSIONS)
    assert log_role(sandbox) is None


def test_role_whose_boundary_denies_logs_is_refused(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]
    arn = iam.create_role(
        RoleName="bounded", AssumeRolePolicyDocument=trust("apigateway.amazonaws.com"), PermissionsBoundary=boundary
    )["Role"]["Arn"]
    iam.attach_role_policy(RoleName="bounded", PolicyArn=PUSH_POLICY)
    assert refusal(lambda: set_log_role(sandbox, arn)) == ("BadRequestException", PERMISSIONS)


SEVEN = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
    "logs:GetLogEvents",
    "logs:FilterLogEvents",
)
GROUPS = "arn:aws:logs:us-east-1:123456789012:log-group:"
OWN_GROUPS = [f"{GROUPS}{name}:*" for name in ("/shop/rest", "/shop/ws", "API-Gateway-Execution-Logs_a/p", "/aws/x")]
WELCOME = f"{GROUPS}/aws/apigateway/welcome:*"


def test_role_limited_to_four_groups_is_refused_until_the_managed_policy_is_attached(sandbox: Sandbox) -> None:
    """As recorded in radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json."""
    arn = role(sandbox, "limited", "apigateway.amazonaws.com", allow(*SEVEN, resource=OWN_GROUPS))
    assert refusal(lambda: set_log_role(sandbox, arn)) == ("BadRequestException", PERMISSIONS)
    client(sandbox, "iam").attach_role_policy(RoleName="limited", PolicyArn=PUSH_POLICY)
    set_log_role(sandbox, arn)
    assert log_role(sandbox) == arn


@pytest.mark.parametrize("tests_all_groups", [False, True])
def test_role_for_the_welcome_group_is_accepted_unless_all_groups_are_tested(
    sandbox: Sandbox, tests_all_groups: bool
) -> None:
    sandbox.turn(update_account_tests_all_groups=tests_all_groups)
    arn = role(sandbox, "limited", "apigateway.amazonaws.com", allow(*SEVEN, resource=[*OWN_GROUPS, WELCOME]))
    if tests_all_groups:
        assert refusal(lambda: set_log_role(sandbox, arn)) == ("BadRequestException", PERMISSIONS)
    else:
        set_log_role(sandbox, arn)
    assert log_role(sandbox) == (None if tests_all_groups else arn)


@pytest.mark.parametrize("retests", [True, False])
def test_role_that_is_set_already_may_be_tested_again(sandbox: Sandbox, *, retests: bool) -> None:
    sandbox.turn(retests_log_role_that_is_set=retests)
    arn = give_log_role(sandbox)
    client(sandbox, "iam").detach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
    if retests:
        assert refusal(lambda: set_log_role(sandbox, arn)) == ("BadRequestException", PERMISSIONS)
    else:
        set_log_role(sandbox, arn)


def test_valid_role_is_refused_if_the_organization_demands_tags(sandbox: Sandbox) -> None:
    condition = {"Null": {"aws:RequestTag/owner": "true"}}
    deny = {"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*", "Condition": condition}
    sandbox.service_control_policies.append(json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert refusal(lambda: give_log_role(sandbox)) == ("BadRequestException", PERMISSIONS)
    sandbox.service_control_policies.clear()
    set_log_role(sandbox, "arn:aws:iam::123456789012:role/logs")


def test_lines_reach_only_the_groups_that_the_role_may_write(sandbox: Sandbox) -> None:
    assert not writes_to(sandbox, "us-east-1", "/shop/rest")
    arn = role(sandbox, "limited", "apigateway.amazonaws.com", allow(*SEVEN, resource=[*OWN_GROUPS, WELCOME]))
    set_log_role(sandbox, arn)
    assert writes_to(sandbox, "us-east-1", "/shop/rest")
    assert not writes_to(sandbox, "us-east-1", "/aws/vendedlogs/apigateway/a/p")


@pytest.mark.parametrize("needs_create", [False, True])
def test_role_that_creates_no_group_writes_to_one_that_exists_as_the_switch_says(
    sandbox: Sandbox, needs_create: bool
) -> None:
    sandbox.turn(log_role_needs_create_log_group=needs_create)
    arn = give_log_role(sandbox)
    name = arn.rsplit("/", 1)[-1]
    client(sandbox, "iam").detach_role_policy(RoleName=name, PolicyArn=PUSH_POLICY)
    document = allow("logs:CreateLogStream", "logs:PutLogEvents", resource=OWN_GROUPS)
    client(sandbox, "iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    assert not writes_to(sandbox, "us-east-1", "/shop/rest")
    client(sandbox, "logs").create_log_group(logGroupName="/shop/rest")
    assert writes_to(sandbox, "us-east-1", "/shop/rest") is not needs_create


@pytest.mark.parametrize("operation", [{"op": "remove"}, {"op": "replace", "value": ""}], ids=["remove", "empty"])
def test_role_can_be_cleared(sandbox: Sandbox, operation: dict[str, str]) -> None:
    give_log_role(sandbox)
    patch = {"path": "/cloudwatchRoleArn", **operation}
    client(sandbox, "apigateway").update_account(patchOperations=[patch])
    assert log_role(sandbox) is None


def test_deleted_role_stays_set(sandbox: Sandbox) -> None:
    arn = give_log_role(sandbox)
    iam = client(sandbox, "iam")
    iam.detach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
    iam.delete_role(RoleName="logs")
    assert log_role(sandbox) == arn


def test_change_of_a_role_is_not_in_effect_at_once() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)

    def clock() -> datetime:
        return now

    with Sandbox(iam_propagation_seconds=5, clock=clock) as sandbox:
        assert refusal(lambda: give_log_role(sandbox)) == ("BadRequestException", PERMISSIONS)
        arn = "arn:aws:iam::123456789012:role/logs"
        now += timedelta(seconds=4)
        assert refusal(lambda: set_log_role(sandbox, arn))[1] == PERMISSIONS
        now += timedelta(seconds=1)
        set_log_role(sandbox, arn)
        iam = client(sandbox, "iam")
        # Attaching what is attached changes nothing; changing the trust does.
        iam.attach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
        client(sandbox, "apigateway").update_account(patchOperations=[{"op": "remove", "path": "/cloudwatchRoleArn"}])
        set_log_role(sandbox, arn)
        iam.update_assume_role_policy(
            RoleName="logs", PolicyDocument=json.dumps(json.loads(trust("ec2.amazonaws.com")))
        )
        iam.update_assume_role_policy(RoleName="logs", PolicyDocument=trust("apigateway.amazonaws.com"))
        client(sandbox, "apigateway").update_account(patchOperations=[{"op": "remove", "path": "/cloudwatchRoleArn"}])
        assert refusal(lambda: set_log_role(sandbox, arn))[1] == PERMISSIONS
