"""What an incoming event is about, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from log_keeper.stages import StageRef


class IgnoreReason(StrEnum):
    """Why an event is ignored."""

    UNKNOWN_EVENT = "unknown event"
    NO_STAGE = "names no stage"
    FAILED_CALL = "failed call"
    OWN_CALL = "own call"
    OTHER_REGION = "region is not managed"


@dataclass(frozen=True, slots=True)
class MissingLogGroup:
    """The log group that a stage's access logs go to was found missing at ``since``; ``attempt`` counts the checks."""

    name: str
    since: datetime
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class StageNamed:
    """The event is about this stage.

    ``tags_changed``: and perhaps about when its opt-in ends. ``deleted_log_group``: the name of a log group that was
    deleted; the stage may log to it. ``blocking_log_group``: the name of one that a deployment could not create, since
    it exists. ``missing``: the message checks again whether the access logs' destination is missing.
    ``is_about_delivery``: a delivery of the stage's execution logs was created, changed or deleted.
    """

    ref: StageRef
    tags_changed: bool = False
    deleted_log_group: str | None = None
    blocking_log_group: str | None = None
    missing: MissingLogGroup | None = None
    is_about_delivery: bool = False

    @property
    def is_about_log_group(self) -> bool:
        """Whether the stage was found by the name of a log group."""
        return self.deleted_log_group is not None or self.blocking_log_group is not None


@dataclass(frozen=True, slots=True)
class StagesTagged:
    """The Resource Groups Tagging API, which Tag Editor uses, changed tags of these stages: up to 20 in one call."""

    refs: tuple[StageRef, ...]


@dataclass(frozen=True, slots=True)
class ApiNamed:
    """The event is about an HTTP or WebSocket API, which may have been born with stages that no event names."""

    region: str
    api_id: str


@dataclass(frozen=True, slots=True)
class LogRoleNamed:
    """The event is about the account's CloudWatch log role, as it is set in these regions."""

    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeliveryNamed:
    """The event is about a delivery of logs, of any service: which stages it concerns, only the region's lists tell.

    ``source``: the name of its source. ``destination``: the name of a destination that deliveries may have.
    Neither: a delivery was deleted.
    """

    region: str
    source: str | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event is about no stage and no log role that Log Keeper manages."""

    reason: IgnoreReason
    event_name: str


type Hint = StageNamed | StagesTagged | ApiNamed | DeliveryNamed | LogRoleNamed | Ignored


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that led to an evaluation. ``event_id``: CloudTrail's, None for our own events.

    ``happened``: when, which CloudTrail records to the second; None where the event does not say.
    """

    event_name: str
    event_id: str | None
    happened: datetime | None

    def seconds_until(self, now: datetime) -> float | None:
        """Return the seconds between the event and *now*; None where the event has no time."""
        return None if self.happened is None else (now - self.happened).total_seconds()


class UnreadableEventError(ValueError):
    """Not what EventBridge puts on the queue. It belongs in the dead-letter queue, where somebody can look at it."""
