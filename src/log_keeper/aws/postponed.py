"""Messages of StageQueue that are put back on it until their turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS
from log_keeper.aws.stage_queue import LONGEST_DELAY, QueueError, in_calls

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

#: The attributes of a message that was put back.
_TURN, _REFUSALS = "turn", "refusals"


class Postponed(NamedTuple):
    """A message that is put back, to be delivered at ``time``, in seconds since 1970.

    ``has_turn``: the time of its calls is reserved then. ``refusals``: how often the role for it was refused.
    """

    message_id: str
    body: str
    time: float
    has_turn: bool
    refusals: int = 0


def turn_of(record: Mapping[str, Any]) -> float | None:
    """Return the turn of a message, in seconds since 1970; None if it was given none.

    ``record``: the message as Lambda passes it on.
    """
    return _number(record, _TURN)


def refusals_of(record: Mapping[str, Any]) -> int:
    """Return how often a role was refused for the message. ``record``: as Lambda passes it on."""
    return int(_number(record, _REFUSALS) or 0)


def _number(record: Mapping[str, Any], name: str) -> float | None:
    try:
        number = float(record["messageAttributes"][name]["stringValue"])
    except (KeyError, TypeError, ValueError):  # of another sender
        return None
    return number if math.isfinite(number) else None


def put_back(
    clients: Clients, queue_url: str, messages: Sequence[Postponed], now: float
) -> Iterator[tuple[str, Exception]]:
    """Send each message as a new one that is delivered at its time. Yield the ids and errors of those that failed.

    ``now``: in seconds since 1970. A new message, because SQS counts each delivery of the same one, and moves it to the
    dead-letter queue at last.
    """
    for some in in_calls(messages, [len(each.body.encode()) for each in messages]):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(number),
                "MessageBody": each.body,
                "DelaySeconds": min(max(math.ceil(each.time - now), 0), LONGEST_DELAY),
                "MessageAttributes": _attributes(each),
            }
            for number, each in enumerate(some)
        ]
        try:
            answer = clients.sqs().send_message_batch(QueueUrl=queue_url, Entries=entries)
        except CALL_ERRORS as error:
            yield from ((each.message_id, error) for each in some)
            continue
        for failed in answer.get("Failed", []):
            reason = failed.get("Message", failed["Code"])
            refused = QueueError(f"SQS did not accept the message that was put back on StageQueue: {reason}")
            yield some[int(failed["Id"])].message_id, refused


def _attributes(message: Postponed) -> dict[str, MessageAttributeValueTypeDef]:
    numbers = {_TURN: f"{message.time:.3f}" if message.has_turn else "", _REFUSALS: str(message.refusals or "")}
    return {name: {"DataType": "Number", "StringValue": number} for name, number in numbers.items() if number}
