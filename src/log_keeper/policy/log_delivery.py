"""Whether log delivery, which writes the access logs of HTTP APIs, is allowed to write to a log group. Pure.

A resource policy of CloudWatch Logs lets ``delivery.logs.amazonaws.com`` write to a group: the group's own policy,
which is deleted with the group, or a policy of the account. API Gateway adds the permission when access logs of an HTTP
API are switched on, and does not check it later.
*Source:* radkawar/stackd, testdata/aws/apigateway/http_log_settings.json (what API Gateway adds), docs/logs.md (which
policies decide, and that a deny in either wins).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

#: The policy of the account to which API Gateway added log groups until 2026. Its statements are still in use.
ACCOUNT_POLICY = "AWSLogDeliveryWrite20150319"

_SERVICE = "delivery.logs.amazonaws.com"
_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
_SID = "AWSLogDeliveryWrite"


class DeliveryPermission(StrEnum):
    """What resource policies say about log delivery to a log group."""

    ALLOWED = "allowed"
    MISSING = "missing"
    #: By an explicit statement, which is taken for a decision of the owner.
    DENIED = "denied"


class DeliveryFacts(NamedTuple):
    """What was read about log delivery to a log group.

    ``document``, ``revision``: the group's own resource policy; None if it has none.
    """

    log_group_arn: str
    permission: DeliveryPermission
    document: str | None = None
    revision: str | None = None


def may_deliver(documents: Iterable[str], log_group_arn: str) -> DeliveryPermission:
    """Return what the resource policies say together about log delivery to the log group.

    ``documents``: JSON. ``log_group_arn``: without ``:*``.
    A condition that cannot be evaluated here is left to the owner: a statement that allows counts as if the condition
    held, and a statement that denies is ignored. A text that is not a policy document is ignored too.
    """
    statements = [statement for document in documents for statement in _statements(_parsed(document))]
    denied = [each for each in statements if each.get("Effect") == "Deny"]
    allowed = [each for each in statements if each.get("Effect") == "Allow"]
    if any(_applies(each, action, log_group_arn, if_unknown=False) for each in denied for action in _ACTIONS):
        return DeliveryPermission.DENIED
    if all(any(_applies(each, action, log_group_arn, if_unknown=True) for each in allowed) for action in _ACTIONS):
        return DeliveryPermission.ALLOWED
    return DeliveryPermission.MISSING


def with_delivery(document: str | None, log_group_arn: str) -> str:
    """Return a resource policy of the log group with the statements of ``document`` and one that allows log delivery.

    The statement is the one that API Gateway adds. Raises ValueError if the document is not a policy.
    """
    policy = {"Version": "2012-10-17"} if document is None else json.loads(document)
    if not isinstance(policy, dict):
        raise ValueError("the resource policy of the log group is not a JSON object: correct it or delete it")  # noqa: TRY004 - as json.loads does
    statements = _statements(policy)
    taken = [statement.get("Sid") for statement in statements]
    number = next(number for number in range(1, len(taken) + 2) if f"{_SID}{number}" not in taken)
    partition, region, account = _place(log_group_arn)
    added = {
        "Sid": f"{_SID}{number}",
        "Effect": "Allow",
        "Principal": {"Service": _SERVICE},
        "Action": list(_ACTIONS),
        "Resource": f"{log_group_arn}:log-stream:*",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account},
            "ArnLike": {"aws:SourceArn": f"arn:{partition}:logs:{region}:{account}:*"},
        },
    }
    return json.dumps({**policy, "Statement": [*statements, added]}, separators=(",", ":"))


@lru_cache(maxsize=32)  # a sweep evaluates the same policies of the account for each log group
def _parsed(document: str) -> Mapping[str, Any]:
    try:
        policy = json.loads(document)
    except (RecursionError, ValueError):
        return {}
    return policy if isinstance(policy, dict) else {}


def _statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [statement for statement in _listed(policy.get("Statement")) if isinstance(statement, dict)]


def _listed(value: object) -> list[Any]:
    """Return the members of a list; a value that is not a list counts as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _place(log_group_arn: str) -> tuple[str, str, str]:
    _, partition, _, region, account, *_ = log_group_arn.split(":")
    return partition, region, account


