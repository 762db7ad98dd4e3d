"""Whether a role's trust policy lets a principal assume it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.iam.policies import Decision, Document, evaluate, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.iam.policies import Context


def decide(role: Any, principals: Iterable[str], context: Context, action: str = "sts:AssumeRole") -> Decision:
    """Return what the trust policy of one of moto's roles decides for any of these principals: ARNs or accounts."""
    document = {"Statement": [{"Resource": "*", **each} for each in _statements(role)]}
    decisions = [evaluate([document], action, role.arn, context, {"AWS": each}) for each in principals]
    if Decision.EXPLICIT_DENY in decisions:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOWED if Decision.ALLOWED in decisions else Decision.IMPLICIT_DENY


def names(role: Any, principals: Iterable[str], context: Context, action: str = "sts:AssumeRole") -> bool:
    """Return whether the trust policy allows one of the principals by its own ARN, and not by its account alone."""
    wanted = set(principals)
    named = [each for each in _statements(role) if wanted & set(_aws(each))]
    document = {"Statement": [{"Resource": "*", **each} for each in named]}
    return any(evaluate([document], action, role.arn, context, {"AWS": each}) is Decision.ALLOWED for each in wanted)


def _aws(statement: Document) -> list[str]:
    principal = statement.get("Principal")
    named = principal.get("AWS", []) if isinstance(principal, dict) else []
    return named if isinstance(named, list) else [named]


def _statements(role: Any) -> list[Document]:
    """The statements of the trust policy, which have no Resource: the role they stand on is meant."""
    statements = load(role.assume_role_policy_document).get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def trusts(role: Any, service: str, context: Context | None = None) -> bool:
    """Return whether the role's trust policy lets the service assume it, in a request with these condition keys."""
    document = {"Statement": [{"Resource": "*", **each} for each in _statements(role)]}
    return evaluate([document], "sts:AssumeRole", role.arn, context or {}, {"Service": service}) is Decision.ALLOWED


def allows(role: Any, principal_arn: str) -> bool:
    """Return whether the role's trust policy lets this principal assume it."""
    return decide(role, [principal_arn], {}) is Decision.ALLOWED
