"""IAM's evaluation of policy documents: pure, from documents, an action, a resource and context keys to a decision.

*Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and the pages on
policy elements and condition operators beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from sandbox.core.arn import Arn

type Document = dict[str, Any]
#: Condition keys of a request; a key with several values (``aws:TagKeys``) has a list.
type Context = Mapping[str, str | list[str]]


class Decision(StrEnum):
    """IAM's own words, as SimulatePrincipalPolicy answers them."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Policies:
    """What limits a principal: its identity policies, its permissions boundary, and its organization's policies.

    ``session``: the policy of a role's session. *Source:* IAM user guide, "Session policies".
    """

    identity: tuple[Document, ...]
    boundary: Document | None = None
    #: Service control policies. Their denials hold.
    organization: tuple[Document, ...] = ()
    #: The policies of each level of the organization from which FullAWSAccess was detached. Each level must allow.
    allow_lists: tuple[tuple[Document, ...], ...] = ()
    session: Document | None = None

    def decide(self, action: str, resource: str, context: Context) -> Decision:
        """Return the decision: a deny anywhere wins; then policies of every type must allow."""
        decisions = [
            evaluate(self.identity, action, resource, context),
            self.organization_decides(action, resource, context),
        ]
        limits = (limit for limit in (self.boundary, self.session) if limit is not None)
        decisions += [evaluate((limit,), action, resource, context) for limit in limits]
        if Decision.EXPLICIT_DENY in decisions:
            return Decision.EXPLICIT_DENY
        return Decision.IMPLICIT_DENY if Decision.IMPLICIT_DENY in decisions else Decision.ALLOWED

    def organization_decides(self, action: str, resource: str, context: Context) -> Decision:
        """Return what the service control policies decide.

        *Source:* Organizations user guide, "SCP evaluation": an explicit Allow "at every level from the root through
        each OU in the direct path to the account (including the target account itself)".
        """
        if evaluate(self.organization, action, resource, context) is Decision.EXPLICIT_DENY:
            return Decision.EXPLICIT_DENY
        levels = (evaluate(level, action, resource, context) for level in self.allow_lists)
        return Decision.ALLOWED if all(each is Decision.ALLOWED for each in levels) else Decision.IMPLICIT_DENY

    def refusal(self, action: str, resource: str, context: Context) -> str:
        """Return why these policies refuse an action, as AWS ends its sentences about it.

        *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        """
        by_organization = self.organization_decides(action, resource, context)
        if by_organization is Decision.EXPLICIT_DENY:
            return "with an explicit deny in a service control policy"
        by_session = None if self.session is None else evaluate((self.session,), action, resource, context)
        if by_session is Decision.EXPLICIT_DENY:
            return "with an explicit deny in a session policy"
        if self.decide(action, resource, context) is Decision.EXPLICIT_DENY:
            return "with an explicit deny in an identity-based policy"
        if by_organization is Decision.IMPLICIT_DENY:
            return f"because no service control policy allows the {action} action"
        if self.boundary and evaluate(self.identity, action, resource, context) is Decision.ALLOWED:
            return f"because no permissions boundary allows the {action} action"
        if (
            by_session is Decision.IMPLICIT_DENY
            and evaluate(self.identity, action, resource, context) is Decision.ALLOWED
        ):
            return f"because no session policy allows the {action} action"
        return f"because no identity-based policy allows the {action} action"

    def missing_keys(self, context: Context) -> list[str]:
        """Return the keys that conditions and resources of the policies name, and the context has not; sorted.

        Those of every statement, also of one about another action or resource, and none of service control policies.

        *Source:* radkawar/stackd, testdata/aws/iam/simulation.json, cases ``missing_irrelevant_*``; the model's
        MissingContextValues.
        """
        known, named = {key.lower() for key in context}, set[str]()
        for document in (*self.identity, *([] if self.boundary is None else [self.boundary])):
            for statement in _listed(document.get("Statement")):
                for keys in statement.get("Condition", {}).values():
                    named |= set(keys)
                for resource in _listed(statement.get("Resource")):
                    named |= set(re.findall(r"\$\{([^}*?$]+)\}", resource))
        return sorted(key for key in named if key.lower() not in known)


def load(text: str | Document) -> Document:
    """A policy document from its text, which IAM's API sometimes gives percent-encoded."""
    if isinstance(text, dict):
        return text
    document = json.loads(text if text.lstrip().startswith("{") else unquote(text))
    return document if isinstance(document, dict) else {}


