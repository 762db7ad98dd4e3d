"""An HTTP API's access log needs permissions, a log group, and space in a resource policy of CloudWatch Logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.apigatewayv2.log_delivery import ACCOUNT_POLICY, ACTIONS, reaches
from testing.clients import client, refusal
from testing.iam import allow, role
from testing.v2_apis import FORMAT, access_log, group_arn, http_api, make_group, update_v2, v2_stage

TOO_LONG = "Cannot enable logging. Policy document length breaking Cloudwatch Logs Constraints, either < 1 or > "
#: A statement that allows another service than log delivery.
ELSEWHERE = {"Effect": "Allow", "Principal": {"Service": "es.amazonaws.com"}, "Action": "logs:*", "Resource": "*"}


def resources(sandbox: Sandbox, name: str = ACCOUNT_POLICY) -> list[str]:
    """Return the groups that the account's policy lets log delivery write to."""
    policies = client(sandbox, "logs").describe_resource_policies()["resourcePolicies"]
    documents = [json.loads(each["policyDocument"]) for each in policies if each["policyName"] == name]
    found = [statement["Resource"] for document in documents for statement in document["Statement"]]
    return [each.split(":log-group:")[1].removesuffix(":log-stream:*") for each in found]


def enable(sandbox: Sandbox, api_id: str, name: str) -> None:
    make_group(sandbox, name)
    update_v2(sandbox, api_id, AccessLogSettings=access_log(name))


# ---- the caller


