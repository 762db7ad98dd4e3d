"""Log Keeper's own events, which its schedules and its sweep put on StageQueue: written and read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from log_keeper.events.hints import (
    ApiStagesNamed,
    Hint,
    Ignored,
    IgnoreReason,
    LogRoleNamed,
    MissingLogGroup,
    StageNamed,
    UnreadableEventError,
)
from log_keeper.events.read_stages import ReadStage, to_detail
from log_keeper.events.stage_arns import decoded, stage_or_error
from log_keeper.stages import StageRef

STAGE_TO_EVALUATE = "Stage To Evaluate"
API_TO_EVALUATE = "API To Evaluate"
LOG_ROLE_TO_EVALUATE = "Log Role To Evaluate"
OWN_DETAIL_TYPES = frozenset({STAGE_TO_EVALUATE, API_TO_EVALUATE, LOG_ROLE_TO_EVALUATE})
#: The most stages that a message names. API Gateway allows ten in an API, and more on request.
MOST_STAGES = 100


def stage_to_evaluate(ref: StageRef, missing: MissingLogGroup | None = None) -> dict[str, object]:
    """Return the event that asks for an evaluation of the stage."""
    detail: dict[str, object] = {"version": ref.version, "apiId": ref.api_id, "stageName": ref.stage_name}
    if missing is not None:
        detail["missingLogGroup"] = {
            "name": missing.name,
            "since": missing.since.isoformat(),
            "attempt": missing.attempt,
        }
    return _own_event(STAGE_TO_EVALUATE, ref.account, ref.region, detail)


def api_to_evaluate(refs: Sequence[StageRef], read: Sequence[ReadStage], moment: datetime) -> dict[str, object]:
    """Return the event that asks for an evaluation of these stages of one API.

    ``read``: the same stages as they were read at *moment*; none if they are to be read again.

    An earlier version of Log Keeper cannot read the event: its messages end in the dead-letter queue.
    """
    first = refs[0]
    detail: dict[str, object] = {
        "version": first.version,
        "apiId": first.api_id,
        "stageNames": [ref.stage_name for ref in refs],
    }
    if read:
        detail["read"] = to_detail(read, moment)
    return _own_event(API_TO_EVALUATE, first.account, first.region, detail)


def log_role_to_evaluate(account: str, region: str) -> dict[str, object]:
    """Return the event that asks for a check of the region's log role."""
    return _own_event(LOG_ROLE_TO_EVALUATE, account, region, {})


def _own_event(detail_type: str, account: str, region: str, detail: dict[str, object]) -> dict[str, object]:
    return {"source": "log-keeper", "detail-type": detail_type, "account": account, "region": region, "detail": detail}


def read_own_event(
    detail_type: str, detail: Mapping[Any, Any], account: str, region: object, regions: tuple[str, ...]
) -> Hint:
    """Return what one of these events is about. ``detail_type``: of OWN_DETAIL_TYPES. ``regions``: the managed ones.

    Raises UnreadableEventError.
    """
    if not isinstance(region, str):
        raise UnreadableEventError("the event has no region")
    if region not in regions:
        # For example the end of an opt-in in a region that was removed from parameter Regions since.
        return Ignored(IgnoreReason.OTHER_REGION, detail_type)
    if detail_type == LOG_ROLE_TO_EVALUATE:
        return LogRoleNamed((region,))
    if detail_type == API_TO_EVALUATE:
        return _api(detail, account, region)
    name = decoded(detail.get("stageName"))
    ref = stage_or_error(account, region, detail.get("version"), detail.get("apiId"), name)
    return StageNamed(ref, missing=_missing(detail.get("missingLogGroup")))


def _api(detail: Mapping[Any, Any], account: str, region: str) -> ApiStagesNamed:
    names = detail.get("stageNames")
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_STAGES:
        raise UnreadableEventError(f"stageNames is not a list of 1 to {MOST_STAGES} names")
    version, api_id = detail.get("version"), detail.get("apiId")
    return ApiStagesNamed(tuple(stage_or_error(account, region, version, api_id, decoded(name)) for name in names))


def _missing(missing: object) -> MissingLogGroup | None:
    if missing is None:
        return None
    members = missing if isinstance(missing, Mapping) else {}
    name, since, attempt = members.get("name"), members.get("since"), members.get("attempt")
    try:
        moment = datetime.fromisoformat(since)  # type: ignore[arg-type] # a TypeError is handled
    except (TypeError, ValueError) as error:
        raise UnreadableEventError("missingLogGroup.since is not an ISO 8601 time") from error
    if moment.tzinfo is None or not isinstance(name, str) or not isinstance(attempt, int):
        raise UnreadableEventError("missingLogGroup needs a name, a time with its zone, and the number of attempts")
    return MissingLogGroup(name, moment, attempt)
