"""Buses of EventBridge, where moto answers otherwise than AWS.

*Source:* localstack/localstack ``test_events.snapshot.json`` (TestEventBus) of 2025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


@rule("events", "CreateEventBus")
def _create(_: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the bus; answer with its description, if it has one."""
    answer = proceed()
    description = call.params.get("Description")
    return {**answer, "Description": description} if description else answer


@rule("events", "RemovePermission")
def _remove_permission(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Remove a statement. A bus without a policy is refused with the same text as one without the statement."""
    name = call.params.get("EventBusName", "default").rsplit("/", 1)[-1]
    bus = events_backends[account.account_id][call.region].event_buses.get(name)
    if bus is not None and not bus.policy and not call.params.get("RemoveAllPermissions"):
        raise AwsError("ResourceNotFoundException", "Statement with the provided id does not exist.")
    proceed()
    return None