def _applies(statement: Mapping[str, Any], action: str, log_group_arn: str, *, if_unknown: bool) -> bool:
    """Return whether the statement is about this action of log delivery on any stream of the group.

    ``if_unknown``: the result of a condition that cannot be evaluated here.
    """
    # The star means all streams: a statement about one stream does not match it.
    stream = f"{log_group_arn}:log-stream:*"
    return (
        _is_about(statement, "Principal", _names_service)
        and _is_about(statement, "Action", lambda patterns: _names_action(patterns, action))
        and _is_about(statement, "Resource", lambda patterns: _matches_any(patterns, stream))
        and _conditions_hold(statement.get("Condition"), log_group_arn, if_unknown=if_unknown)
    )


def _is_about(statement: Mapping[str, Any], element: str, is_named: Callable[[object], bool]) -> bool:
    """Return whether the element matches; or, if the statement has its negation (``NotAction``), not."""
    if element in statement:
        return is_named(statement[element])
    negation = f"Not{element}"
    return negation in statement and not is_named(statement[negation])


def _names_service(principal: object) -> bool:
    if isinstance(principal, dict):
        return any(name in ("*", _SERVICE) for name in _listed(principal.get("Service")))
    return principal == "*"


def _names_action(patterns: object, action: str) -> bool:
    """Return whether one of the patterns matches the action. IAM ignores the case of actions."""
    return _matches_any([str(pattern).lower() for pattern in _listed(patterns)], action.lower())


def _matches_any(patterns: object, value: str) -> bool:
    return any(isinstance(pattern, str) and _matches(pattern, value) for pattern in _listed(patterns))


def _matches(pattern: str, value: str) -> bool:
    """Return whether the value matches the pattern, in which ``*`` is any text and ``?`` any character.

    The time grows with the product of the lengths, so no pattern of an owner can stop an evaluation.
    """
    at, star, resumed = 0, -1, 0
    position = 0
    while position < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, resumed = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", value[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            resumed += 1
            at, position = star + 1, resumed
        else:
            return False
    return not pattern[at:].strip("*")


def _conditions_hold(conditions: object, log_group_arn: str, *, if_unknown: bool) -> bool:
    if conditions is None:
        return True
    if not isinstance(conditions, dict):
        return if_unknown
    for operator, keys in conditions.items():
        if not isinstance(keys, dict):
            return if_unknown
        for key, wanted in keys.items():
            holds = _holds(operator, key.lower(), wanted, log_group_arn)
            if not (if_unknown if holds is None else holds):
                return False
    return True


def _holds(operator: str, key: str, wanted: object, log_group_arn: str) -> bool | None:
    """Return whether one condition holds for log delivery to the group; None if it cannot be evaluated here."""
    name = operator.removeprefix("ForAnyValue:").removesuffix("IfExists")
    is_negated = "Not" in name
    name = name.replace("Not", "")
    if name not in ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"):
        return None
    patterns = [pattern for pattern in _listed(wanted) if isinstance(pattern, str)]
    _, _, account = _place(log_group_arn)
    if any("${" in pattern for pattern in patterns):
        return None
    if key == "aws:sourceaccount":
        found: bool | None = account in patterns or (name.endswith("Like") and _matches_any(patterns, account))
    elif key == "aws:sourcearn":
        found = _is_source(patterns, name, log_group_arn)
    else:
        return None
    return None if found is None else found != is_negated


def _is_source(patterns: list[str], operator: str, log_group_arn: str) -> bool | None:
    """Return True if a pattern matches every ARN that log delivery can have as its source, and False if none does.

    Return None if a pattern matches some of them: which ARN log delivery has is not documented, only that it is an ARN
    of CloudWatch Logs in the group's region and account. ARNs of delivery sources are not among them: they belong to
    another type of log delivery, which HTTP APIs do not use.
    """
    if operator.startswith("StringEquals"):
        return None
    partition, region, account = _place(log_group_arn)
    place = f"arn:{partition}:logs:{region}:{account}"
    may_match = False
    for pattern in patterns:
        if operator.endswith("Like") and pattern.endswith("*") and _matches(pattern, f"{place}:*"):
            return True
        *start, resource = pattern.split(":", 5)
        may_match |= _matches(":".join(start), place) and not resource.startswith("delivery-source:")
    return None if may_match else False