def evaluate(
    documents: Iterable[Document],
    action: str,
    resource: str,
    context: Context,
    principal: Mapping[str, str] | None = None,
) -> Decision:
    """Return the decision of the documents together.

    ``principal`` (``{"Service": "events.amazonaws.com"}``) is for resource policies, whose statements name whom they
    mean; identity policies have none.
    """
    folded = {key.lower(): value for key, value in context.items()}
    decision = Decision.IMPLICIT_DENY
    for document in documents:
        for statement in _listed(document.get("Statement")):
            if not _covers(statement, action, resource, folded, principal):
                continue
            is_deny = statement.get("Effect") == "Deny"
            if not _conditions_hold(statement.get("Condition", {}), folded, unknown=is_deny):
                continue
            if is_deny:
                return Decision.EXPLICIT_DENY
            decision = Decision.ALLOWED
    return decision


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """``*`` stands for any run of characters, ``?`` for exactly one."""
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    regex = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)
    return re.compile(regex, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _covers(
    statement: Document, action: str, resource: str, context: Context, principal: Mapping[str, str] | None
) -> bool:
    if principal is not None and not _names(statement, principal):
        return False
    # Actions are compared without regard to case.
    if "Action" in statement:
        is_action = any(matches(pattern, action, ignore_case=True) for pattern in _listed(statement["Action"]))
    else:
        excluded = _listed(statement.get("NotAction"))
        is_action = bool(excluded) and not any(matches(pattern, action, ignore_case=True) for pattern in excluded)
    if not is_action:
        return False
    if "Resource" in statement:
        return any(matches(_filled(pattern, context), resource) for pattern in _listed(statement["Resource"]))
    excluded = _listed(statement.get("NotResource"))
    return bool(excluded) and not any(matches(_filled(pattern, context), resource) for pattern in excluded)


def _names(statement: Document, principal: Mapping[str, str]) -> bool:
    named = statement.get("Principal")
    if named == "*":
        return True
    if not isinstance(named, dict):
        return False
    for kind, value in principal.items():
        for pattern in _listed(named.get(kind)):
            if pattern in ("*", value):
                return True
            if kind == "AWS" and pattern in _account_forms(value):
                return True
    return False


def _account_forms(arn: str) -> tuple[str, ...]:
    """The account's number and its root ARN both mean everybody in the account."""
    account = Arn.parse(arn).account
    return (account, f"arn:aws:iam::{account}:root")


def _filled(pattern: str, context: Context) -> str:
    """The pattern with its policy variables (``${aws:username}``) filled in; an unknown one matches nothing."""

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("*", "?", "$"):
            return name
        value = context.get(name.lower())
        return value if isinstance(value, str) else "\0"

    return re.sub(r"\$\{([^}]*)\}", fill, pattern)


def _conditions_hold(conditions: Document, context: Context, *, unknown: bool) -> bool:
    """Return whether all conditions hold. ``unknown``: the answer for an unknown operator, which must allow no call."""
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            holds = _holds(operator, context.get(key.lower()), [_text(item) for item in _listed(wanted)], context)
            if not (unknown if holds is None else holds):
                return False
    return True


def _holds(operator: str, actual: str | list[str] | None, wanted: list[str], context: Context) -> bool | None:
    quantifier, _, name = operator.rpartition(":")
    is_optional = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    if name == "Null":
        return any((item.lower() == "true") == (actual is None) for item in wanted)
    known = _OPERATORS.get(name)
    if known is None or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        return None
    compare, is_negated = known
    if actual is None:
        return is_optional or is_negated or quantifier == "ForAllValues"
    wanted = [_filled(item, context) for item in wanted]

    def passes(value: str) -> bool:
        return any(compare(item, value) for item in wanted) != is_negated

    values = actual if isinstance(actual, list) else [actual]
    if quantifier == "ForAllValues" or (is_negated and quantifier == ""):
        return all(passes(value) for value in values)
    return any(passes(value) for value in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arn_like(pattern: str, value: str) -> bool:
    """Each of the six parts of an ARN is compared by itself, so that ``*`` does not cross a colon before the last."""
    patterns, parts = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(parts) and all(map(matches, patterns, parts))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(wanted: str, actual: str) -> bool:
        try:
            return compare(float(actual), float(wanted))
        except ValueError:
            return False

    return compared


def _date(compare: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    """Compare times in ISO 8601 or in seconds since 1970; what is no time fits nothing."""

    def compared(wanted: str, actual: str) -> bool:
        try:
            return compare(_time(actual), _time(wanted))
        except ValueError:
            return False

    return compared


def _time(text: str) -> datetime:
    time = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


#: Operator -> (does the wanted value fit the actual one, is the operator a negation).
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda wanted, actual: wanted == actual, False),
    "StringNotEquals": (lambda wanted, actual: wanted == actual, True),
    "StringEqualsIgnoreCase": (lambda wanted, actual: wanted.lower() == actual.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda wanted, actual: wanted.lower() == actual.lower(), True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (lambda wanted, actual: wanted.lower() == actual.lower(), False),
    "NumericEquals": (_number(lambda actual, wanted: actual == wanted), False),
    "NumericLessThan": (_number(lambda actual, wanted: actual < wanted), False),
    "NumericLessThanEquals": (_number(lambda actual, wanted: actual <= wanted), False),
    "NumericGreaterThan": (_number(lambda actual, wanted: actual > wanted), False),
    "NumericGreaterThanEquals": (_number(lambda actual, wanted: actual >= wanted), False),
    "DateEquals": (_date(lambda actual, wanted: actual == wanted), False),
    "DateNotEquals": (_date(lambda actual, wanted: actual == wanted), True),
    "DateLessThan": (_date(lambda actual, wanted: actual < wanted), False),
    "DateLessThanEquals": (_date(lambda actual, wanted: actual <= wanted), False),
    "DateGreaterThan": (_date(lambda actual, wanted: actual > wanted), False),
    "DateGreaterThanEquals": (_date(lambda actual, wanted: actual >= wanted), False),
}
