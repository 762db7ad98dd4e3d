"""One-time schedules of EventBridge Scheduler, which delete themselves.

One brings a stage up again when its opt-in to INFO ends, another when a missing destination of its access logs has been
missing for long enough.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.events.hints import MissingLogGroup
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.settings import Settings
from log_keeper.stages import StageRef

if TYPE_CHECKING:
    from mypy_boto3_scheduler.client import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import CreateScheduleInputTypeDef


def ensure_schedule(client: EventBridgeSchedulerClient, settings: Settings, ref: StageRef, until: datetime) -> bool:
    """One schedule puts the stage on the queue at ``until``, and then deletes itself; True if it was set just now.

    ``until``: in whole seconds, which is what schedules know. Raises ClientError.
    """
    name, group = _name(ref), settings.schedule_group
    description = f"Ends execution logs at INFO for {ref.api_id}/{ref.stage_name} in {ref.region}"
    wanted = _schedule(settings, name, until, stage_to_evaluate(ref), description)
    try:
        found = client.get_schedule(Name=name, GroupName=group).get("ScheduleExpression")
        if found == wanted["ScheduleExpression"]:
            return False
        client.update_schedule(**wanted)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        client.create_schedule(**wanted)
    return True


def ensure_check(
    client: EventBridgeSchedulerClient,
    settings: Settings,
    ref: StageRef,
    missing: MissingLogGroup,
    at: datetime,
    now: datetime,
) -> None:
    """Make sure that a missing log group is checked again at ``at``, or earlier if such a check is planned already.

    Raises ClientError.
    """
    name = _name(ref, f"missing log group {missing.attempt}")
    description = f"Checks whether {ref.api_id}/{ref.stage_name} in {ref.region} still logs to a missing log group"
    wanted = _schedule(settings, name, at, stage_to_evaluate(ref, missing), description)
    try:
        client.create_schedule(**wanted)
    except ClientError as error:
        if error_code(error) != "ConflictException":
            raise
        found = client.get_schedule(Name=name, GroupName=settings.schedule_group).get("ScheduleExpression", "")
        # One that has fired may be there for a while before it deletes itself.
        if found <= _at(now):
            client.update_schedule(**wanted)


def _at(moment: datetime) -> str:
    """Return the schedule expression of a moment, in whole seconds UTC. Of two, the earlier sorts first."""
    return f"at({moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"


def _schedule(
    settings: Settings, name: str, at: datetime, event: dict[str, object], description: str
) -> CreateScheduleInputTypeDef:
    return {
        "Name": name,
        "GroupName": settings.schedule_group,
        "ScheduleExpression": _at(at),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": description,
        "Target": {
            "Arn": settings.stage_queue_arn,
            "RoleArn": settings.schedule_role_arn,
            "Input": json.dumps(event),
        },
    }


def remove_schedule(client: EventBridgeSchedulerClient, settings: Settings, ref: StageRef) -> None:
    """No schedule is left for the stage."""
    try:
        client.delete_schedule(Name=_name(ref), GroupName=settings.schedule_group)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise


def _name(ref: StageRef, *purpose: str) -> str:
    """A name of at most 64 characters that no other stage and purpose has; a stage's own name may be longer."""
    parts = (ref.region, ref.version, ref.api_id, ref.stage_name, *purpose)
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return f"{ref.api_id[:23]}-{digest[:40]}"
