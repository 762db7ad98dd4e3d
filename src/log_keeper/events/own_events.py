"""Log Keeper's own events: what its schedules and its sweep put on StageQueue. Pure."""

from __future__ import annotations

from log_keeper.events.hints import (
    MissingLogGroup,
)
from log_keeper.stages import StageRef

#: Our own events, put on the queue by a schedule when an opt-in ends, and by the sweep.
STAGE_TO_EVALUATE = "Stage To Evaluate"

LOG_ROLE_TO_EVALUATE = "Log Role To Evaluate"


def stage_to_evaluate(ref: StageRef, missing: MissingLogGroup | None = None) -> dict[str, object]:
    """The event that brings a stage up again; ``read_event`` reads it."""
    detail: dict[str, object] = {"version": ref.version, "apiId": ref.api_id, "stageName": ref.stage_name}
    if missing is not None:
        detail["missingLogGroup"] = {
            "name": missing.name,
            "since": missing.since.isoformat(),
            "attempt": missing.attempt,
        }
    return _our_event(STAGE_TO_EVALUATE, ref.account, ref.region, detail)


def log_role_to_evaluate(account: str, region: str) -> dict[str, object]:
    """The event that brings a region's log role up again; ``read_event`` reads it."""
    return _our_event(LOG_ROLE_TO_EVALUATE, account, region, {})


def _our_event(detail_type: str, account: str, region: str, detail: dict[str, object]) -> dict[str, object]:
    return {"source": "log-keeper", "detail-type": detail_type, "account": account, "region": region, "detail": detail}
