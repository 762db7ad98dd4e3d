"""Account-level subscription filter policies have the form and the limits that AWS documents.

*Source:* botocore's documentation of PutAccountPolicy.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox

STREAM = "arn:aws:firehose:us-east-1:123456789012:deliverystream/siem"
ROLE = "arn:aws:iam::123456789012:role/Logs"
DOCUMENT = {"DestinationArn": STREAM, "RoleArn": ROLE, "FilterPattern": ""}


def put(sandbox: Sandbox, document: object, name: str = "all", **more: str) -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    answer: dict[str, Any] = sandbox.client("logs").put_account_policy(
        policyName=name, policyType="SUBSCRIPTION_FILTER_POLICY", policyDocument=text, **more
    )
    return answer


def test_policy_is_created_changed_and_deleted(sandbox: Sandbox) -> None:
    logs = sandbox.client("logs")
    put(sandbox, DOCUMENT)
    changed = put(sandbox, DOCUMENT, selectionCriteria='LogGroupName NOT IN ["a", "b"]')["accountPolicy"]
    listed = logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"]
    assert listed == [changed]
    assert logs.describe_account_policies(policyType="RETENTION_POLICY")["accountPolicies"] == []
    logs.delete_account_policy(policyName="all", policyType="SUBSCRIPTION_FILTER_POLICY")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_account_policy(policyName="all", policyType="SUBSCRIPTION_FILTER_POLICY")


def test_account_has_one_policy_in_a_region(sandbox: Sandbox) -> None:
    put(sandbox, DOCUMENT)
    with pytest.raises(sandbox.client("logs").exceptions.LimitExceededException):
        put(sandbox, DOCUMENT, name="second")


@pytest.mark.parametrize(
    "criteria",
    [
        'LogGroupNamePrefix NOT IN ["/aws/"]',
        'LogGroupName IN ["a"]',
        "LogGroupName NOT IN [a]",
        f'LogGroupName NOT IN ["{"é" * 12_800}"]',
    ],
)
def test_other_selection_criteria_are_refused(sandbox: Sandbox, criteria: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        put(sandbox, DOCUMENT, selectionCriteria=criteria)


@pytest.mark.parametrize(
    "document",
    [
        "no JSON",
        [],
        {"RoleArn": ROLE},
        {"DestinationArn": STREAM},
        {**DOCUMENT, "Filter": ""},
        {**DOCUMENT, "FilterPattern": "x" * 1025},
    ],
)
def test_wrong_documents_are_refused(sandbox: Sandbox, document: object) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        put(sandbox, document)


@pytest.mark.parametrize("kind", ["lambda:us-east-1:123456789012:function:f", "logs:us-east-1:1:destination:d"])
def test_functions_and_destinations_need_no_role(sandbox: Sandbox, kind: str) -> None:
    assert put(sandbox, {"DestinationArn": f"arn:aws:{kind}"})["accountPolicy"]["policyName"] == "all"
