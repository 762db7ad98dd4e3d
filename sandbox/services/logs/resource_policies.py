"""Resource policies of CloudWatch Logs: up to ten of the account in a region, and one of each log group.

*Source:* botocore's service model and its documentation of ``logs``; answers and refusals as recorded in
radkawar/stackd, ``testdata/aws/{apigateway/http_logs,eventbridge/logs_destination}.json`` of 2026-09.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.logs.policy_text import rewritten

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

MOST_IN_ACCOUNT = 10


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    document: str
    updated_ms: int
    #: Number of changes; only for the policy of a log group.
    revision: int = 0


class _AccountPolicies(dict[str, ResourcePolicy]):
    """Policies of the account in one region, by name."""


def of_account(account: Account, region: str) -> dict[str, ResourcePolicy]:
    """Return the account's policies in the region, by name."""
    return account.state(_AccountPolicies, region)


def of_group(group: Any) -> ResourcePolicy | None:
    """Return the policy of a log group of moto, which is deleted with the group; None if it has none."""
    found = vars(group).get("sandbox_resource_policy")
    return found if isinstance(found, ResourcePolicy) else None


def documents(account: Account, region: str, group: Any) -> list[str]:
    """Return the documents of all policies that decide who may write to the group."""
    own = of_group(group)
    return [policy.document for policy in of_account(account, region).values()] + ([own.document] if own else [])


def put_for_account(account: Account, region: str, name: str, document: str) -> ResourcePolicy:
    policy = ResourcePolicy(document, _now_ms(account))
    of_account(account, region)[name] = policy
    return policy


def put_for_group(account: Account, group: Any, document: str) -> ResourcePolicy:
    before = of_group(group)
    policy = ResourcePolicy(document, _now_ms(account), before.revision + 1 if before else 1)
    vars(group)["sandbox_resource_policy"] = policy
    return policy


@rule("logs", "PutResourcePolicy")
def _put(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Store the policy. Return the document as it was sent; DescribeResourcePolicies returns it rewritten."""
    params = call.params
    document, name, arn = params.get("policyDocument") or "", params.get("policyName"), params.get("resourceArn")
    if not 1 <= len(document) <= account.behaviour.resource_policy_limit:
        raise _invalid(
            "1 validation error detected: Value at 'policyDocument' failed to satisfy constraint: "
            f"Member must have length less than or equal to {account.behaviour.resource_policy_limit}"
        )
    if name and arn:
        raise _invalid("Both policy name and resource arn cannot be specified at the same time.")
    _check_grammar(document)
    if arn:
        group = _group(account, call, arn)
        _check_revision(of_group(group), params.get("expectedRevisionId"))
        policy = put_for_group(account, group, document)
        shown = {**_described_of_group(arn, policy), "policyDocument": document}
        del shown["revisionId"]
        return {"resourcePolicy": shown, "revisionId": str(policy.revision)}
    if not name:
        raise _invalid("policyName is required")  # the wording is not recorded
    known = of_account(account, call.region)
    if name not in known and len(known) >= MOST_IN_ACCOUNT:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    policy = put_for_account(account, call.region, name, document)
    return {"resourcePolicy": {**_described(name, policy), "policyDocument": document}}


def _check_grammar(document: str) -> None:
    """Refuse an invalid policy. Any action is accepted.

    Recorded for text that is not JSON and for ``{}``; that a statement needs an effect, a principal and an action is
    inferred.
    """
    try:
        statements = json.loads(document)["Statement"]
    except (json.JSONDecodeError, TypeError, KeyError):
        statements = []
    statements = statements if isinstance(statements, list) else [statements]
    whole = [
        isinstance(each, dict)
        and each.get("Effect") in ("Allow", "Deny")
        and bool(each.get("Principal") or each.get("NotPrincipal"))
        and bool(each.get("Action") or each.get("NotAction"))
        for each in statements
    ]
    if not whole or not all(whole):
        raise _invalid(
            "Error occurred while parsing accessPolicy. "
            "Please check if the accessPolicy has been constructed correctly using IAM grammar."
        )


@rule("logs", "DescribeResourcePolicies")
def _describe(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the policies of the account; with ``policyScope`` RESOURCE, the policy of the named log group.

    Without a named group, a switch of the sandbox decides the answer.
    """
    params = call.params
    arn = params.get("resourceArn")
    if params.get("policyScope", "ACCOUNT") == "ACCOUNT":
        if arn:
            raise _invalid("Cannot provide ResourceArn for PolicyScope ACCOUNT")
        found = [_described(name, policy) for name, policy in sorted(of_account(account, call.region).items())]
    elif not arn and account.behaviour.resource_policies_without_arn == "refused":
        raise _invalid("ResourceArn is required for PolicyScope RESOURCE")  # the wording is not recorded
    elif not arn and account.behaviour.resource_policies_without_arn == "none":
        found = []
    else:
        groups = logs_backends[account.account_id][call.region].groups
        wanted = [_group(account, call, arn)] if arn else [groups[name] for name in sorted(groups)]
        with_policy = [(group, policy) for group in wanted if (policy := of_group(group))]
        found = [_described_of_group(group.arn.removesuffix(":*"), policy) for group, policy in with_policy]
    start, limit = int(params.get("nextToken") or 0), params.get("limit", 50)
    answer: dict[str, Any] = {"resourcePolicies": found[start : start + limit]}
    return answer if len(found) <= start + limit else {**answer, "nextToken": str(start + limit)}


@rule("logs", "DeleteResourcePolicy")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    params = call.params
    if params.get("resourceArn"):
        group = _group(account, call, params["resourceArn"])
        policy = of_group(group)
        if policy is None:
            raise AwsError("ResourceNotFoundException", "Policy does not exist")  # the wording is not recorded
        _check_revision(policy, params.get("expectedRevisionId"))
        del vars(group)["sandbox_resource_policy"]
        return {}
    name = params.get("policyName", "")
    if of_account(account, call.region).pop(name, None) is None:
        raise AwsError("ResourceNotFoundException", f"Policy with name [{name}] does not exist.")
    return {}


def _group(account: Account, call: Call, arn: str) -> Any:
    if ":log-group:" not in arn or ":log-stream:" in arn:
        raise AwsError("ValidationException", "Invalid resourceArn")
    group = logs_backends[account.account_id][call.region].groups.get(
        arn.split(":log-group:", 1)[-1].removesuffix(":*")
    )
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _check_revision(policy: ResourcePolicy | None, expected: str | None) -> None:
    """Refuse a change of a log group's policy without its current revision; a new policy needs none."""
    if expected is not None and not expected.isdigit():
        raise _invalid("Invalid ExpectedRevisionId")
    if (str(policy.revision) if policy else None) != expected:
        message = "A conflicting operation is currently in progress against this resource. Please try again."
        raise AwsError("OperationAbortedException", message)


def _described(name: str, policy: ResourcePolicy) -> dict[str, Any]:
    return {
        "policyName": name,
        "policyDocument": rewritten(policy.document),
        "lastUpdatedTime": policy.updated_ms,
        "policyScope": "ACCOUNT",
    }


def _described_of_group(arn: str, policy: ResourcePolicy) -> dict[str, Any]:
    return {
        "policyDocument": rewritten(policy.document),
        "lastUpdatedTime": policy.updated_ms,
        "policyScope": "RESOURCE",
        "resourceArn": arn,
        "revisionId": str(policy.revision),
    }


def _now_ms(account: Account) -> int:
    return int(account.now().timestamp() * 1000)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
