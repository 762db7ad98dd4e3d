"""What an incoming event is about, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from log_keeper.stages import StageRef


class IgnoreReason(StrEnum):
    """Why an event is ignored."""

    UNKNOWN_EVENT = "unknown event"
    NO_STAGE = "names no stage"
    FAILED_CALL = "failed call"
    OWN_CALL = "own call"
    OTHER_REGION = "region is not managed"
    ACCOUNT_LEFT = "account is not governed any longer"


class MissingLogGroup(NamedTuple):
    """An access log destination that was found missing at ``since``. ``attempt``: the number of checks after the first.

    ``name``: of the log group.
    """

    name: str
    since: datetime
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class StageNamed:
    """The event is about this stage.

    ``tags_changed``: the event may be about the tag that ends an opt-in.
    ``deleted_log_group``: the name of a log group that was deleted; the stage may log to it.
    ``blocking_log_group``: the name of a log group that a deployment could not create, because it exists.
    ``missing``: the message asks to check again whether the access log destination is missing.
    ``is_about_delivery``: a delivery of the stage's execution logs was created, changed or deleted.
    ``is_about_filter``: a subscription filter of a log group was changed or deleted.
    """

    ref: StageRef
    tags_changed: bool = False
    deleted_log_group: str | None = None
    blocking_log_group: str | None = None
    missing: MissingLogGroup | None = None
    is_about_delivery: bool = False
    is_about_filter: bool = False

    @property
    def is_about_log_group(self) -> bool:
        """Return whether the stage was derived from the name of a log group."""
        return self.is_about_filter or self.deleted_log_group is not None or self.blocking_log_group is not None


@dataclass(frozen=True, slots=True)
class StagesTagged:
    """The Resource Groups Tagging API, which Tag Editor uses, changed tags of these stages: at most 20 in one call."""

    refs: tuple[StageRef, ...]


@dataclass(frozen=True, slots=True)
class ApiStagesNamed:
    """A sweep has found that these stages of one API require changes. There is at least one."""

    refs: tuple[StageRef, ...]


@dataclass(frozen=True, slots=True)
class ApiNamed:
    """The event is about an HTTP or WebSocket API that may have been created with stages that no event names."""

    region: str
    api_id: str


@dataclass(frozen=True, slots=True)
class LogRoleNamed:
    """The event is about the account's CloudWatch log role in these regions."""

    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeliveryNamed:
    """The event is about a log delivery of any service. Only the region's lists say which stages it concerns.

    ``source``: the name of the delivery's source. ``destination``: the name of a destination of deliveries.
    Both None: a delivery was deleted.
    """

    region: str
    source: str | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event is about no stage and no log role that Log Keeper manages."""

    reason: IgnoreReason
    event_name: str


type Hint = StageNamed | StagesTagged | ApiStagesNamed | ApiNamed | DeliveryNamed | LogRoleNamed | Ignored


class Cause(NamedTuple):
    """The event that led to an evaluation. ``event_id``: CloudTrail's; None for Log Keeper's own events.

    ``happened``: when, to the second, as CloudTrail records it; None if the event does not say.
    """

    event_name: str
    event_id: str | None
    happened: datetime | None

    def seconds_until(self, now: datetime) -> float | None:
        """Return the seconds between the event and *now*; None if the event has no time."""
        return None if self.happened is None else (now - self.happened).total_seconds()

    def to_dict(self) -> dict[str, str | None]:
        """Return the cause as log lines and events show it."""
        return {"eventName": self.event_name, "eventId": self.event_id}


class UnreadableEventError(ValueError):
    """A message that EventBridge cannot have sent. It belongs in the dead-letter queue, where a person can read it."""
