"""What a CloudTrail record, as EventBridge delivers it, is about. Pure.

A record is a hint: it names a stage or the account's log role, and nothing else of it is believed. API Gateway's REST
calls carry the labels of their path at the top of ``requestParameters`` and their body as ``<eventName>Input``; calls
for HTTP and WebSocket APIs share the names of events and are told apart by ``apiId``.
*Source:* recorded events of CreateDeployment, CreateStage and TagResource; UpdateStage, UntagResource and
UpdateAccount follow the same rules but no recording of them was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from log_keeper.stages import Protocol, StageRef

#: The IAM calls that can take the account's CloudWatch log role away. IAM's records reach us-east-1 only.
LOG_ROLE_EVENTS = frozenset(
    {
        "DeleteRole",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "UpdateAssumeRolePolicy",
    }
)

#: *Source:* recorded TagResource: no account, and nothing percent-encoded.
_STAGE_ARN = re.compile(r"arn:[a-z-]+:apigateway:[a-z0-9-]+::/restapis/([^/]+)/stages/([^/]+)")


class Ignored(StrEnum):
    """Why a record leads to nothing."""

    UNKNOWN_EVENT = "unknown event"
    NO_STAGE = "names no stage"
    FAILED_CALL = "failed call"
    OWN_CALL = "own call"


@dataclass(frozen=True, slots=True)
class StageNamed:
    """The record is about this stage."""

    ref: StageRef


@dataclass(frozen=True, slots=True)
class LogRoleNamed:
    """The record is about the account's CloudWatch log role, as it is set in these regions."""

    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The record is about nothing of ours."""

    why: Ignored
    event_name: str


type Hint = StageNamed | LogRoleNamed | Nothing


class UnreadableEventError(ValueError):
    """Not what EventBridge puts on the queue. It belongs in the dead-letter queue, where somebody can look at it."""


def read_event(event: object, *, account: str, regions: tuple[str, ...], own_role_arn: str) -> Hint:
    """What an EventBridge event with a CloudTrail record in it is about.

    ``account``, ``regions``: the only ones whose events are read. ``own_role_arn``: the calls of this role are
    ignored; the rule leaves them and failed calls out too, but a replayed record does not go through the rule.

    Raises UnreadableEventError for what is no such event, for other accounts and regions, and for names that API
    Gateway cannot have given.
    """
    if not isinstance(event, Mapping) or not isinstance(detail := event.get("detail"), Mapping):
        raise UnreadableEventError("not an event of EventBridge: it has no detail")
    name, source, region = detail.get("eventName"), detail.get("eventSource"), event.get("region")
    if not isinstance(name, str) or not isinstance(source, str):
        raise UnreadableEventError("not a CloudTrail record: it has no eventName or no eventSource")
    if event.get("account") != account:
        raise UnreadableEventError(f"{name} of another account")
    if detail.get("errorCode") is not None:
        return Nothing(Ignored.FAILED_CALL, name)
    if _role_of(detail) == own_role_arn:
        return Nothing(Ignored.OWN_CALL, name)
    if source == "iam.amazonaws.com" and name in LOG_ROLE_EVENTS:
        return LogRoleNamed(regions)
    if source != "apigateway.amazonaws.com" or name not in API_GATEWAY_EVENTS:
        return Nothing(Ignored.UNKNOWN_EVENT, name)
    if region not in regions:
        raise UnreadableEventError(f"{name} in a region that is not looked after")
    if name == "UpdateAccount":
        return LogRoleNamed((region,))
    # CloudTrail leaves the parameters out of a record that grows too large.
    parameters = detail.get("requestParameters")
    api_id, stage_name = _STAGE_OF[name](parameters) if isinstance(parameters, Mapping) else (None, None)
    # A console deployment without a stage says "".
    if not api_id or not stage_name:
        return Nothing(Ignored.NO_STAGE, name)
    try:
        return StageNamed(StageRef(account, region, Protocol.REST, api_id, stage_name))
    except (TypeError, ValueError) as error:
        raise UnreadableEventError(f"{name}: {error}") from error


def _role_of(detail: Mapping[Any, Any]) -> object:
    """The ARN of the role behind the caller's session; None for users, root and services, who have no session."""
    return _dig(detail, "userIdentity", "sessionContext", "sessionIssuer", "arn")


def _dig(value: object, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


type _Names = tuple[Any, Any]


def _labels(parameters: Mapping[Any, Any]) -> _Names:
    return parameters.get("restApiId"), parameters.get("stageName")


def _body(member: str) -> Callable[[Mapping[Any, Any]], _Names]:
    return lambda parameters: (parameters.get("restApiId"), _dig(parameters, member, "stageName"))


def _resource_arn(parameters: Mapping[Any, Any]) -> _Names:
    arn = parameters.get("resourceArn")
    match = _STAGE_ARN.fullmatch(arn) if isinstance(arn, str) else None
    return (match[1], match[2]) if match else (None, None)


_STAGE_OF: Mapping[str, Callable[[Mapping[Any, Any]], _Names]] = {
    "CreateDeployment": _body("createDeploymentInput"),
    "CreateStage": _body("createStageInput"),
    "UpdateStage": _labels,
    "TagResource": _resource_arn,
    "UntagResource": _resource_arn,
}

#: The calls of API Gateway that are read.
API_GATEWAY_EVENTS = frozenset({*_STAGE_OF, "UpdateAccount"})
