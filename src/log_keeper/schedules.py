"""One-time schedules of EventBridge Scheduler: each brings a stage up again when its opt-in to INFO ends."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws import error_code
from log_keeper.cloudtrail import stage_to_look_at
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
    expression = f"at({until.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"
    wanted: CreateScheduleInputTypeDef = {
        "Name": name,
        "GroupName": group,
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": f"Ends execution logs at INFO for {ref.api_id}/{ref.stage_name} in {ref.region}",
        "Target": {
            "Arn": settings.stage_queue_arn,
            "RoleArn": settings.schedule_role_arn,
            "Input": json.dumps(stage_to_look_at(ref)),
        },
    }
    try:
        if client.get_schedule(Name=name, GroupName=group).get("ScheduleExpression") == expression:
            return False
        client.update_schedule(**wanted)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        client.create_schedule(**wanted)
    return True


def remove_schedule(client: EventBridgeSchedulerClient, settings: Settings, ref: StageRef) -> None:
    """No schedule is left for the stage."""
    try:
        client.delete_schedule(Name=_name(ref), GroupName=settings.schedule_group)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise


def _name(ref: StageRef) -> str:
    """A name of at most 64 characters that no other stage has; a stage's own may be longer."""
    digest = hashlib.sha256("/".join((ref.region, ref.version, ref.api_id, ref.stage_name)).encode()).hexdigest()
    return f"{ref.api_id[:23]}-{digest[:40]}"
