"""The permissions of log delivery are read in few calls, whichever way CloudWatch Logs answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from log_keeper.aws.resource_policies import ResourcePolicies, allow_delivery
from log_keeper.policy.log_delivery import DeliveryPermission
from sandbox.assembly import Sandbox
from sandbox.services.apigatewayv2.log_delivery import reaches
from testing.builders import ACCOUNT

ALLOWED, MISSING, DENIED = DeliveryPermission
DELIVERY = {"Principal": {"Service": "delivery.logs.amazonaws.com"}, "Resource": "*"}
WRITE = ["logs:CreateLogStream", "logs:PutLogEvents"]


def arn(name: str) -> str:
    return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}"


def policy(effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": WRITE, **DELIVERY}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_groups(sandbox: Sandbox, count: int, document: str | None = None) -> list[str]:
    """Create log groups with this resource policy of their own. Return their ARNs."""
    logs, names = sandbox.client("logs"), [f"/team/{number}" for number in range(count)]
    for name in names:
        logs.create_log_group(logGroupName=name)
        if document is not None:
            logs.put_resource_policy(resourceArn=arn(name), policyDocument=document)
    return [arn(name) for name in names]


def read(sandbox: Sandbox, arns: list[str], missing: tuple[str, ...] = ()) -> tuple[set[DeliveryPermission], int]:
    """Return the permission of each group, and the number of calls."""
    before = len(sandbox.calls)
    facts = ResourcePolicies(sandbox.client("logs")).read(arns, missing=missing)
    assert list(facts) == sorted(arns)
    return {each.permission for each in facts.values()}, len(sandbox.calls) - before


def test_group_with_its_own_policy_takes_one_call(sandbox: Sandbox) -> None:
    assert read(sandbox, make_groups(sandbox, 1, policy())) == ({ALLOWED}, 1)


def test_policy_of_the_account_is_read_where_the_groups_own_does_not_allow(sandbox: Sandbox) -> None:
    arns = make_groups(sandbox, 1)
    assert read(sandbox, arns) == ({MISSING}, 2)
    sandbox.client("logs").put_resource_policy(policyName="mine", policyDocument=policy())
    assert read(sandbox, arns) == ({ALLOWED}, 2)
    sandbox.client("logs").put_resource_policy(policyName="no", policyDocument=policy("Deny"))
    assert read(sandbox, arns) == ({DENIED}, 2)


def test_policy_of_a_missing_group_is_not_read(sandbox: Sandbox) -> None:
    assert read(sandbox, [arn("/gone")], missing=(arn("/gone"),)) == ({MISSING}, 1)


def test_group_that_was_deleted_meanwhile_has_no_policy(sandbox: Sandbox) -> None:
    assert read(sandbox, [arn("/gone")]) == ({MISSING}, 2)


def test_policies_of_many_groups_are_listed(sandbox: Sandbox) -> None:
    """Fifty in a call, and one call for the account's policies."""
    sandbox.turn(resource_policies_without_arn="all")
    assert read(sandbox, make_groups(sandbox, 101, policy())) == ({ALLOWED}, 3 + 1)


def test_deny_in_the_account_is_seen_where_policies_are_listed(sandbox: Sandbox) -> None:
    arns = make_groups(sandbox, 4, policy())
    sandbox.client("logs").put_resource_policy(policyName="no", policyDocument=policy("Deny"))
    assert read(sandbox, arns) == ({DENIED}, 2)


def test_group_that_is_not_in_the_list_takes_one_call(sandbox: Sandbox) -> None:
    arns = make_groups(sandbox, 4)
    assert read(sandbox, arns) == ({MISSING}, 1 + 1 + 4)


@pytest.mark.parametrize("answer", ["none", "refused"])
def test_policy_of_each_group_is_read_if_they_cannot_be_listed(sandbox: Sandbox, answer: Any) -> None:
    sandbox.turn(resource_policies_without_arn=answer)
    assert read(sandbox, make_groups(sandbox, 5, policy())) == ({ALLOWED}, 1 + 1 + 5)


def test_lists_are_read_once(sandbox: Sandbox) -> None:
    sandbox.turn(resource_policies_without_arn="all")
    arns = make_groups(sandbox, 8, policy())
    policies = ResourcePolicies(sandbox.client("logs"))
    policies.read(arns[:4], missing=())
    before = len(sandbox.calls)
    policies.read(arns[4:], missing=())
    assert len(sandbox.calls) == before


@pytest.mark.parametrize("before", [None, "another service's"])
def test_statement_is_added_and_the_others_stay(sandbox: Sandbox, before: str | None) -> None:
    logs = sandbox.client("logs")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "Theirs", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": WRITE,
        "Resource": "*"}]})  # fmt: skip
    [group] = make_groups(sandbox, 1, document if before else None)
    facts = ResourcePolicies(logs).read([group], missing=())[group]
    allow_delivery(logs, facts)
    assert reaches(sandbox, "us-east-1", "/team/0")
    [after] = logs.describe_resource_policies(policyScope="RESOURCE", resourceArn=group)["resourcePolicies"]
    assert ("Theirs" in after["policyDocument"]) is bool(before)


def test_policy_that_somebody_just_changed_is_not_overwritten(sandbox: Sandbox) -> None:
    logs = sandbox.client("logs")
    [group] = make_groups(sandbox, 1)
    facts = ResourcePolicies(logs).read([group], missing=())[group]
    logs.put_resource_policy(resourceArn=group, policyDocument=policy("Deny"))
    with pytest.raises(logs.exceptions.OperationAbortedException):
        allow_delivery(logs, facts)
