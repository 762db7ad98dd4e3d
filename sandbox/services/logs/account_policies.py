"""Account-level policies of CloudWatch Logs: retention, and subscription filters, which are stored and deliver nothing.

*Source:* botocore's documentation of ``PutAccountPolicy``. The texts of refusals are not recorded.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

RETENTION, SUBSCRIPTION = "RETENTION_POLICY", "SUBSCRIPTION_FILTER_POLICY"
#: The longest selectionCriteria, in UTF-8 bytes, and the longest pattern of a subscription filter, in characters.
_LONGEST_CRITERIA, _LONGEST_PATTERN = 25 * 1024, 1024


class _Policies(dict[tuple[str, str], dict[str, Any]]):
    """The policies of one region, by type and name."""


class RetentionPolicy(NamedTuple):
    """A retention policy that applies to a group. ``days``: None if lines never expire."""

    name: str
    days: int | None


def retention_of(account: Account, region: str, group: Any) -> Iterator[RetentionPolicy]:
    """Yield each retention policy that applies to moto's log group."""
    for (kind, name), policy in account.state(_Policies, region).items():
        if kind == RETENTION and _covers(policy, group):
            days = json.loads(policy["policyDocument"]).get("retentionInDays")
            yield RetentionPolicy(name, None if days == "NEVER_EXPIRE" else int(days))


@rule("logs", "PutAccountPolicy")
def _put(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Store a policy of retention or of subscription filters. Other types are not implemented."""
    params, policies = call.params, account.state(_Policies, call.region)
    kind, name = params["policyType"], params["policyName"]
    if kind == SUBSCRIPTION:
        _check_subscription(params)
        if any(other != name for other_kind, other in policies if other_kind == SUBSCRIPTION):
            raise AwsError("LimitExceededException", "An account has one subscription filter policy in a region.")
    elif kind != RETENTION:
        raise AwsError("NotImplemented", f"The sandbox has no account policies of type {kind}", 501)
    policy = {
        "policyName": name,
        "policyDocument": params["policyDocument"],
        "policyType": kind,
        "scope": "ALL",
        "selectionCriteria": params.get("selectionCriteria"),
        "accountId": account.account_id,
        "lastUpdatedTime": int(account.now().timestamp() * 1000),
    }
    policy = {name: value for name, value in policy.items() if value is not None}
    policies[kind, name] = policy
    return {"accountPolicy": policy}


def _check_subscription(params: dict[str, Any]) -> None:
    """Raise AwsError if the policy has another form than the documentation allows."""
    try:
        document = json.loads(params["policyDocument"])
    except ValueError as error:
        raise _invalid("The policy document is not valid JSON.") from error
    if not isinstance(document, dict) or "DestinationArn" not in document:
        raise _invalid("The policy document has no DestinationArn.")
    if unknown := document.keys() - {"DestinationArn", "RoleArn", "FilterPattern", "Distribution"}:
        raise _invalid(f"The policy document has unknown attributes: {sorted(unknown)}.")
    if len(document.get("FilterPattern", "")) > _LONGEST_PATTERN:
        raise _invalid(f"The filter pattern has more than {_LONGEST_PATTERN} characters.")
    if "RoleArn" not in document and not re.match(r"arn:[a-z-]+:(lambda|logs):", document["DestinationArn"]):
        raise _invalid("A stream as the destination needs RoleArn.")
    criteria = params.get("selectionCriteria")
    if criteria is None:
        return
    if len(criteria.encode()) > _LONGEST_CRITERIA:
        raise _invalid(f"The selection criteria have more than {_LONGEST_CRITERIA} bytes.")
    if not re.fullmatch(r'LogGroupName NOT IN \[\s*("[^"]+"\s*(,\s*"[^"]+"\s*)*)?\]', criteria):
        raise _invalid("Only LogGroupName NOT IN [] is supported as selection criteria.")


@rule("logs", "DescribeAccountPolicies")
def _describe(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    kind, name = call.params["policyType"], call.params.get("policyName")
    return {
        "accountPolicies": [
            policy
            for (each_kind, each_name), policy in account.state(_Policies, call.region).items()
            if each_kind == kind and name in (None, each_name)
        ]
    }


@rule("logs", "DeleteAccountPolicy")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    which = call.params["policyType"], call.params["policyName"]
    if account.state(_Policies, call.region).pop(which, None) is None:
        raise AwsError("ResourceNotFoundException", "The specified account policy does not exist.")
    return {}


def _covers(policy: dict[str, Any], group: Any) -> bool:
    """Tell whether a retention policy applies to the group. Without criteria it applies to every group."""
    criteria = policy.get("selectionCriteria")
    prefixes = re.findall(r'"([^"]*)"', criteria) if criteria else [""]
    created = int(group.creation_time.replace(tzinfo=UTC).timestamp() * 1000)
    is_meant = json.loads(policy["policyDocument"]).get("enforcementMode") != "NEW_ONLY"
    is_meant = is_meant or created >= policy["lastUpdatedTime"]
    return is_meant and any(group.name.startswith(prefix) for prefix in prefixes)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
