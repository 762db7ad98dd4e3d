"""Sessions of roles: for whom the role trusts, within its durations, and for nobody where there is no role.

*Source* of the texts: see ``sandbox/services/sts/operations.py``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.iam import allow, role

ACCOUNT = "123456789012"
ASSUME = "sts:AssumeRole"


def trusting(sandbox: Sandbox, name: str, principal: str | list[str], **more: Any) -> str:
    """Create a role that trusts the principal and return its ARN."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ASSUME, **more}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = client(sandbox, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def as_role(sandbox: Sandbox, arn: str) -> Any:
    return client(sandbox, "sts", credentials=sandbox.caller_of_role(arn, "me"))


def assume(sts: Any, arn: str, **more: Any) -> Any:
    return sts.assume_role(RoleArn=arn, RoleSessionName="session", **more)


def denied(arn: str, caller: str, why: str = "") -> tuple[str, str]:
    return "AccessDenied", f"User: {caller} is not authorized to perform: {ASSUME} on resource: {arn}{why}"


ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/administrator"
OTHER = f"arn:aws:sts::{ACCOUNT}:assumed-role/other/me"


def test_missing_role_cannot_be_assumed(sandbox: Sandbox) -> None:
    absent = f"arn:aws:iam::{ACCOUNT}:role/absent"
    assert refusal(lambda: assume(client(sandbox, "sts"), absent)) == denied(absent, ADMINISTRATOR)


def test_role_cannot_be_assumed_without_its_trust(sandbox: Sandbox) -> None:
    of_lambda = role(sandbox, "fn", "lambda.amazonaws.com")
    assert refusal(lambda: assume(client(sandbox, "sts"), of_lambda)) == denied(of_lambda, ADMINISTRATOR)
    other = role(sandbox, "other", policy=allow(ASSUME))
    mine = trusting(sandbox, "mine", ADMINISTRATOR)
    assert refusal(lambda: assume(as_role(sandbox, other), mine)) == denied(mine, OTHER)
    assert assume(client(sandbox, "sts"), mine)["AssumedRoleUser"]["Arn"].endswith(":assumed-role/mine/session")


def test_trust_in_the_account_requires_a_permission_and_trust_in_the_caller_does_not(sandbox: Sandbox) -> None:
    other = role(sandbox, "other")
    by_account = trusting(sandbox, "account", f"arn:aws:iam::{ACCOUNT}:root")
    by_name = trusting(sandbox, "name", [other, f"arn:aws:iam::{ACCOUNT}:root"])
    sts = as_role(sandbox, other)
    why = f" because no identity-based policy allows the {ASSUME} action"
    assert refusal(lambda: assume(sts, by_account)) == denied(by_account, OTHER, why)
    keys = assume(sts, by_name)["Credentials"]
    caller = client(sandbox, "sts", credentials=keys).get_caller_identity()["Arn"]
    assert caller == f"arn:aws:sts::{ACCOUNT}:assumed-role/name/session"
    iam = client(sandbox, "iam")
    iam.put_role_policy(RoleName="other", PolicyName="p", PolicyDocument=allow(ASSUME, resource=by_account))
    assume(sts, by_account)
    deny = json.dumps({"Statement": {"Effect": "Deny", "Action": ASSUME, "Resource": "*"}})
    iam.put_role_policy(RoleName="other", PolicyName="never", PolicyDocument=deny)
    why = " with an explicit deny in an identity-based policy"
    assert refusal(lambda: assume(sts, by_name)) == denied(by_name, OTHER, why)


def test_trust_policy_may_require_an_external_id(sandbox: Sandbox) -> None:
    arn = trusting(sandbox, "r", ACCOUNT, Condition={"StringEquals": {"sts:ExternalId": "secret"}})
    sts = client(sandbox, "sts")
    assert refusal(lambda: assume(sts, arn))[0] == "AccessDenied"
    assume(sts, arn, ExternalId="secret")


