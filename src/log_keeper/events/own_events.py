"""Log Keeper's own events, which its schedules and its sweep put on StageQueue: written and read here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from log_keeper.events.hints import (
    Hint,
    Ignored,
    IgnoreReason,
    LogRoleNamed,
    MissingLogGroup,
    StageNamed,
    UnreadableEventError,
)
from log_keeper.events.stage_arns import decoded, stage_or_error
from log_keeper.stages import StageRef

STAGE_TO_EVALUATE = "Stage To Evaluate"
LOG_ROLE_TO_EVALUATE = "Log Role To Evaluate"
OWN_DETAIL_TYPES = frozenset({STAGE_TO_EVALUATE, LOG_ROLE_TO_EVALUATE})


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
    name = decoded(detail.get("stageName"))
    ref = stage_or_error(account, region, detail.get("version"), detail.get("apiId"), name)
    return StageNamed(ref, missing=_missing(detail.get("missingLogGroup")))


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
