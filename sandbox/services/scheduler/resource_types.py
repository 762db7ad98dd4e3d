"""CloudFormation types of EventBridge Scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sandbox.core.resource_types import (
    Context,
    Properties,
    Simple,
    resource_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class Schedule(Simple):
    name = "AWS::Scheduler::Schedule"
    service, create_call, update_call, delete_call = (
        "scheduler",
        "create_schedule",
        "update_schedule",
        "delete_schedule",
    )
    generated, keys = "Name", ("GroupName",)
    # UpdateSchedule cannot move a schedule to another group.
    also_replaced_by = frozenset({"GroupName"})
    attributes: ClassVar[Mapping[str, str]] = {"Arn": "ScheduleArn"}

    def parameters(self, context: Context, properties: Properties) -> Properties:
        """Wait for a new role: SAM creates one for each schedule, in the same stack."""
        context.settle(properties["Target"]["RoleArn"])
        return super().parameters(context, properties)


@resource_type
class ScheduleGroup(Simple):
    name = "AWS::Scheduler::ScheduleGroup"
    service, create_call, delete_call = "scheduler", "create_schedule_group", "delete_schedule_group"
    generated = "Name"
    attributes: ClassVar[Mapping[str, str]] = {"Arn": "ScheduleGroupArn"}
