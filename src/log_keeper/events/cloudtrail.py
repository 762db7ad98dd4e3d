"""What an event is about: a CloudTrail record as EventBridge delivers it, or one of our own. Pure.

A record is a hint: it names a stage, an API, a log group or the account's log role, and nothing else of it is
believed. The two versions of API Gateway's API share eventSource and the names of events. V1 carries the labels of its
path at the top of ``requestParameters`` and its body as ``<eventName>Input``; V2 mixes both at the top, and writes what
stood in its path percent-encoded (``%24default``).
*Source:* recorded events of CreateDeployment, CreateStage, UpdateStage (V2) and TagResource (V1); the others follow the
same rules, but no recording of them was found. V2's tag calls may name the ARN ``resource-arn`` or ``resourceArn``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from log_keeper.events.delivery_events import DELIVERY_EVENTS, read_delivery_event
from log_keeper.events.hints import (
    ApiNamed,
    Cause,
    Hint,
    Ignored,
    IgnoreReason,
    LogRoleNamed,
    MissingLogGroup,
    StageNamed,
    StagesTagged,
    UnreadableEventError,
)
from log_keeper.events.own_events import LOG_ROLE_TO_EVALUATE, STAGE_TO_EVALUATE
from log_keeper.events.stage_arns import stage_of_arn, tagged_stages
from log_keeper.stages import ApiVersion, StageRef, stage_of_log_group

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

#: The calls of CloudWatch Logs that can take from log delivery the permission to write to a log group.
LOG_GROUP_POLICY_EVENTS = frozenset({"DeleteResourcePolicy", "PutResourcePolicy"})


#: How CloudTrail names a CreateLogGroup of a log group that exists.
_ALREADY_EXISTS = "ResourceAlreadyExistsException"

_EVENT_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_EVENT_ID = re.compile(r"[0-9a-fA-F-]{36}")


def cause_of(event: Mapping[str, Any]) -> Cause:
    """Return which event it was, as far as it says so. Of an event that ``read_event`` has read."""
    kind, detail = event.get("detail-type"), event["detail"]
    if kind in (STAGE_TO_EVALUATE, LOG_ROLE_TO_EVALUATE):
        return Cause(str(kind), None, None)
    event_id = detail.get("eventID")
    try:
        happened = datetime.fromisoformat(detail["eventTime"])
    except (KeyError, TypeError, ValueError):
        happened = None
    is_id = isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id)
    is_moment = happened is not None and happened.tzinfo is not None
    return Cause(detail["eventName"], event_id if is_id else None, happened if is_moment else None)


def read_event(event: object, *, account: str, regions: tuple[str, ...], own_role_arn: str) -> Hint:
    """What an event of EventBridge is about.

    ``account``, ``regions``: the only ones whose events are read. ``own_role_arn``: the calls of this role are
    ignored; the rule leaves them and failed calls out too, but a replayed record does not go through the rule.

    Raises UnreadableEventError for what is no such event, for other accounts and regions, and for names that API
    Gateway cannot have given.
    """
    if not isinstance(event, Mapping) or not isinstance(detail := event.get("detail"), Mapping):
        raise UnreadableEventError("not an event of EventBridge: it has no detail")
    if event.get("account") != account:
        raise UnreadableEventError("an event of another account")
    region = event.get("region")
    match event.get("detail-type"):
        case ("Stage To Evaluate" | "Log Role To Evaluate") as kind if (
            isinstance(region, str) and region not in regions
        ):
            # Such as the end of an opt-in in a region that was dropped since.
            return Ignored(IgnoreReason.OTHER_REGION, kind)
        case "Stage To Evaluate":
            ref = _stage(account, _looked_after(region, regions), (detail.get("version"), *_flat(detail)))
            return StageNamed(ref, missing=_missing(detail))
        case "Log Role To Evaluate":
            return LogRoleNamed((_looked_after(region, regions),))
    name, source = detail.get("eventName"), detail.get("eventSource")
    if not isinstance(name, str) or not isinstance(source, str) or not _EVENT_NAME.fullmatch(name):
        raise UnreadableEventError("not a CloudTrail record: it has no eventName or no eventSource")
    error = detail.get("errorCode")
    # The one failed call that leads to a stage: a deployment may have met a log group that was created here.
    is_blocked = name == "CreateLogGroup" and error == _ALREADY_EXISTS
    if error is not None and not is_blocked:
        return Ignored(IgnoreReason.FAILED_CALL, name)
    if _dig(detail, "userIdentity", "sessionContext", "sessionIssuer", "arn") == own_role_arn:
        return Ignored(IgnoreReason.OWN_CALL, name)
    match source, name:
        case "iam.amazonaws.com", _ if name in LOG_ROLE_EVENTS:
            return LogRoleNamed(regions)
        case "logs.amazonaws.com", _ if name == "DeleteLogGroup" or is_blocked:
            group = str(_dig(detail, "requestParameters", "logGroupName"))
            named = stage_of_log_group(group, account, _looked_after(region, regions))
            if named is None:
                return Ignored(IgnoreReason.NO_STAGE, name)
            if name == "DeleteLogGroup":
                return StageNamed(named, deleted_log_group=group)
            return StageNamed(named, blocking_log_group=group)
        case "logs.amazonaws.com", _ if name in LOG_GROUP_POLICY_EVENTS:
            group = str(_dig(detail, "requestParameters", "resourceArn")).partition(":log-group:")[2]
            named = stage_of_log_group(group.removesuffix(":*"), account, _looked_after(region, regions))
            return Ignored(IgnoreReason.NO_STAGE, name) if named is None else StageNamed(named)
        case "logs.amazonaws.com", _ if name in DELIVERY_EVENTS:
            return read_delivery_event(name, detail.get("requestParameters"), account, _looked_after(region, regions))
        case "apigateway.amazonaws.com", _ if name in API_GATEWAY_EVENTS:
            return _read_api_gateway(name, detail, account, _looked_after(region, regions))
        case "tagging.amazonaws.com", "TagResources" | "UntagResources":
            refs = tuple(tagged_stages(detail, account, _looked_after(region, regions)))
            return StagesTagged(refs) if refs else Ignored(IgnoreReason.NO_STAGE, name)
    return Ignored(IgnoreReason.UNKNOWN_EVENT, name)


def _missing(detail: Mapping[Any, Any]) -> MissingLogGroup | None:
    missing = detail.get("missingLogGroup")
    if missing is None:
        return None
    name, since, attempt = _dig(missing, "name"), _dig(missing, "since"), _dig(missing, "attempt")
    try:
        moment = datetime.fromisoformat(since)
    except (TypeError, ValueError) as error:
        raise UnreadableEventError("missingLogGroup.since is no ISO 8601 time") from error
    if moment.tzinfo is None or not isinstance(name, str) or not isinstance(attempt, int):
        raise UnreadableEventError("missingLogGroup has a name, a time with its zone, and a number of attempts")
    return MissingLogGroup(name, moment, attempt)


def _read_api_gateway(name: str, detail: Mapping[Any, Any], account: str, region: str) -> Hint:
    if name == "UpdateAccount":
        return LogRoleNamed((region,))
    if name in _API_EVENTS:
        api_id = _dig(detail, "responseElements", "apiId")
        if not isinstance(api_id, str):
            return Ignored(IgnoreReason.NO_STAGE, name)
        # Held against the pattern of names before it is used.
        return ApiNamed(region, _stage(account, region, (ApiVersion.V2, api_id, "$default")).api_id)
    # CloudTrail leaves the parameters out of a record that grows too large.
    parameters = detail.get("requestParameters")
    names = _STAGE_EVENTS[name](parameters) if isinstance(parameters, Mapping) else _NO_STAGE
    # A console deployment without a stage says "".
    if not all(names):
        return Ignored(IgnoreReason.NO_STAGE, name)
    return StageNamed(_stage(account, region, names), tags_changed=name in ("TagResource", "UntagResource"))


def _looked_after(region: object, regions: tuple[str, ...]) -> str:
    if not isinstance(region, str) or region not in regions:
        raise UnreadableEventError("an event of a region that is not looked after")
    return region


def _stage(account: str, region: str, names: _Names) -> StageRef:
    version, api_id, stage_name = names
    try:
        return StageRef(account, region, ApiVersion(version), api_id, stage_name)
    except ValueError as error:
        raise UnreadableEventError(str(error)[:200]) from error


def _dig(value: object, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


type _Names = tuple[Any, Any, Any]
_NO_STAGE: _Names = (None, None, None)


def _flat(parameters: Mapping[Any, Any]) -> tuple[Any, Any]:
    """As V2 has them; percent-encoded where they stood in the path, which no name that API Gateway gives can be."""
    api_id, stage_name = parameters.get("apiId"), parameters.get("stageName")
    return api_id, unquote(stage_name) if isinstance(stage_name, str) else stage_name


def _named_by(body: str | None) -> Callable[[Mapping[Any, Any]], _Names]:
    """Reads V2's parameters, or V1's with the stage's name in a member of ``body``; at the top if that is None."""

    def names(parameters: Mapping[Any, Any]) -> _Names:
        if "restApiId" not in parameters:
            return ApiVersion.V2, *_flat(parameters)
        holder = parameters if body is None else parameters.get(body)
        return ApiVersion.V1, parameters["restApiId"], _dig(holder, "stageName")

    return names


def _resource_arn(parameters: Mapping[Any, Any]) -> _Names:
    named = stage_of_arn(parameters.get("resourceArn", parameters.get("resource-arn")))
    return _NO_STAGE if named is None else named[1:]


_STAGE_EVENTS: Mapping[str, Callable[[Mapping[Any, Any]], _Names]] = {
    "CreateDeployment": _named_by("createDeploymentInput"),
    "CreateStage": _named_by("createStageInput"),
    "UpdateStage": _named_by(None),
    "DeleteAccessLogSettings": _named_by(None),
    "DeleteRouteSettings": _named_by(None),
    "TagResource": _resource_arn,
    "UntagResource": _resource_arn,
}
#: A quick-created HTTP API is born with a stage that no other event names.
_API_EVENTS = frozenset({"CreateApi", "ImportApi"})

#: The calls of API Gateway that are read.
API_GATEWAY_EVENTS = frozenset({*_STAGE_EVENTS, *_API_EVENTS, "UpdateAccount"})
