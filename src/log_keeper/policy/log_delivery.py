"""Whether log delivery, which writes the access logs of HTTP APIs, may write to a log group. Pure.

A resource policy of CloudWatch Logs lets ``delivery.logs.amazonaws.com`` write to a group: the group's own policy,
which is deleted with the group, or one of the account's. API Gateway adds the permission when access logs of an HTTP
API are switched on, and does not check it later.
*Source:* radkawar/stackd, testdata/aws/apigateway/http_log_settings.json (what API Gateway adds), docs/logs.md (which
policies decide, and that a deny in either wins).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

#: The policy of the account to which API Gateway added log groups until 2026; what stands in it is in use.
ACCOUNT_POLICY = "AWSLogDeliveryWrite20150319"

_SERVICE = "delivery.logs.amazonaws.com"
_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
_SID = "AWSLogDeliveryWrite"


class DeliveryPermission(StrEnum):
    """What resource policies say about log delivery to a log group."""

    ALLOWED = "allowed"
    MISSING = "missing"
    #: By an explicit statement, which somebody must have meant.
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What is known of log delivery to a log group.

    ``document``, ``revision``: the group's own resource policy; None if it has none.
    """

    log_group_arn: str
    permission: DeliveryPermission
    document: str | None = None
    revision: str | None = None


def may_deliver(documents: Iterable[str], log_group_arn: str) -> DeliveryPermission:
    """Return what the resource policies say together about log delivery to the log group.

    ``documents``: JSON. ``log_group_arn``: without ``:*``.
    A condition that cannot be evaluated here is the owner's business: such a statement counts as an allow where it
    allows, and is left out where it denies. What is no policy document says nothing.
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
    """Return a resource policy of the log group that allows log delivery, and says besides what ``document`` says.

    The statement is the one that API Gateway adds. Raises ValueError if the document is no policy.
    """
    policy = {"Version": "2012-10-17"} if document is None else json.loads(document)
    if not isinstance(policy, dict):
        raise ValueError("the resource policy of the log group is no JSON object")  # noqa: TRY004 - as json.loads does
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


@lru_cache(maxsize=32)  # a sweep asks the same policies of the account about each log group
def _parsed(document: str) -> Mapping[str, Any]:
    try:
        policy = json.loads(document)
    except (RecursionError, ValueError):
        return {}
    return policy if isinstance(policy, dict) else {}


def _statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [statement for statement in _listed(policy.get("Statement")) if isinstance(statement, dict)]


def _listed(value: object) -> list[Any]:
    """Return the members of a list, or the value that stands for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _place(log_group_arn: str) -> tuple[str, str, str]:
    _, partition, _, region, account, *_ = log_group_arn.split(":")
    return partition, region, account


def _applies(statement: Mapping[str, Any], action: str, log_group_arn: str, *, if_unknown: bool) -> bool:
    """Return whether the statement is about this action of log delivery on any stream of the group.

    ``if_unknown``: what a condition counts as that cannot be evaluated.
    """
    # Of all streams: the pattern of a statement about one stream does not match the star.
    stream = f"{log_group_arn}:log-stream:*"
    return (
        _is_about(statement, "Principal", _names_service)
        and _is_about(statement, "Action", lambda patterns: _names_action(patterns, action))
        and _is_about(statement, "Resource", lambda patterns: _matches_any(patterns, stream))
        and _conditions_hold(statement.get("Condition"), log_group_arn, if_unknown=if_unknown)
    )


def _is_about(statement: Mapping[str, Any], element: str, is_named: Callable[[object], bool]) -> bool:
    """Return whether the element names what is asked for, or its negation (``NotAction``) does not."""
    if element in statement:
        return is_named(statement[element])
    negation = f"Not{element}"
    return negation in statement and not is_named(statement[negation])


def _names_service(principal: object) -> bool:
    if isinstance(principal, dict):
        return any(name in ("*", _SERVICE) for name in _listed(principal.get("Service")))
    return principal == "*"


def _names_action(patterns: object, action: str) -> bool:
    """Return whether one of the patterns names the action: without regard to case, as IAM compares actions."""
    return _matches_any([str(pattern).lower() for pattern in _listed(patterns)], action.lower())


def _matches_any(patterns: object, value: str) -> bool:
    return any(isinstance(pattern, str) and _matches(pattern, value) for pattern in _listed(patterns))


def _matches(pattern: str, value: str) -> bool:
    """Return whether the value fits the pattern, in which ``*`` is any text and ``?`` any character.

    The time it takes grows with the product of the lengths: no pattern of an owner can stop an evaluation.
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
    """Return whether one condition holds for log delivery to the group; None if that cannot be told."""
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
    """Return whether one of the patterns stands for each ARN that log delivery may name as its source.

    Which ARN that is, is not documented: one of CloudWatch Logs in the group's region and account. None if some such
    ARN may match; False if none does. A delivery source belongs to the other kind of log delivery, which HTTP APIs do
    not use.
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
