"""The permissions that reading an account needs. Pure."""

from __future__ import annotations

import json

#: Why they are needed, and the actions.
READING = {
    "always": (
        "apigateway:GET",
        "logs:DescribeLogGroups",
        "logs:DescribeDeliverySources",
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetTrailStatus",
        "cloudtrail:GetEventSelectors",
    ),
    "if a stage delivers its execution logs to other destinations": (
        "logs:DescribeDeliveries",
        "logs:GetDeliveryDestination",
        "firehose:DescribeDeliveryStream",
    ),
    "with --forward-access-logs-to or --forward-execution-logs-to": ("logs:DescribeSubscriptionFilters",),
    "if the log role may not write to any of the usual log groups": (
        "iam:ListRolePolicies",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
    ),
}
#: What the caller needs in addition, to read all accounts of an organization.
ORGANIZATION = (
    "organizations:ListRoots",
    "organizations:ListAccountsForParent",
    "organizations:ListOrganizationalUnitsForParent",
    "sts:AssumeRole",
)


def session_policy() -> str:
    """Return a policy of these permissions, as JSON. A session that has it can do nothing else, whatever its role may.

    *Source:* IAM user guide, "Session policies": the intersection with the role's policies is allowed.
    """
    actions = [action for actions in READING.values() for action in actions]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]},
        separators=(",", ":"),
    )
