"""Resource policies of CloudWatch Logs: what AWS makes of them, and what it refuses.

*Source* of the answers and texts: radkawar/stackd ``testdata/aws/eventbridge/logs_destination.json`` of 2026-09 and
localstack/localstack ``test_logs_resource_policies.snapshot.json`` of 2026-02.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal

ARN = "arn:aws:logs:us-east-1:123456789012:log-group:/g"
ALLOW = {"Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Action": "logs:*", "Resource": "*"}
NO_GRAMMAR = (
    "Error occurred while parsing accessPolicy. "
    "Please check if the accessPolicy has been constructed correctly using IAM grammar."
)
CONFLICT = "A conflicting operation is currently in progress against this resource. Please try again."


def document(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({**more, "Statement": list(statements)})


def described(sandbox: Sandbox, **criteria: Any) -> dict[str, Any]:
    (policy,) = client(sandbox, "logs").describe_resource_policies(**criteria)["resourcePolicies"]
    found: dict[str, Any] = policy
    return found


def test_policy_is_answered_in_a_normalised_form(sandbox: Sandbox) -> None:
    statement = {
        "Action": ["logs:PutLogEvents"],
        "Condition": {"ArnEquals": {"aws:SourceArn": ["arn:aws:x"]}, "StringEquals": {"aws:SourceAccount": "1"}},
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Resource": [f"{ARN}:*"],
        "Sid": "Own",
    }
    sent = document({**ALLOW, "Principal": {"Service": ["route53.amazonaws.com"]}}, statement)
    answer = client(sandbox, "logs").put_resource_policy(policyName="p", policyDocument=sent)
    assert answer["resourcePolicy"]["policyDocument"] == sent
    assert described(sandbox)["policyDocument"] == (
        '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"route53.amazonaws.com"},'
        '"Action":"logs:*","Resource":"*"},{"Sid":"Own","Effect":"Allow","Principal":{"Service":'
        '["delivery.logs.amazonaws.com","events.amazonaws.com"]},"Action":"logs:PutLogEvents",'
        f'"Resource":"{ARN}:*","Condition":{{"StringEquals":{{"aws:SourceAccount":"1"}},"ArnEquals":'
        '{"aws:SourceArn":"arn:aws:x"}}}]}'
    )


@pytest.mark.parametrize(
    "text",
    ["not-json", "{}", "[]", '{"Statement":[]}', document({"Effect": "Allow"}), document({**ALLOW, "Effect": "x"})],
)
def test_invalid_policy_is_refused(sandbox: Sandbox, text: str) -> None:
    put = client(sandbox, "logs").put_resource_policy
    refused = refusal(lambda: put(policyName="p", policyDocument=text))
    assert refused == ("InvalidParameterException", NO_GRAMMAR)


def test_groups_policy_is_changed_only_with_its_revision(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName="/g")
    policy = document(ALLOW, Version="2012-10-17")

    def put(**more: Any) -> Any:
        return logs.put_resource_policy(resourceArn=ARN, policyDocument=policy, **more)

    made = put()
    assert made["revisionId"] == "1"
    assert set(made["resourcePolicy"]) == {"lastUpdatedTime", "policyDocument", "policyScope", "resourceArn"}
    assert refusal(put) == ("OperationAbortedException", CONFLICT)
    assert refusal(lambda: put(expectedRevisionId="x")) == ("InvalidParameterException", "Invalid ExpectedRevisionId")
    assert put(expectedRevisionId="1")["revisionId"] == "2"
    assert described(sandbox, policyScope="RESOURCE", resourceArn=ARN)["revisionId"] == "2"
    stale = refusal(lambda: logs.delete_resource_policy(resourceArn=ARN, expectedRevisionId="1"))
    assert stale == ("OperationAbortedException", CONFLICT)
    logs.delete_resource_policy(resourceArn=ARN, expectedRevisionId="2")
    assert logs.describe_resource_policies(policyScope="RESOURCE", resourceArn=ARN)["resourcePolicies"] == []


def test_policy_has_a_name_or_a_group(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName="/g")
    policy = document(ALLOW)
    both = refusal(lambda: logs.put_resource_policy(policyName="p", resourceArn=ARN, policyDocument=policy))
    text = "Both policy name and resource arn cannot be specified at the same time."
    assert both == ("InvalidParameterException", text)
    stream = refusal(lambda: logs.put_resource_policy(resourceArn=f"{ARN}:log-stream:s", policyDocument=policy))
    assert stream == ("ValidationException", "Invalid resourceArn")
    scope = refusal(lambda: logs.describe_resource_policies(resourceArn=ARN))
    assert scope == ("InvalidParameterException", "Cannot provide ResourceArn for PolicyScope ACCOUNT")
    missing = refusal(lambda: logs.delete_resource_policy(policyName="nope"))
    assert missing == ("ResourceNotFoundException", "Policy with name [nope] does not exist.")