def test_callers_role_needs_log_delivery(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    make_group(sandbox)
    stage = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/prod"
    arn = role(sandbox, "keeper", policy=allow("apigateway:*", resource=[stage, f"{stage}/*"]))
    credentials = sandbox.caller_of_role(arn, "session")
    gateway = client(sandbox, "apigatewayv2", credentials=credentials)

    def update() -> Any:
        return gateway.update_stage(ApiId=api_id, StageName="prod", AccessLogSettings=access_log())

    who = "arn:aws:sts::123456789012:assumed-role/keeper/session"
    code, message = refusal(update)
    assert code == "BadRequestException"
    assert message.startswith(f"Insufficient permissions to enable logging. User: {who} is not authorized to perform: "
                              "logs:CreateLogDelivery")  # fmt: skip
    iam = client(sandbox, "iam")
    for number, action in enumerate(ACTIONS):
        assert action in refusal(update)[1]
        held = allow(*ACTIONS[: number + 1])
        iam.put_role_policy(RoleName="keeper", PolicyName="delivery", PolicyDocument=held)
    update()
    assert [need.action for need in sandbox.calls[-1].needs] == ["apigateway:PATCH", *ACTIONS]
    iam.delete_role_policy(RoleName="keeper", PolicyName="delivery")
    gateway.update_stage(ApiId=api_id, StageName="prod", Description="needs nothing of CloudWatch Logs")
    assert "logs:DeleteLogDelivery" in refusal(
        lambda: gateway.delete_access_log_settings(ApiId=api_id, StageName="prod")
    )[1]  # fmt: skip
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == access_log()


def test_denial_is_reported_in_iams_words(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    deny = {"Effect": "Deny", "Action": "logs:CreateLogDelivery", "Resource": "*"}
    policy = json.loads(allow("apigateway:*", "logs:*"))
    policy["Statement"].append(deny)
    arn = role(sandbox, "keeper", policy=json.dumps(policy))
    gateway = client(sandbox, "apigatewayv2", credentials=sandbox.caller_of_role(arn, "me"))
    _, message = refusal(lambda: gateway.create_stage(ApiId=api_id, StageName="two", AccessLogSettings=access_log()))
    assert message == (
        "Insufficient permissions to enable logging. User: arn:aws:sts::123456789012:assumed-role/keeper/me is not "
        "authorized to perform: logs:CreateLogDelivery with an explicit deny in an identity-based policy"
    )


# ---- the group


def test_group_that_is_missing_is_refused(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    code, message = refusal(lambda: update_v2(sandbox, api_id, AccessLogSettings=access_log("/nowhere")))
    assert code == "NotFoundException"
    assert message.startswith(
        "Cannot enable logging. LogDestination: /nowhere does not exist (Service: AWSIngestionHub;"
    )
    sandbox.turn(accepts_missing_http_log_groups=True)
    update_v2(sandbox, api_id, AccessLogSettings=access_log("/nowhere"))
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == access_log("/nowhere")


def test_deleted_group_stays_the_destination(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    enable(sandbox, api_id, "/x")
    client(sandbox, "logs").delete_log_group(logGroupName="/x")
    update_v2(sandbox, api_id, DefaultRouteSettings={"DetailedMetricsEnabled": True})
    assert v2_stage(sandbox, api_id)["AccessLogSettings"]["DestinationArn"] == group_arn("/x")


# ---- the policy of the group


def test_groups_own_policy_allows_log_delivery(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    enable(sandbox, api_id, "/x")
    logs = client(sandbox, "logs")
    found = logs.describe_resource_policies(resourceArn=group_arn("/x"), policyScope="RESOURCE")["resourcePolicies"]
    assert (found[0]["revisionId"], found[0]["resourceArn"]) == ("1", group_arn("/x"))
    statement = json.loads(found[0]["policyDocument"])["Statement"][0]
    assert (statement["Sid"], statement["Resource"]) == ("AWSLogDeliveryWrite1", group_arn("/x") + ":log-stream:*")
    assert resources(sandbox) == []
    update_v2(sandbox, api_id, AccessLogSettings={"Format": f"{FORMAT} $context.path"})
    again = logs.describe_resource_policies(resourceArn=group_arn("/x"), policyScope="RESOURCE")["resourcePolicies"]
    assert again[0]["revisionId"] == "1"
    streams = logs.describe_log_streams(logGroupName="/x")["logStreams"]
    assert len(streams) == 1


@pytest.mark.parametrize("runs", [True, False])
def test_settings_that_are_set_already_may_allow_delivery_again(sandbox: Sandbox, *, runs: bool) -> None:
    sandbox.turn(unchanged_update_runs_log_delivery_admission=runs)
    api_id = http_api(sandbox)
    enable(sandbox, api_id, "/x")
    assert reaches(sandbox, "us-east-1", "/x")
    client(sandbox, "logs").delete_log_group(logGroupName="/x")
    make_group(sandbox, "/x")
    assert not reaches(sandbox, "us-east-1", "/x")
    update_v2(sandbox, api_id, AccessLogSettings=access_log("/x"))
    assert reaches(sandbox, "us-east-1", "/x") is runs
    update_v2(sandbox, api_id, AccessLogSettings={"Format": f"{FORMAT} $context.path"})
    assert reaches(sandbox, "us-east-1", "/x")


@pytest.mark.parametrize("answer", ["all", "none", "refused"])
def test_policies_of_all_groups_may_be_listed(sandbox: Sandbox, answer: Any) -> None:
    sandbox.turn(resource_policies_without_arn=answer)
    enable(sandbox, http_api(sandbox), "/x")

    def listed(**criteria: str) -> list[str]:
        found = client(sandbox, "logs").describe_resource_policies(policyScope="RESOURCE", **criteria)
        return [policy["resourceArn"] for policy in found["resourcePolicies"]]

    assert listed(resourceArn=group_arn("/x")) == [group_arn("/x")]
    if answer == "refused":
        assert refusal(listed)[0] == "InvalidParameterException"
    else:
        assert listed() == ([group_arn("/x")] if answer == "all" else [])


def test_policy_of_the_owner_is_enough(sandbox: Sandbox) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    logs = client(sandbox, "logs")
    logs.put_resource_policy(policyName="mine", policyDocument=document)
    enable(sandbox, http_api(sandbox), "/x")
    assert logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"] == []
    assert [each["policyName"] for each in logs.describe_resource_policies()["resourcePolicies"]] == ["mine"]


# ---- the policy of the account


@pytest.fixture
def older(sandbox: Sandbox) -> Sandbox:
    """Configure the account as it was until 2025: one policy for all groups, with space for a few of them."""
    sandbox.turn(log_delivery_policy="account")
    sandbox.turn(resource_policy_limit=2100)
    return sandbox


def test_entries_of_the_account_policy_stay(older: Sandbox) -> None:
    api_id = http_api(older)
    enable(older, api_id, "/x")
    enable(older, api_id, "/y")
    client(older, "logs").delete_log_group(logGroupName="/x")
    client(older, "apigatewayv2").delete_access_log_settings(ApiId=api_id, StageName="prod")
    assert resources(older) == ["/x", "/y"]


def test_policy_that_is_nearly_full_has_space_for_vended_logs_alone(older: Sandbox) -> None:
    api_id = http_api(older)
    for number in range(4):
        enable(older, api_id, f"/{number}")
    refused = refusal(lambda: enable(older, api_id, "/4"))
    assert refused == ("BadRequestException", "Insufficient permissions to enable logging")
    assert resources(older) == ["/0", "/1", "/2", "/3", "/aws/vendedlogs/*"]
    enable(older, api_id, "/aws/vendedlogs/apigateway/pets")
    enable(older, api_id, "/aws/vendedlogs/apigateway/dogs")
    assert len(resources(older)) == 5
    assert refusal(lambda: enable(older, api_id, "/5")) == refused


def test_policy_without_any_space(older: Sandbox) -> None:
    older.turn(resource_policy_limit=300)
    refused = refusal(lambda: enable(older, http_api(older), "/aws/vendedlogs/x"))
    assert refused == ("BadRequestException", f"{TOO_LONG}300")


def test_region_has_at_most_ten_policies(older: Sandbox) -> None:
    logs = client(older, "logs")
    document = json.dumps({"Version": "2012-10-17", "Statement": [ELSEWHERE]})
    for number in range(10):
        logs.put_resource_policy(policyName=str(number), policyDocument=document)
    full = refusal(lambda: logs.put_resource_policy(policyName="more", policyDocument=document))
    assert full == ("LimitExceededException", "Resource limit exceeded.")
    assert refusal(lambda: enable(older, http_api(older), "/x"))[1].startswith("Insufficient permissions")
    logs.delete_resource_policy(policyName="0")
    enable(older, http_api(older), "/y")
    assert resources(older) == ["/y"]


def test_resource_policies_are_put_listed_and_deleted(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    make_group(sandbox, "/x")
    document = json.dumps({"Version": "2012-10-17", "Statement": [ELSEWHERE]})
    made = logs.put_resource_policy(resourceArn=group_arn("/x"), policyDocument=document)
    assert made["revisionId"] == "1"
    stale = refusal(lambda: logs.put_resource_policy(resourceArn=group_arn("/x"), policyDocument=document))
    assert stale[0] == "OperationAbortedException"
    logs.delete_resource_policy(resourceArn=group_arn("/x"), expectedRevisionId="1")
    assert logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"] == []
    assert refusal(lambda: logs.delete_resource_policy(policyName="x"))[0] == "ResourceNotFoundException"
    sandbox.turn(resource_policy_limit=5120)
    long = refusal(lambda: logs.put_resource_policy(policyName="x", policyDocument=json.dumps("x" * 6000)))
    assert long[0] == "InvalidParameterException"
