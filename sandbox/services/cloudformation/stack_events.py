"""Add events about resources, status and failures to a stack's history, and send them to EventBridge."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.core.resource_types import HandlerError, TemplateError, is_not_found
from sandbox.services.eventbridge import event_bus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.core.account import Account
    from sandbox.services.cloudformation.stack_models import Stack
    from sandbox.services.cloudformation.stacks import CloudFormation


class ResourceFailedError(Exception):
    """A resource could not be created, updated or deleted. The text has its name and the reason."""


def put_status(account: Account, stack: Stack) -> None:
    """Send the stack's status to the event bus. A switch decides whether its own rules get the end of its creation."""
    own = {each.physical_id for each in stack.resources.values() if each.type == "AWS::Events::Rule"}
    misses = stack.status == "CREATE_COMPLETE" and not account.behaviour.rules_see_their_stack_created
    event = _status_event(account, stack)
    event_bus.put(account, stack.region, event, missed_by=lambda name: misses and name in own)


def _status_event(account: Account, stack: Stack) -> dict[str, Any]:
    """Return the event that EventBridge receives when the status of a stack changes.

    *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-event-eventbridge.html
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudFormation Stack Status Change",
        "source": "aws.cloudformation",
        "account": stack.account,
        "time": account.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": stack.region,
        "resources": [stack.stack_id],
        "detail": {
            "stack-id": stack.stack_id,
            "status-details": {"status": stack.status, "status-reason": stack.reason or ""},
            "client-request-token": "",
        },
    }


@dataclass(frozen=True, slots=True)
class Reported:
    """Reports an error of a resource's calls as an event, and raises ResourceFailedError."""

    event: Callable[[str], None]
    name: str
    verb: str
    deleting: bool

    def __enter__(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        if isinstance(error, ClientError):
            if self.deleting and is_not_found(error):
                return True
            answer = error.response["Error"]
            service = error.operation_name
            reason = f'Resource handler returned message: "{answer.get("Message")}" ({service}: {answer.get("Code")})'
        elif isinstance(error, (BotoCoreError, TemplateError, HandlerError)):
            reason = str(error)
        elif isinstance(error, KeyError):
            reason = f"Properties validation failed for resource {self.name}: required key {error} not found"
        else:
            return False
        self.event(reason)
        raise ResourceFailedError(f"The following resource(s) failed to {self.verb}: [{self.name}].") from error


def add_event(
    cloudformation: CloudFormation,
    stack: Stack,
    name: str,
    kind: str,
    physical_id: str,
    status: str,
    reason: str | None = None,
    properties: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to the stack's history, at least a millisecond later than the entry before.

    *Source:* LocalStack's recorded ``describe_stack_events``: ids and properties of the resources' events.
    """
    time = cloudformation.account.now()
    if stack.events:
        time = max(time, stack.events[-1]["Timestamp"] + timedelta(milliseconds=1))
    is_stack = physical_id == stack.stack_id
    identity = str(uuid.uuid4()) if is_stack else f"{name}-{status}-{time.isoformat(timespec='milliseconds')}"
    event = {
        "StackId": stack.stack_id,
        "EventId": identity,
        "StackName": stack.name,
        "LogicalResourceId": name,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "Timestamp": time,
        "ResourceStatus": status,
    }
    if reason:
        event["ResourceStatusReason"] = reason
    if properties:
        event["ResourceProperties"] = json.dumps(properties)
    with cloudformation.lock:
        stack.events.append(event)
