"""Policy documents that IAM refuses, and entities that are not there.

*Source* of the texts: see ``sandbox/core/iam/policy_grammar.py`` and ``sandbox/services/iam/policy_documents.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import PUSH_POLICY
from testing.clients import client, refusal
from testing.iam import allow, role, trust

LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
SIDS = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"


def document(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def aws(principal: str) -> str:
    return document({**LAMBDA, "Principal": {"AWS": principal}})


BAD_TRUSTS = {
    "nope": "This policy contains invalid Json",
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",}]}': "This policy contains invalid Json",
    "[]": "This policy contains invalid Json",
    document(LAMBDA, Comment="x"): "Unknown field Comment",
    json.dumps({"statement": [LAMBDA]}): "Unknown field statement",
    document({**LAMBDA, "Principals": {}}): "Unknown field Principals",
    document(LAMBDA, Version="2012-10-18"): "The policy must contain a valid version string",
    document(): "Could not parse the policy: Statement is empty!",
    document({**LAMBDA, "Effect": "allow"}): "Invalid effect: allow",
    document({**LAMBDA, "Resource": "*"}): "Has prohibited field Resource",
    document({"Effect": "Allow", "Action": "sts:AssumeRole"}): "Missing required field Principal",
    document({"Effect": "Allow", "Principal": "*"}): "Missing required field Action",
    document({**LAMBDA, "Action": "*"}): "AssumeRole policy may only specify STS AssumeRole actions.",
    document({**LAMBDA, "Principal": {"AWS": []}}): "The passed in policy has a statement with no principals!",
    trust("tagging.amazonaws.com"): 'Invalid principal in policy: "SERVICE":"tagging.amazonaws.com"',
    trust("apigateway"): 'Invalid principal in policy: "SERVICE":"apigateway"',
    aws("arn:aws:iam::123456789012:role/absent"): (
        'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/absent"'
    ),
    aws("somebody"): 'Invalid principal in policy: "AWS":"somebody"',
    document({**LAMBDA, "Sid": "with-hyphen"}): SIDS,
    document({**LAMBDA, "Sid": "a"}, {**LAMBDA, "Sid": "a"}): "Statement IDs (SID) in a single policy must be unique.",
}


@pytest.mark.parametrize(("text", "message"), BAD_TRUSTS.items(), ids=list(BAD_TRUSTS.values()))
def test_invalid_trust_policy_is_refused(sandbox: Sandbox, text: str, message: str) -> None:
    iam = client(sandbox, "iam")
    made = refusal(lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument=text))
    assert made == ("MalformedPolicyDocument", message)
    assert refusal(lambda: iam.get_role(RoleName="r")) == ("NoSuchEntity", "The role with name r cannot be found.")
    role(sandbox, "r")
    changed = refusal(lambda: iam.update_assume_role_policy(RoleName="r", PolicyDocument=text))
    assert changed == ("MalformedPolicyDocument", message)
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]["Statement"] == [LAMBDA]


@pytest.mark.parametrize(
    "statement",
    [
        {**LAMBDA, "Principal": {"Service": ["apigateway.amazonaws.com", "cloudformation.ap-east-1.amazonaws.com"]}},
        {**LAMBDA, "Principal": {"AWS": "123456789012"}, "Sid": "Root1"},
        {**LAMBDA, "Principal": {"AWS": ["arn:aws:iam::210987654321:role/there", "*"]}, "Sid": ""},
        {**LAMBDA, "Principal": {"AWS": "arn:aws:iam::123456789012:role/friend"}},
        {**LAMBDA, "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": ["sts:TagSession"]},
        {**LAMBDA, "Principal": "*", "Effect": "Deny", "Condition": {"Null": {"aws:SourceArn": "true"}}},
    ],
)
def test_valid_trust_policy_is_kept_as_it_was_sent(sandbox: Sandbox, statement: dict[str, Any]) -> None:
    role(sandbox, "friend")
    iam = client(sandbox, "iam")
    text = json.dumps({"Statement": statement})
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=text)
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"] == json.loads(text)


def test_identity_policy_names_no_principal(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    role(sandbox, "r")
    bad = document({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"})
    expected = ("MalformedPolicyDocument", "Policy document should not specify a principal.")
    assert refusal(lambda: iam.create_policy(PolicyName="p", PolicyDocument=bad)) == expected
    assert refusal(lambda: iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=bad)) == expected
    sid = allow("s3:*", Sid="with space")
    refused = refusal(lambda: iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=sid))
    assert refused == ("MalformedPolicyDocument", SIDS)
    broken = refusal(lambda: iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument="nope"))
    assert broken == ("MalformedPolicyDocument", "Syntax errors in policy.")


def test_managed_policy_has_the_present_version_and_an_inline_one_any(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    role(sandbox, "r")
    older = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    refused = refusal(lambda: iam.create_policy(PolicyName="p", PolicyDocument=older))
    assert refused == ("MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater.")
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=older)


def test_policies_have_a_maximum_size(sandbox: Sandbox) -> None:
    """White space does not count."""
    iam = client(sandbox, "iam")
    role(sandbox, "r")
    spacious = trust("lambda.amazonaws.com").replace(" ", " " * 400)
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=spacious)
    long_trust = document(*({**LAMBDA, "Sid": f"s{number}"} for number in range(25)))
    refused = refusal(lambda: iam.update_assume_role_policy(RoleName="r", PolicyDocument=long_trust))
    assert refused == ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    many = allow(*(f"logs:Action{number:04}" for number in range(350)))
    refused = refusal(lambda: iam.create_policy(PolicyName="p", PolicyDocument=many))
    assert refused == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    iam.put_role_policy(RoleName="r", PolicyName="one", PolicyDocument=many)
    refused = refusal(lambda: iam.put_role_policy(RoleName="r", PolicyName="two", PolicyDocument=many))
    assert refused == ("LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r")
    iam.put_role_policy(RoleName="r", PolicyName="one", PolicyDocument=many)


def test_error_names_the_entity_that_does_not_exist(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    role(sandbox, "r")
    absent = refusal(lambda: iam.put_role_policy(RoleName="x", PolicyName="p", PolicyDocument=allow("s3:*")))
    assert absent == ("NoSuchEntity", "The role with name x cannot be found.")
    inline = refusal(lambda: iam.get_role_policy(RoleName="r", PolicyName="x"))
    assert inline == ("NoSuchEntity", "The role policy with name x cannot be found.")
    malformed = refusal(lambda: iam.attach_role_policy(RoleName="r", PolicyArn="not-an-arn-of-a-policy"))
    assert malformed == ("ValidationError", "Invalid ARN:  Could not be parsed!")
    missing = "arn:aws:iam::123456789012:policy/x"
    unknown = refusal(lambda: iam.attach_role_policy(RoleName="r", PolicyArn=missing))
    assert unknown == ("NoSuchEntity", f"Policy {missing} does not exist or is not attachable.")


def test_role_has_ten_managed_policies_at_most(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    role(sandbox, "r")
    for number in range(10):
        policy = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=allow("s3:*"))["Policy"]
        iam.attach_role_policy(RoleName="r", PolicyArn=policy["Arn"])
    full = refusal(lambda: iam.attach_role_policy(RoleName="r", PolicyArn=PUSH_POLICY))
    assert full == ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
    iam.attach_role_policy(RoleName="r", PolicyArn=policy["Arn"])


@pytest.mark.parametrize("action", ["logs:TagResource", "logs:TagLogGroup"])
def test_tags_of_a_new_log_group_need_one_of_two_permissions(sandbox: Sandbox, action: str) -> None:
    """*Source:* botocore's documentation of CreateLogGroup."""
    create = allow("logs:CreateLogGroup")
    without = client(sandbox, "logs", credentials=sandbox.caller_of_role(role(sandbox, "a", policy=create), "me"))
    refused = refusal(lambda: without.create_log_group(logGroupName="/g", tags={"a": "b"}))
    assert refused[0] == "AccessDeniedException"
    assert "logs:TagResource" in refused[1]
    both = allow("logs:CreateLogGroup", action)
    able = client(sandbox, "logs", credentials=sandbox.caller_of_role(role(sandbox, "b", policy=both), "me"))
    able.create_log_group(logGroupName="/g", tags={"a": "b"})
