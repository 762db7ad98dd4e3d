"""One-time schedules of EventBridge Scheduler, which delete themselves after they have run.

One asks for an evaluation of a stage when its opt-in to INFO ends, another when a missing access log destination has
been missing for long enough.
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
from log_keeper.settings import Deployment
from log_keeper.stages import StageRef

if TYPE_CHECKING:
    from mypy_boto3_scheduler.client import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import CreateScheduleInputTypeDef


class Schedules:
    """The one-time schedules of one deployment. Each method raises ClientError."""

    def __init__(self, client: EventBridgeSchedulerClient, deployment: Deployment) -> None:
        self._client = client
        self._deployment = deployment
        self._group = deployment.schedules.group

    def set_end_of_opt_in(self, ref: StageRef, until: datetime) -> None:
        """Make sure that one schedule asks for an evaluation of the stage at ``until``, in whole seconds."""
        description = f"Ends execution logs at INFO for {ref.api_id}/{ref.stage_name} in {ref.region}"
        wanted = self._schedule(self._name(ref), until, stage_to_evaluate(ref), description)
        try:
            found = self._client.get_schedule(Name=wanted["Name"], GroupName=self._group).get("ScheduleExpression")
            if found != wanted["ScheduleExpression"]:
                self._client.update_schedule(**wanted)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            self._client.create_schedule(**wanted)

    def remove_end_of_opt_in(self, ref: StageRef) -> None:
        """Delete the schedule that ends the stage's opt-in, if there is one."""
        try:
            self._client.delete_schedule(Name=self._name(ref), GroupName=self._group)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise

    def set_check(self, ref: StageRef, missing: MissingLogGroup, at: datetime, now: datetime) -> None:
        """Make sure that a missing log group is checked again at ``at``, or earlier if such a check is scheduled."""
        name = self._name(ref, f"missing log group {missing.attempt}")
        description = f"Checks whether {ref.api_id}/{ref.stage_name} in {ref.region} still logs to a missing log group"
        wanted = self._schedule(name, at, stage_to_evaluate(ref, missing), description)
        try:
            self._client.create_schedule(**wanted)
        except ClientError as error:
            if error_code(error) != "ConflictException":
                raise
            found = self._client.get_schedule(Name=name, GroupName=self._group).get("ScheduleExpression", "")
            # A schedule that has run can exist for a while before it deletes itself.
            if found <= _expression(now):
                self._client.update_schedule(**wanted)

    def _schedule(
        self, name: str, at: datetime, event: dict[str, object], description: str
    ) -> CreateScheduleInputTypeDef:
        return {
            "Name": name,
            "GroupName": self._group,
            "ScheduleExpression": _expression(at),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": description,
            "Target": {
                "Arn": self._deployment.queues.stage_queue_arn,
                "RoleArn": self._deployment.schedules.role_arn,
                "Input": json.dumps(event),
            },
        }

    def _name(self, ref: StageRef, *purpose: str) -> str:
        """Return a name of at most 64 characters for one stage and purpose. A stage's own name can be longer."""
        parts = (ref.region, ref.version, ref.api_id, ref.stage_name, *purpose)
        if self._deployment.is_member:
            parts = (ref.account, *parts)
        digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
        return f"{ref.api_id[:23]}-{digest[:40]}"


def _expression(moment: datetime) -> str:
    """Return the schedule expression of a moment, in whole seconds of UTC. Earlier moments sort before later ones."""
    return f"at({moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"
