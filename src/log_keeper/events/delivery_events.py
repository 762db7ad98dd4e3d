"""CloudTrail records of log deliveries: which stages they are about. Pure.

Deletions of sources and destinations are not read: CloudWatch Logs refuses to delete those that are in use.
UpdateDeliveryConfiguration is not read either: it changes the format of a line, not its destination.
*Source:* botocore's model of ``logs``.
"""

from __future__ import annotations

from collections.abc import Mapping

from log_keeper.events.hints import DeliveryNamed, Hint, Ignored, IgnoreReason, StageNamed
from log_keeper.events.stage_arns import stage_of_source

#: The calls of CloudWatch Logs that change the destination of execution logs. PutDeliverySource alone changes nothing,
#: but it is the call that names the stage, and the others often follow it.
DELIVERY_EVENTS = frozenset({"CreateDelivery", "DeleteDelivery", "PutDeliveryDestination", "PutDeliverySource"})


def read_delivery_event(name: str, parameters: object, account: str, region: str) -> Hint:
    """Return what the record of a call in DELIVERY_EVENTS is about. ``parameters``: its ``requestParameters``."""
    named = parameters if isinstance(parameters, Mapping) else {}
    match name:
        case "PutDeliverySource":
            ref = stage_of_source(named.get("resourceArn"), named.get("logType"), account=account, region=region)
            return Ignored(IgnoreReason.NO_STAGE, name) if ref is None else StageNamed(ref, is_about_delivery=True)
        case "DeleteDelivery":
            return DeliveryNamed(region)
        case "CreateDelivery" if source := _text(named.get("deliverySourceName")):
            return DeliveryNamed(region, source=source)
        case "PutDeliveryDestination" if destination := _text(named.get("name")):
            return DeliveryNamed(region, destination=destination)
    return Ignored(IgnoreReason.NO_STAGE, name)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
