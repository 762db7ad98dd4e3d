"""Roles and users of the sandbox may do only what their policies allow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.iam.policies import Decision, evaluate
from testing.accounts import PUSH_POLICY, give_log_role, log_role, make_rest_stage
from testing.clients import client, refusal
from testing.iam import allow, role, trust
from testing.rest_apis import replace


def as_role(sandbox: Sandbox, service: str, policy: str | None = None, name: str = "caller") -> Any:
    """Create a role with the policy. Return a client with its credentials."""
    arn = role(sandbox, name, policy=policy)
    return client(sandbox, service, credentials=sandbox.caller_of_role(arn, "session"))


def test_role_without_policies_may_only_call_get_caller_identity(sandbox: Sandbox) -> None:
    arn = role(sandbox, "caller")
    credentials = sandbox.caller_of_role(arn, "session")
    identity = client(sandbox, "sts", credentials=credentials).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/caller/session"
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway", credentials=credentials)
    assert refusal(lambda: gateway.get_stage(restApiId=api_id, stageName="prod")) == (
        "AccessDeniedException",
        (
            "User: arn:aws:sts::123456789012:assumed-role/caller/session is not authorized to perform: apigateway:GET "
            f"on resource: arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod "
            "because no identity-based policy allows the apigateway:GET action"
        ),
    )
    assert refusal(client(sandbox, "iam", credentials=credentials).list_roles)[0] == "AccessDenied"
    assert refusal(client(sandbox, "logs", credentials=credentials).describe_log_groups)[0] == "AccessDeniedException"


def test_api_gateway_actions_are_verbs_on_paths(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    stages = "arn:aws:apigateway:*::/restapis/*/stages/*"
    gateway = as_role(sandbox, "apigateway", allow("apigateway:GET", "apigateway:PATCH", resource=stages))
    gateway.get_stage(restApiId=api_id, stageName="prod")
    gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=[replace("/description", "x")])
    assert refusal(lambda: gateway.delete_stage(restApiId=api_id, stageName="prod"))[0] == "AccessDeniedException"
    assert refusal(lambda: gateway.get_rest_api(restApiId=api_id))[0] == "AccessDeniedException"
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    assert "/tags/arn%3Aaws%3Aapigateway" in refusal(lambda: gateway.get_tags(resourceArn=arn))[1]


def test_setting_the_log_role_needs_pass_role(sandbox: Sandbox) -> None:
    arn = role(sandbox, "logs", "apigateway.amazonaws.com")
    client(sandbox, "iam").attach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
    patch = {"patchOperations": [replace("/cloudwatchRoleArn", arn)]}
    account = "arn:aws:apigateway:us-east-1::/account"
    without = as_role(sandbox, "apigateway", allow("apigateway:PATCH", resource=account), "without")
    assert f"iam:PassRole on resource: {arn}" in refusal(lambda: without.update_account(**patch))[1]
    assert log_role(sandbox) is None
    statements = [
        {"Effect": "Allow", "Action": "apigateway:PATCH", "Resource": account},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": arn,
            "Condition": {"StringEquals": {"iam:PassedToService": "apigateway.amazonaws.com"}},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    as_role(sandbox, "apigateway", policy, "with").update_account(**patch)
    assert log_role(sandbox) == arn


def test_log_groups_arn_without_a_suffix_is_not_enough(sandbox: Sandbox) -> None:
    """*Source:* recorded denials name ``log-group:NAME:log-stream:``."""
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/x/*"
    make = {"logGroupName": "/x/group"}
    bare = as_role(sandbox, "logs", allow("logs:*", resource=arn.replace("*", "group")), "bare")
    assert refusal(lambda: bare.create_log_group(**make))[1].endswith(
        "on resource: arn:aws:logs:us-east-1:123456789012:log-group:/x/group:log-stream: "
        "because no identity-based policy allows the logs:CreateLogGroup action"
    )
    starred = as_role(sandbox, "logs", allow("logs:CreateLogGroup", resource=arn), "starred")
    starred.create_log_group(**make)
    tagged = {"logGroupName": "/x/tagged", "tags": {"a": "b"}}
    assert "logs:TagResource" in refusal(lambda: starred.create_log_group(**tagged))[1]
    lister = as_role(sandbox, "logs", allow("logs:DescribeLogGroups", resource=arn), "lister")
    assert refusal(lambda: lister.describe_log_groups(logGroupNamePrefix="/x/"))[0] == "AccessDeniedException"
    everything = "arn:aws:logs:us-east-1:123456789012:log-group:*"
    as_role(sandbox, "logs", allow("logs:DescribeLogGroups", resource=everything), "all").describe_log_groups()


def test_permission_can_be_limited_to_one_attached_policy(sandbox: Sandbox) -> None:
    role(sandbox, "logs", "apigateway.amazonaws.com")
    condition = {"ArnEquals": {"iam:PolicyARN": PUSH_POLICY}}
    iam = as_role(sandbox, "iam", allow("iam:AttachRolePolicy", Condition=condition))
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert refusal(lambda: iam.attach_role_policy(RoleName="logs", PolicyArn=administrator))[0] == "AccessDenied"
    iam.attach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)


def test_permission_can_require_a_boundary_for_new_roles(sandbox: Sandbox) -> None:
    administrator = client(sandbox, "iam")
    boundary = administrator.create_policy(PolicyName="b", PolicyDocument=allow("logs:*"))["Policy"]["Arn"]
    condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    iam = as_role(sandbox, "iam", allow("iam:CreateRole", Condition=condition))
    new = {"RoleName": "new", "AssumeRolePolicyDocument": trust("apigateway.amazonaws.com")}
    assert refusal(lambda: iam.create_role(**new))[0] == "AccessDenied"
    iam.create_role(**new, PermissionsBoundary=boundary)
    found = administrator.get_role(RoleName="new")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert found == boundary


def test_permission_can_require_a_boundary_for_inline_policies(sandbox: Sandbox) -> None:
    """The key is that of the role, which the call does not name."""
    administrator = client(sandbox, "iam")
    boundary = administrator.create_policy(PolicyName="b", PolicyDocument=allow("logs:*"))["Policy"]["Arn"]
    condition = {"ArnEquals": {"iam:PermissionsBoundary": boundary}}
    iam = as_role(sandbox, "iam", allow("iam:PutRolePolicy", Condition=condition))
    role(sandbox, "bounded")
    inline = {"RoleName": "bounded", "PolicyName": "inline", "PolicyDocument": allow("logs:*")}
    assert refusal(lambda: iam.put_role_policy(**inline))[0] == "AccessDenied"
    administrator.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=boundary)
    iam.put_role_policy(**inline)


def test_user_of_the_account_is_checked_too(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    iam.create_user(UserName="ann")
    keys = iam.create_access_key(UserName="ann")["AccessKey"]
    credentials = {"AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"]}
    gateway = client(sandbox, "apigateway", credentials=credentials)
    assert refusal(gateway.get_rest_apis)[0] == "AccessDeniedException"
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(UserName="ann", GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=allow("apigateway:GET"))
    assert gateway.get_rest_apis()["items"] == []


def test_unknown_access_key_is_refused(sandbox: Sandbox) -> None:
    stranger = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x"}
    assert (
        refusal(client(sandbox, "logs", credentials=stranger).describe_log_groups)[0] == "UnrecognizedClientException"
    )
    assert refusal(client(sandbox, "sts", credentials=stranger).get_caller_identity)[0] == "InvalidClientTokenId"


def test_call_that_nothing_implements_gets_an_answer(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    code, message = refusal(lambda: client(sandbox, "apigateway").get_sdk_types())
    assert code == "NotImplemented"
    assert "GetSdkTypes of apigateway" in message


def test_simulation_agrees_with_the_checks(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=allow("logs:*", "sqs:*"))["Policy"]["Arn"]
    arn = iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"), PermissionsBoundary=boundary
    )["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": ["logs:*", "s3:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "logs:Delete*", "NotResource": "arn:aws:logs:*:*:log-group:/mine/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy)
    group = "arn:aws:logs:us-east-1:123456789012:log-group:"
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["logs:PutLogEvents", "logs:DeleteLogGroup", "s3:GetObject", "sqs:SendMessage"],
        ResourceArns=[f"{group}/mine/x:*", f"{group}/other:*"],
    )["EvaluationResults"]
    decisions = {
        (result["EvalActionName"], each["EvalResourceName"].split(":")[6]): each["EvalResourceDecision"]
        for result in results
        for each in result["ResourceSpecificResults"]
    }
    # The strictest decision is that of the whole result.
    assert [result["EvalDecision"] for result in results] == ["allowed", "explicitDeny", "implicitDeny", "implicitDeny"]
    assert decisions == {
        ("logs:PutLogEvents", "/mine/x"): "allowed",
        ("logs:PutLogEvents", "/other"): "allowed",
        ("logs:DeleteLogGroup", "/mine/x"): "allowed",
        ("logs:DeleteLogGroup", "/other"): "explicitDeny",
        ("s3:GetObject", "/mine/x"): "implicitDeny",
        ("s3:GetObject", "/other"): "implicitDeny",
        ("sqs:SendMessage", "/mine/x"): "implicitDeny",
        ("sqs:SendMessage", "/other"): "implicitDeny",
    }


@pytest.mark.parametrize(
    ("statement", "context", "decision"),
    [
        ({"Action": "LOGS:put*"}, {}, Decision.ALLOWED),
        ({"Action": "logs:PutLogEvent?"}, {}, Decision.ALLOWED),
        ({"NotAction": "iam:*"}, {}, Decision.ALLOWED),
        ({"NotAction": "logs:*"}, {}, Decision.IMPLICIT_DENY),
        ({"Action": "*", "Condition": {"StringEquals": {"a:k": "v"}}}, {"A:K": "v"}, Decision.ALLOWED),
        ({"Action": "*", "Condition": {"StringEquals": {"a:k": "v"}}}, {}, Decision.IMPLICIT_DENY),
        ({"Action": "*", "Condition": {"StringEqualsIfExists": {"a:k": "v"}}}, {}, Decision.ALLOWED),
        ({"Action": "*", "Condition": {"StringNotEquals": {"a:k": "v"}}}, {}, Decision.ALLOWED),
        ({"Action": "*", "Condition": {"StringNotEquals": {"a:k": ["v", "w"]}}}, {"a:k": "w"}, Decision.IMPLICIT_DENY),
        ({"Action": "*", "Condition": {"StringLike": {"a:k": "v*"}}}, {"a:k": "vx"}, Decision.ALLOWED),
        ({"Action": "*", "Condition": {"Null": {"a:k": True}}}, {}, Decision.ALLOWED),
        ({"Action": "*", "Condition": {"Null": {"a:k": "false"}}}, {}, Decision.IMPLICIT_DENY),
        ({"Action": "*", "Condition": {"Bool": {"a:k": True}}}, {"a:k": "true"}, Decision.ALLOWED),
        (
            {"Action": "*", "Condition": {"ArnLike": {"a:k": "arn:aws:s3:*:x"}}},
            {"a:k": "arn:aws:s3:::x"},
            Decision.IMPLICIT_DENY,
        ),
        ({"Action": "*", "Condition": {"Unheard": {"a:k": "v"}}}, {"a:k": "v"}, Decision.IMPLICIT_DENY),
        ({"Effect": "Deny", "Action": "*", "Condition": {"Unheard": {"a:k": "v"}}}, {}, Decision.EXPLICIT_DENY),
        (
            {"Action": "*", "Condition": {"ForAllValues:StringEquals": {"a:k": ["v", "w"]}}},
            {"a:k": ["v", "x"]},
            Decision.IMPLICIT_DENY,
        ),
        (
            {"Action": "*", "Condition": {"ForAnyValue:StringEquals": {"a:k": ["v", "w"]}}},
            {"a:k": ["v", "x"]},
            Decision.ALLOWED,
        ),
    ],
)
def test_elements_of_policies_are_evaluated(
    statement: dict[str, Any], context: dict[str, Any], decision: Decision
) -> None:
    document = {"Statement": {"Effect": "Allow", "Resource": "*", **statement}}
    assert evaluate([document], "logs:PutLogEvents", "arn:aws:logs:::x", context) is decision


def test_role_for_logging_may_be_read(sandbox: Sandbox) -> None:
    arn = give_log_role(sandbox)
    iam = as_role(sandbox, "iam", allow("iam:GetRole", "iam:SimulatePrincipalPolicy", resource=arn))
    assert iam.get_role(RoleName="logs")["Role"]["Arn"] == arn
    results = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["logs:PutLogEvents"])
    assert results["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_simulation_names_the_keys_it_was_not_given_of_whichever_statement(sandbox: Sandbox) -> None:
    statements = [
        {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:*:*:log-group:mine:*"},
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"a:key": "v"}}},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    arn = role(sandbox, "r", policy=document)
    group = "arn:aws:logs:us-east-1:123456789012:log-group:"

    def missing(**more: Any) -> list[tuple[str, list[str]]]:
        [result] = client(sandbox, "iam").simulate_principal_policy(
            PolicySourceArn=arn,
            ActionNames=["logs:PutLogEvents"],
            ResourceArns=[f"{group}mine:log-stream:x", f"{group}other:log-stream:x"],
            **more,
        )["EvaluationResults"]
        specific = result["ResourceSpecificResults"]
        return [(each["EvalResourceDecision"], each["MissingContextValues"]) for each in specific]

    assert missing() == [("allowed", []), ("implicitDeny", ["a:key"])]
    given = {"ContextKeyName": "a:key", "ContextKeyValues": ["w"], "ContextKeyType": "string"}
    assert missing(ContextEntries=[given]) == [("allowed", []), ("implicitDeny", [])]


def test_simulation_takes_arns_only(sandbox: Sandbox) -> None:
    arn = give_log_role(sandbox)
    code, message = refusal(
        lambda: client(sandbox, "iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["logs:PutLogEvents"], ResourceArns=["mine"]
        )
    )
    assert (code, message) == ("InvalidInput", "ResourceNames are not in a valid ARN format: mine.")


def test_deny_of_the_organization_applies(sandbox: Sandbox) -> None:
    arn = give_log_role(sandbox)
    deny = {"Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": "*"}
    sandbox.service_control_policies.append(json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    results = client(sandbox, "iam").simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["logs:PutLogEvents", "logs:CreateLogGroup"],
        ResourceArns=["arn:aws:logs:us-east-1:123456789012:log-group:mine:log-stream:x"],
    )["EvaluationResults"]
    assert [
        (each["EvalDecision"], each["OrganizationsDecisionDetail"]["AllowedByOrganizations"]) for each in results
    ] == [("explicitDeny", False), ("allowed", True)]
    logs = as_role(sandbox, "logs", allow("logs:*"))
    logs.create_log_group(logGroupName="mine")
    logs.create_log_stream(logGroupName="mine", logStreamName="x")
    code, message = refusal(
        lambda: logs.put_log_events(
            logGroupName="mine", logStreamName="x", logEvents=[{"timestamp": 1, "message": "line"}]
        )
    )
    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in a service control policy")
