"""What an event on StageQueue is about: a CloudTrail record as EventBridge delivers it, or one of our own events. Pure.

A record only names a stage, an API, a log group or the account's log role; Log Keeper then reads their state and uses
nothing else of the record. Both versions of API Gateway's API share the eventSource and the names of events. V1 has the
labels of its path at the top of ``requestParameters`` and its body as ``<eventName>Input``. V2 mixes both at the top,
and percent-encodes the names that were in its path (``%24default``).
*Source:* recorded events of CreateDeployment, CreateStage, UpdateStage (V2) and TagResource (V1). The other events
follow the same rules, but no recording of them was found. V2's tag calls may name the ARN ``resource-arn`` or
``resourceArn``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from log_keeper.events.delivery_events import DELIVERY_EVENTS, read_delivery_event
from log_keeper.events.hints import (
    ApiNamed,
    Cause,
    Hint,
    Ignored,
    IgnoreReason,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
    UnreadableEventError,
)
from log_keeper.events.own_events import OWN_DETAIL_TYPES, read_own_event
from log_keeper.events.stage_arns import decoded, stage_of_arn, stage_or_error, tagged_stages
from log_keeper.log_group_names import AccessLogNames
from log_keeper.names import check_name
from log_keeper.stages import ApiVersion

#: The IAM calls that can make the account's CloudWatch log role invalid. IAM's records are in us-east-1 only.
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

#: The calls of CloudWatch Logs that can remove the permission of log delivery to write to a log group.
LOG_GROUP_POLICY_EVENTS = frozenset({"DeleteResourcePolicy", "PutResourcePolicy"})

#: The calls of CloudWatch Logs that can remove or replace a subscription filter of Log Keeper.
FILTER_EVENTS = frozenset({"DeleteSubscriptionFilter", "PutSubscriptionFilter"})

#: The error code in CloudTrail's record of a CreateLogGroup for a log group that exists.
_ALREADY_EXISTS = "ResourceAlreadyExistsException"

_EVENT_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_EVENT_ID = re.compile(r"[0-9a-fA-F-]{36}")


def cause_of(event: Mapping[str, Any]) -> Cause:
    """Return name, id and time of an event that ``read_event`` can read, as far as the event has them."""
    detail_type, detail = event.get("detail-type"), event["detail"]
    if isinstance(detail_type, str) and detail_type in OWN_DETAIL_TYPES:
        return Cause(detail_type, None, None)
    event_id = detail.get("eventID")
    try:
        happened = datetime.fromisoformat(detail["eventTime"])
    except (KeyError, TypeError, ValueError):
        happened = None
    is_id = isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id)
    is_moment = happened is not None and happened.tzinfo is not None
    return Cause(detail["eventName"], event_id if is_id else None, happened if is_moment else None)


def read_event(
    event: object,
    *,
    account: str,
    regions: tuple[str, ...],
    own_role_arn: str,
    names: AccessLogNames = AccessLogNames(),  # noqa: B008 - an immutable value
) -> Hint:
    """Return what an event of EventBridge is about.

    ``account``, ``regions``: events of other accounts and regions are not read. ``own_role_arn``: calls of this role
    are ignored, and so are failed calls. The rules in the template leave both out, but a replayed record does not pass
    the rules. ``names``: of log groups that Log Keeper creates for access logs.

    Raises UnreadableEventError for what is not such an event, for other accounts and regions, and for names that API
    Gateway cannot have given.
    """
    if not isinstance(event, Mapping) or not isinstance(detail := event.get("detail"), Mapping):
        raise UnreadableEventError("not an event of EventBridge: it has no detail")
    if event.get("account") != account:
        raise UnreadableEventError("the event is from another account")
    detail_type = event.get("detail-type")
    if isinstance(detail_type, str) and detail_type in OWN_DETAIL_TYPES:
        return read_own_event(detail_type, detail, account, event.get("region"), regions)
    name, source = detail.get("eventName"), detail.get("eventSource")
    if not isinstance(name, str) or not isinstance(source, str) or not _EVENT_NAME.fullmatch(name):
        raise UnreadableEventError("not a CloudTrail record: it has no eventName or no eventSource")
    error = detail.get("errorCode")
    if error is not None and not _is_blocked_creation(name, error):
        return Ignored(IgnoreReason.FAILED_CALL, name)
    if _dig(detail, "userIdentity", "sessionContext", "sessionIssuer", "arn") == own_role_arn:
        return Ignored(IgnoreReason.OWN_CALL, name)
    return _read_record(_Record(name, source, detail, account, event.get("region"), regions, names))


def _is_blocked_creation(name: str, error: object) -> bool:
    """Return whether the record is of the one failed call that leads to a stage.

    A deployment may have tried to create a log group that Log Keeper created before.
    """
    return name == "CreateLogGroup" and error == _ALREADY_EXISTS


class _Record(NamedTuple):
    """A CloudTrail record. ``regions``: the managed ones; ``any_region``: the record's, whether managed or not."""

    name: str
    source: str
    detail: Mapping[Any, Any]
    account: str
    any_region: object
    regions: tuple[str, ...]
    names: AccessLogNames

    @property
    def region(self) -> str:
        """Return the region of the record. Raises UnreadableEventError if it is not managed."""
        if not isinstance(self.any_region, str) or self.any_region not in self.regions:
            raise UnreadableEventError("the event is from a region that is not managed")
        return self.any_region

    @property
    def nothing(self) -> Ignored:
        """Return what a record is about that names no stage."""
        return Ignored(IgnoreReason.NO_STAGE, self.name)


