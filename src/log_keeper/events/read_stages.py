"""Stages as a sweep has read them, in its own messages: written and read here. Pure.

They spare the Enforce function a second read. It uses them only if SQS says that the sweep has sent the message, and
only for a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage, StageRef

#: All settings of each route that has its own, as API Gateway returned them.
type Routes = Mapping[str, Mapping[str, Any]]


class ReadStage(NamedTuple):
    """A stage as it was read. ``routes``: empty for a REST API."""

    stage: Stage
    routes: Routes


class StagesAtMoment(NamedTuple):
    """Stages of one API, all read at the same moment."""

    moment: datetime
    stages: tuple[ReadStage, ...]


def to_detail(read: Iterable[ReadStage], moment: datetime) -> dict[str, object]:
    """Return the stages as a part of the event that ``from_detail`` reads. It has no stage variables."""
    return {"at": moment.isoformat(), "stages": [_to_dict(*each) for each in read]}


def from_detail(detail: Mapping[str, Any], refs: Sequence[StageRef]) -> StagesAtMoment | None:
    """Return the stages that the event contains; None if it has none, or another version of the program wrote it.

    ``refs``: of the stages that the event names.
    """
    try:
        read = detail["read"]
        moment = datetime.fromisoformat(read["at"])
        stages = tuple(_from_dict(ref, found) for ref, found in zip(refs, read["stages"], strict=True))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return None if moment.tzinfo is None else StagesAtMoment(moment, stages)


def _to_dict(stage: Stage, routes: Routes) -> dict[str, object]:
    return {
        "protocol": stage.protocol,
        "tags": dict(stage.tags),
        "accessLog": list(stage.access_log[:2]),
        "settings": list(stage.settings),
        "overrides": {key: list(settings) for key, settings in stage.overrides.items()},
        "hasCanary": stage.has_canary,
        "isManaged": stage.is_managed,
        "apiName": stage.api_name,
        "routes": routes,
    }


def _from_dict(ref: StageRef, found: Mapping[str, Any]) -> ReadStage:
    destination_arn, log_format = found["accessLog"]
    stage = Stage(
        ref=ref,
        protocol=Protocol(found["protocol"]),
        tags=found["tags"],
        access_log=AccessLogSettings(destination_arn, log_format),
        settings=_settings(found["settings"]),
        overrides={key: _settings(settings) for key, settings in found["overrides"].items()},
        has_canary=found["hasCanary"],
        is_managed=found["isManaged"],
        api_name=found["apiName"],
    )
    return ReadStage(stage, found["routes"])


def _settings(values: Sequence[Any]) -> MethodSettings:
    level, data_trace, detailed_metrics = values
    return MethodSettings(LoggingLevel(level), data_trace, detailed_metrics)
