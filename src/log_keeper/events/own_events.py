"""Log Keeper's own events: what its schedules and its sweep put on StageQueue. Pure."""

from __future__ import annotations

from log_keeper.events.hints import (
    MissingLogGroup,
)
from log_keeper.stages import StageRef

#: Our own events, put on the queue by a schedule when an opt-in ends, and by the sweep.
STAGE_TO_LOOK_AT = "Stage To Look At"

LOG_ROLE_TO_LOOK_AT = "Log Role To Look At"


def stage_to_look_at(ref: StageRef, missing: MissingLogGroup | None = None) -> dict[str, object]:
    """The event that brings a stage up again; ``read_event`` reads it."""
    detail: dict[str, object] = {"version": ref.version, "apiId": ref.api_id, "stageName": ref.stage_name}
    if missing is not None:
        detail["missingLogGroup"] = {
            "name": missing.name,
            "since": missing.since.isoformat(),
            "attempt": missing.attempt,
        }
    return _our_event(STAGE_TO_LOOK_AT, ref.account, ref.region, detail)


def log_role_to_look_at(account: str, region: str) -> dict[str, object]:
    """The event that brings a region's log role up again; ``read_event`` reads it."""
    return _our_event(LOG_ROLE_TO_LOOK_AT, account, region, {})


def _our_event(detail_type: str, account: str, region: str, detail: dict[str, object]) -> dict[str, object]:
    return {"source": "log-keeper", "detail-type": detail_type, "account": account, "region": region, "detail": detail}
