"""API Gateway writes a REST stage's access log, and creates its log group if it is missing.

*Source:* serverless/serverless issue 6906, aws/serverless-application-model issue 2502.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.apigateway.request_logs import write_access_log
from testing.accounts import PUSH_POLICY, give_log_role, make_rest_stage
from testing.clients import client
from testing.rest_apis import replace, update

GROUP = "/pets/access"
ARN = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}"


def logged(sandbox: Sandbox) -> str:
    """Create a REST API whose stage logs to GROUP, which has a retention. Return the API's id."""
    give_log_role(sandbox)
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
    api_id = make_rest_stage(sandbox)
    update(
        sandbox,
        api_id,
        replace("/accessLogSettings/destinationArn", ARN),
        replace("/accessLogSettings/format", "$context.requestId"),
    )
    return api_id


def group(sandbox: Sandbox) -> dict[str, Any] | None:
    found = client(sandbox, "logs").describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    return found[0] if found else None


def lines(sandbox: Sandbox) -> list[str]:
    return [each["message"] for each in client(sandbox, "logs").filter_log_events(logGroupName=GROUP)["events"]]


def test_request_is_a_line_of_the_access_log(sandbox: Sandbox) -> None:
    api_id = logged(sandbox)
    assert write_access_log(sandbox, api_id, "prod", requestId="one") == GROUP
    assert lines(sandbox) == ["one"]


def test_deleted_group_is_created_by_api_gateway_without_retention(sandbox: Sandbox) -> None:
    api_id = logged(sandbox)
    client(sandbox, "logs").delete_log_group(logGroupName=GROUP)
    sandbox.trail.clear()
    assert write_access_log(sandbox, api_id, "prod", requestId="one") == GROUP
    made = group(sandbox)
    assert made is not None
    assert "retentionInDays" not in made
    assert lines(sandbox) == ["one"]
    (record,) = [each for each in sandbox.trail if each["eventName"] == "CreateLogGroup"]
    assert record["requestParameters"] == {"logGroupName": GROUP}
    assert record["userIdentity"]["arn"].endswith(":assumed-role/logs/BackplaneAssumeRoleSession")
    assert record["userIdentity"]["invokedBy"] == record["sourceIPAddress"] == "apigateway.amazonaws.com"


@pytest.mark.parametrize(("escaping", "escaped"), [("nothing", 'a"\tb'), ("quotes", 'a\\"\tb'), ("json", 'a\\"\\tb')])
def test_values_of_a_line_are_escaped_in_one_of_three_ways(sandbox: Sandbox, escaping: str, escaped: str) -> None:
    sandbox.turn(access_log_escaping=escaping)
    write_access_log(sandbox, logged(sandbox), "prod", requestId='a"\tb')
    assert lines(sandbox) == [escaped]


def test_group_is_not_created_again_with_the_switch_off() -> None:
    with Sandbox(iam_propagation_seconds=0, recreates_rest_access_log_groups=False) as sandbox:
        api_id = logged(sandbox)
        client(sandbox, "logs").delete_log_group(logGroupName=GROUP)
        assert write_access_log(sandbox, api_id, "prod") is None
        assert group(sandbox) is None


@pytest.mark.parametrize("lost", ["the policy", "the role", "the settings"])
def test_stage_without_settings_or_a_valid_role_logs_nothing(sandbox: Sandbox, lost: str) -> None:
    api_id, iam = logged(sandbox), client(sandbox, "iam")
    client(sandbox, "logs").delete_log_group(logGroupName=GROUP)
    if lost == "the settings":
        update(sandbox, api_id, {"op": "remove", "path": "/accessLogSettings"})
    else:
        iam.detach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
    if lost == "the role":
        iam.delete_role(RoleName="logs")
    assert write_access_log(sandbox, api_id, "prod") is None
    assert group(sandbox) is None
