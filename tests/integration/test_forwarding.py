"""The example of an account-level subscription filter policy, deployed in the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from log_keeper.stages import Protocol
from sandbox.assembly import Sandbox
from testing.builders import FORMATS
from testing.cloudformation import create, physical

ROOT = Path(__file__).parents[2]
STREAM = "arn:aws:firehose:us-east-1:123456789012:deliverystream/siem"
PATTERN = "{ $.extendedRequestId = * && $.apiId = * && $.stage = * }"


def deploy(sandbox: Sandbox, excluded: str) -> dict[str, Any]:
    """Deploy the example. Return the policy."""
    given = {"FirehoseArn": STREAM, "ExcludedLogGroups": excluded}
    body = (ROOT / "examples" / "forwarding" / "account-policy.yaml").read_text()
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    described = create(sandbox, body, "forwarding", Parameters=parameters)
    assert described["StackStatus"] == "CREATE_COMPLETE", described
    answer = sandbox.client("logs").describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")
    (policy,) = answer["accountPolicies"]
    return dict(policy)


def test_policy_sends_access_logs_to_the_stream_and_leaves_out_log_groups(sandbox: Sandbox) -> None:
    policy = deploy(sandbox, "/aws/kinesisfirehose/siem,/aws/lambda/indexer")
    assert policy["selectionCriteria"] == 'LogGroupName NOT IN ["/aws/kinesisfirehose/siem", "/aws/lambda/indexer"]'
    document = json.loads(policy["policyDocument"])
    role = physical(sandbox, "forwarding")["Role"]
    assert document == {
        "DestinationArn": STREAM,
        "RoleArn": f"arn:aws:iam::123456789012:role/{role}",
        "FilterPattern": PATTERN,
    }
    put = sandbox.client("iam").get_role_policy(RoleName=role, PolicyName="PutRecords")["PolicyDocument"]
    assert [each["Resource"] for each in put["Statement"]] == [STREAM]


@pytest.mark.parametrize("protocol", Protocol)
def test_each_access_log_line_in_json_has_the_fields_of_the_pattern(protocol: Protocol) -> None:
    """Their values are strings, as the pattern's wildcard requires."""
    fields = json.loads(FORMATS[protocol])
    named = re.findall(r"\$\.(\w+) = \*", PATTERN)
    assert len(named) == 3
    assert all(isinstance(fields[name], str) for name in named)


def test_page_shows_the_pattern_of_the_example() -> None:
    assert PATTERN in (ROOT / "docs" / "forwarding.md").read_text()
