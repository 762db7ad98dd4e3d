"""What IAM refuses in a policy document before it stores it. Pure: from a text to the refusal, or nothing.

*Source* of the texts, each seen in an answer of AWS: localstack/localstack ``test_iam.snapshot.json`` (no JSON);
hashicorp/terraform issues 13449 (a principal in an identity policy) and 35086, terraform-provider-aws issue 8905
(principals), cfn-lint issue 1376 (statement ids); the rest as clients of AWS quote them: "Unknown field", "Has
prohibited field Resource", "AssumeRole policy may only specify STS AssumeRole actions.", "The passed in policy has a
statement with no principals!" (terraform-aws-modules/terraform-aws-iam issue 47), "Missing required field Principal".
The order of the checks, and what is said of a wrong version, effect or type, is inferred.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sandbox.core.iam.service_principals import is_principal

if TYPE_CHECKING:
    from collections.abc import Callable

_TOP = frozenset({"Version", "Id", "Statement"})
_STATEMENT = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_SID = re.compile("[0-9A-Za-z]*")
_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:(?:root|(?:role|user|assumed-role|federated-user)/.+)")
#: Unique ids of roles and users, which stand where an ARN's owner is deleted.
_UNIQUE_ID = re.compile("A(?:ROA|IDA)[A-Z0-9]+")

#: Characters of a trust policy, of a managed policy, and of all inline policies of a role, user or group together,
#: white space not counted. *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_TRUST, LONGEST_MANAGED = 2048, 6144
LONGEST_INLINE = {"role": 10_240, "user": 2048, "group": 5120}


def trust_refusal(text: str, exists: Callable[[str], bool]) -> str | None:
    """Return what CreateRole and UpdateAssumeRolePolicy refuse the trust policy with, None if they take it.

    ``exists`` returns whether there is a role or user with this ARN.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return "This policy contains invalid Json"
    if not isinstance(document, dict):
        return "This policy contains invalid Json"
    unknown = next((name for name in document if name not in _TOP), None)
    if unknown is not None:
        return f"Unknown field {unknown}"
    if document.get("Version", "2012-10-17") not in ("2008-10-17", "2012-10-17"):
        return "The policy must contain a valid version string"
    statements = _listed(document.get("Statement", []))
    if not statements:
        return "Could not parse the policy: Statement is empty!"
    for statement in statements:
        refusal = _of_statement(statement) or _of_principal(statement.get("Principal"), exists)
        if refusal is not None:
            return refusal
    return _of_sids(statements)


def identity_refusal(text: str) -> str | None:
    """Return what CreatePolicy and PutRolePolicy refuse the policy with, beyond what moto checks; None if nothing."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return None
    statements = _listed(document.get("Statement", [])) if isinstance(document, dict) else []
    statements = [each for each in statements if isinstance(each, dict)]
    if any("Principal" in each or "NotPrincipal" in each for each in statements):
        return "Policy document should not specify a principal."
    return _of_sids(statements)


def size(text: str) -> int:
    """Return the characters of the policy as IAM counts them: white space is free."""
    return len(re.sub(r"\s", "", text))


def _of_statement(statement: Any) -> str | None:
    if not isinstance(statement, dict):
        return "Syntax error in policy."
    unknown = next((name for name in statement if name not in _STATEMENT), None)
    if unknown is not None:
        return f"Unknown field {unknown}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        return f"Invalid effect: {statement['Effect']}" if "Effect" in statement else "Missing required field Effect"
    if "NotPrincipal" in statement:
        return "AssumeRole policy must not contain NotPrincipal field."
    if "Principal" not in statement:
        return "Missing required field Principal"
    for name in ("Resource", "NotResource"):
        if name in statement:
            return f"Has prohibited field {name}"
    actions = _listed(statement.get("Action", statement.get("NotAction", [])))
    if not actions:
        return "Missing required field Action"
    if not all(isinstance(each, str) and each.lower().startswith("sts:") for each in actions):
        return "AssumeRole policy may only specify STS AssumeRole actions."
    return None


def _of_principal(principal: Any, exists: Callable[[str], bool]) -> str | None:
    if principal == "*":
        return None
    if not isinstance(principal, dict):
        return f'Invalid principal in policy: "{principal}"'
    if not any(_listed(each) for each in principal.values()):
        return "The passed in policy has a statement with no principals!"
    for kind, named in principal.items():
        for name in _listed(named):
            if not _is_valid(kind, name, exists):
                shown = {"Service": "SERVICE", "Federated": "FEDERATED"}.get(kind, kind)
                return f'Invalid principal in policy: "{shown}":"{name}"'
    return None


def _is_valid(kind: str, name: Any, exists: Callable[[str], bool]) -> bool:
    """A role or user that is named by its ARN must exist, so that IAM can keep its unique id."""
    if not isinstance(name, str):
        return False
    if kind == "Service":
        return is_principal(name)
    if kind == "AWS":
        if name == "*" or re.fullmatch(r"\d{12}", name) or _UNIQUE_ID.fullmatch(name):
            return True
        return _ARN.fullmatch(name) is not None and exists(name)
    return kind in ("Federated", "CanonicalUser")


def _of_sids(statements: list[dict[str, Any]]) -> str | None:
    sids = [each["Sid"] for each in statements if each.get("Sid")]
    if not all(isinstance(each, str) and _SID.fullmatch(each) for each in sids):
        return (
            "Statement IDs (SID) must be alpha-numeric. "
            "Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )
    return "Statement IDs (SID) in a single policy must be unique." if len(set(sids)) < len(sids) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