def test_policy_of_a_session_limits_it(sandbox: Sandbox) -> None:
    """Role and policy must both allow a call. *Source:* IAM user guide, "Session policies"."""
    arn = trusting(sandbox, "reader", ACCOUNT)
    role_policy = allow("apigateway:*", "iam:GetRole")
    client(sandbox, "iam").put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=role_policy)
    policy = allow("apigateway:GET", "logs:DescribeLogGroups")
    keys = assume(client(sandbox, "sts"), arn, Policy=policy)["Credentials"]
    assert client(sandbox, "apigateway", credentials=keys).get_rest_apis()["items"] == []
    code, message = refusal(lambda: client(sandbox, "apigateway", credentials=keys).create_rest_api(name="shop"))
    assert code == "AccessDeniedException"
    assert message.endswith("because no session policy allows the apigateway:POST action")
    code, message = refusal(lambda: client(sandbox, "logs", credentials=keys).describe_log_groups())
    assert message.endswith("because no identity-based policy allows the logs:DescribeLogGroups action")
    deny = json.dumps({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    keys = assume(client(sandbox, "sts"), arn, Policy=deny)["Credentials"]
    _, message = refusal(lambda: client(sandbox, "apigateway", credentials=keys).get_rest_apis())
    assert message.endswith("with an explicit deny in a session policy")


def test_session_is_limited_by_its_role(sandbox: Sandbox) -> None:
    arn, other = trusting(sandbox, "r", ACCOUNT), role(sandbox, "other", policy=allow(ASSUME))
    sts, chained = client(sandbox, "sts"), as_role(sandbox, other)
    longer = refusal(lambda: assume(sts, arn, DurationSeconds=3601))
    text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    assert longer == ("ValidationError", text)
    client(sandbox, "iam").update_role(RoleName="r", MaxSessionDuration=7200)
    ends = assume(sts, arn, DurationSeconds=7200)["Credentials"]["Expiration"]
    assert ends - datetime.now(UTC) > timedelta(seconds=7100)
    text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    assert refusal(lambda: assume(chained, arn, DurationSeconds=7200)) == ("ValidationError", text)
    assume(chained, arn, DurationSeconds=3600)


def invalid(value: str, rule: str) -> str:
    return f"1 validation error detected: Value {value} failed to satisfy constraint: Member must {rule}"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"RoleArn": "nothing-valid-in-here"}, "nothing-valid-in-here is invalid"),
        ({"RoleArn": "arn:a:::something/test-role"}, "arn:a:::something/test-role is invalid"),
        ({"RoleArn": "arn:a:a::aaaaaaaaaa:"}, "arn:a:a::aaaaaaaaaa: is invalid"),
        (
            {"RoleSessionName": "Session1:2"},
            invalid("'Session1:2' at 'roleSessionName'", r"satisfy regular expression pattern: [\w+=,.@-]*"),
        ),
        (
            {"RoleSessionName": "x"},
            invalid("'x' at 'roleSessionName'", "have length greater than or equal to 2"),
        ),
        (
            {"DurationSeconds": 899},
            invalid("'899' at 'durationSeconds'", "have value greater than or equal to 900"),
        ),
    ],
)
def test_invalid_parameters_are_refused(sandbox: Sandbox, changed: dict[str, Any], message: str) -> None:
    arn = trusting(sandbox, "r", ACCOUNT)
    sts = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=sandbox.access_key,
        aws_secret_access_key=sandbox.secret_key,
        config=Config(parameter_validation=False),
    )
    parameters = {"RoleArn": arn, "RoleSessionName": "session", **changed}
    assert refusal(lambda: sts.assume_role(**parameters)) == ("ValidationError", message)


def test_new_role_cannot_be_assumed_at_once() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    with Sandbox(iam_propagation_seconds=5, clock=lambda: now) as sandbox:
        arn = trusting(sandbox, "r", ACCOUNT)
        sts = client(sandbox, "sts")
        assert refusal(lambda: assume(sts, arn)) == denied(arn, ADMINISTRATOR)
        now += timedelta(seconds=5)
        assume(sts, arn)