def _read_record(record: _Record) -> Hint:
    name = record.name
    match record.source:
        case "iam.amazonaws.com" if name in LOG_ROLE_EVENTS:
            return LogRoleNamed(record.regions)
        case "logs.amazonaws.com" if name in ("DeleteLogGroup", "CreateLogGroup"):
            return _read_log_group(record)
        case "logs.amazonaws.com" if name in LOG_GROUP_POLICY_EVENTS:
            group = str(_dig(record.detail, "requestParameters", "resourceArn")).partition(":log-group:")[2]
            # Such a policy matters to HTTP APIs only.
            named = record.names.stage_of(group.removesuffix(":*"), record.account, record.region, ApiVersion.V2)
            return record.nothing if named is None else StageNamed(named)
        case "logs.amazonaws.com" if name in FILTER_EVENTS:
            group = str(_dig(record.detail, "requestParameters", "logGroupName"))
            named = record.names.stage_of(group, record.account, record.region, ApiVersion.V1)
            return record.nothing if named is None else StageNamed(named, is_about_filter=True)
        case "logs.amazonaws.com" if name in DELIVERY_EVENTS:
            return read_delivery_event(name, record.detail.get("requestParameters"), record.account, record.region)
        case "apigateway.amazonaws.com" if name in API_GATEWAY_EVENTS:
            return _read_api_gateway(record)
        case "tagging.amazonaws.com" if name in ("TagResources", "UntagResources"):
            refs = tuple(tagged_stages(record.detail, record.account, record.region))
            return StagesTagged(refs) if refs else record.nothing
    return Ignored(IgnoreReason.UNKNOWN_EVENT, name)


def _read_log_group(record: _Record) -> Hint:
    is_blocked = _is_blocked_creation(record.name, record.detail.get("errorCode"))
    if record.name == "CreateLogGroup" and not is_blocked:
        return Ignored(IgnoreReason.UNKNOWN_EVENT, record.name)
    group = str(_dig(record.detail, "requestParameters", "logGroupName"))
    named = record.names.stage_of(group, record.account, record.region, ApiVersion.V1)
    if named is None:
        return record.nothing
    return StageNamed(named, blocking_log_group=group) if is_blocked else StageNamed(named, deleted_log_group=group)


def _read_api_gateway(record: _Record) -> Hint:
    name, region = record.name, record.region
    if name == "UpdateAccount":
        return LogRoleNamed((region,))
    if name in _API_EVENTS:
        return _read_api(record)
    # CloudTrail leaves the parameters out of a record that becomes too large.
    parameters = record.detail.get("requestParameters")
    names = _STAGE_EVENTS[name](parameters) if isinstance(parameters, Mapping) else None
    # For a deployment without a stage, the console sends "" as the stage's name.
    if names is None or not all(names):
        return record.nothing
    ref = stage_or_error(record.account, region, *names)
    return StageNamed(ref, tags_changed=name in ("TagResource", "UntagResource"))


def _read_api(record: _Record) -> Hint:
    region, api_id = record.region, _dig(record.detail, "responseElements", "apiId")
    if not isinstance(api_id, str):
        return record.nothing
    try:
        return ApiNamed(region, check_name("api_id", api_id))
    except ValueError as error:
        raise UnreadableEventError(str(error)[:200]) from error


def _dig(value: object, *keys: str) -> Any:
    """Return the member at the path of keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


#: Version, API id and stage name, as a record has them: any values.
type _Names = tuple[object, object, object]


def _names_in(body: str | None) -> Callable[[Mapping[Any, Any]], _Names | None]:
    """Return a reader of V2's parameters, and of V1's with the stage's name in ``body`` (None: at the top)."""

    def names(parameters: Mapping[Any, Any]) -> _Names:
        if "restApiId" not in parameters:
            return ApiVersion.V2, parameters.get("apiId"), decoded(parameters.get("stageName"))
        holder = parameters if body is None else parameters.get(body)
        return ApiVersion.V1, parameters["restApiId"], _dig(holder, "stageName")

    return names


def _names_in_arn(parameters: Mapping[Any, Any]) -> _Names | None:
    named = stage_of_arn(parameters.get("resourceArn", parameters.get("resource-arn")))
    return None if named is None else named[1:]


_STAGE_EVENTS: Mapping[str, Callable[[Mapping[Any, Any]], _Names | None]] = {
    "CreateDeployment": _names_in("createDeploymentInput"),
    "CreateStage": _names_in("createStageInput"),
    "UpdateStage": _names_in(None),
    "DeleteAccessLogSettings": _names_in(None),
    "DeleteRouteSettings": _names_in(None),
    "TagResource": _names_in_arn,
    "UntagResource": _names_in_arn,
}
#: A quick-created HTTP API has a stage that no other event names.
_API_EVENTS = frozenset({"CreateApi", "ImportApi"})

#: The calls of API Gateway that are read.
API_GATEWAY_EVENTS = frozenset({*_STAGE_EVENTS, *_API_EVENTS, "UpdateAccount"})
