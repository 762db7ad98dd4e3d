"""Log delivery of execution logs: where CloudWatch Logs sends those of a REST stage. Pure.

While a stage has a delivery, API Gateway writes nothing to ``API-Gateway-Execution-Logs_*``; when the last delivery is
deleted, it writes there again. A level of OFF does not stop a delivery. A delivery connects a source, which names the
stage, and a destination, which names the receiver of the logs.
*Source:* API Gateway developer guide, "Create a log delivery for REST API execution logs", "Delete a log delivery for
REST API execution logs"; botocore's model of ``logs``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Set
from typing import NamedTuple

from log_keeper.stages import Protocol, Stage, execution_log_group


class Delivery(NamedTuple):
    """One delivery of a stage's execution logs.

    ``receiver``: the ARN of what receives the logs, or of the delivery's destination if that is not known.
    ``log_group``: the name of the log group of this account and region that receives them; None for anything else.
    ``is_lost``: the receiver is not a log group, and is known not to exist.
    """

    receiver: str
    log_group: str | None = None
    is_lost: bool = False


def execution_log_groups(stage: Stage) -> set[str]:
    """Return the names of the log groups that a delivery replaces; none for a stage that cannot have a delivery.

    Whether a delivery replaces the canary's log group is not documented. "API Gateway writes to the automatically
    managed log group again" suggests that it does.
    """
    if stage.protocol is not Protocol.REST:
        return set()
    name = execution_log_group(stage.ref)
    return {name, f"{name}/Canary"} if stage.has_canary else {name}


def needs_deliveries(stage: Stage, existing: Set[str], denied: Container[str]) -> bool:
    """Return whether the deliveries of the stage must be known in order to evaluate it.

    They decide whether to create its execution log group, and whether the log role must be allowed to write there.
    ``existing``: the names of log groups. ``denied``: those that the log role is not allowed to write to.
    """
    names = execution_log_groups(stage)
    return not names <= existing or any(name in denied for name in names)


def lost_deliveries(deliveries: Iterable[Delivery], existing: Container[str]) -> list[Delivery]:
    """Return the deliveries whose receiver does not exist. ``existing``: the names of log groups."""
    return [each for each in deliveries if each.is_lost or (each.log_group and each.log_group not in existing)]


def log_group_of(arn: str, *, partition: str, account: str, region: str) -> str | None:
    """Return the name of the log group if the ARN is that of one of this account and region; None otherwise."""
    prefix = f"arn:{partition}:logs:{region}:{account}:log-group:"
    name = arn.removesuffix(":*").removeprefix(prefix)
    return name if arn.startswith(prefix) and name and ":" not in name else None


def stream_of(arn: str, *, account: str, region: str) -> str | None:
    """Return the name of the Firehose stream if the ARN is that of one of this account and region; None otherwise."""
    place, _, name = arn.partition(":deliverystream/")
    return name if name and place.endswith(f":firehose:{region}:{account}") else None


def destination_name(arn: str, *, account: str, region: str) -> str | None:
    """Return the name of the delivery destination if it belongs to this account and region; None otherwise."""
    place, _, name = arn.partition(":delivery-destination:")
    return name if name and place.endswith(f":logs:{region}:{account}") else None
