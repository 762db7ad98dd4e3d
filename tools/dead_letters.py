"""The dead-letter queues of a stack and their messages: find the queues, read and describe the messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, assert_never

from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import (
    ApiNamed,
    ApiStagesNamed,
    DeliveryNamed,
    Ignored,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
)
from log_keeper.events.sweep_work import Start, Work
from log_keeper.stages import ApiVersion
from tools.aws_session import printable
from tools.stack import read_outputs

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: Each dead-letter queue, and the queue to which its messages return. Both are names of the template's resources.
_QUEUES = {"StageDeadLetterQueue": "StageQueue", "SweepDeadLetterQueue": "SweepQueue"}
#: Seconds for which --list hides a message from other receivers, if the program is stopped before it returns it.
_HIDDEN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue, and the queue to which its messages return.

    ``count``: number of messages that can be moved. ``hidden``: number of messages that another receiver has at this
    moment, which cannot be moved. ``returns_after``: time after which a message that fails again is back in the queue.
    """

    name: str
    url: str
    arn: str
    destination: str
    destination_arn: str
    count: int
    hidden: int
    returns_after: timedelta


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a dead-letter queue, in words.

    ``event``: name of the event. ``about``: what it names, for example a stage. ``remark``: what to know before the
    message is moved; can be empty.
    """

    message_id: str
    sent: datetime
    event: str
    about: str
    remark: str = ""


def read_queues(cloudformation: CloudFormationClient, sqs: SQSClient, stack_name: str) -> list[DeadLetterQueue]:
    """Return the stack's dead-letter queues with their current numbers of messages.

    Raises ToolError if the stack does not exist or is not Log Keeper's, and errors of botocore.
    """
    needed = [f"{name}Url" for names in _QUEUES.items() for name in names]
    urls = read_outputs(cloudformation, stack_name, *needed)
    found = []
    for name, destination in _QUEUES.items():
        here = _attributes(sqs, urls[f"{name}Url"])
        there = _attributes(sqs, urls[f"{destination}Url"])
        tries = int(json.loads(there["RedrivePolicy"])["maxReceiveCount"])
        found.append(
            DeadLetterQueue(
                name=name,
                url=urls[f"{name}Url"],
                arn=here["QueueArn"],
                destination=destination,
                destination_arn=there["QueueArn"],
                count=int(here["ApproximateNumberOfMessages"]),
                hidden=int(here["ApproximateNumberOfMessagesNotVisible"]),
                returns_after=tries * timedelta(seconds=int(there["VisibilityTimeout"])),
            )
        )
    return found


def _attributes(sqs: SQSClient, url: str) -> Mapping[str, str]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


def read_messages(sqs: SQSClient, queue: DeadLetterQueue, most: int) -> list[Message]:
    """Return at most ``most`` messages of the queue, oldest first. All messages stay in the queue.

    To read a message is to receive it, which hides it from other receivers for a moment.
    """
    received: dict[str, MessageTypeDef] = {}
    try:
        while len(received) < most:
            # With a wait, SQS asks all servers of the queue; without, only some of them.
            answer = sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(10, most - len(received)),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
            )
            new = {message["MessageId"]: message for message in answer.get("Messages", [])}
            if not new.keys() - received.keys():
                break
            received |= new
    finally:
        handles = [message["ReceiptHandle"] for message in received.values()]
        for some in batched(handles, 10, strict=False):
            # Failures in the answer do not matter: a message that is not returned here is visible again by itself.
            sqs.change_message_visibility_batch(
                QueueUrl=queue.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(some)
                ],
            )
    own_account = queue.arn.split(":")[4]
    return sorted((describe(message, own_account) for message in received.values()), key=lambda message: message.sent)


def describe(message: MessageTypeDef, own_account: str) -> Message:
    """Return the message in words. Any body is accepted; the remark says why one cannot be read.

    ``own_account``: of the queue. Another account is named.
    """
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    event, about, remark = _in_words(message["Body"])
    account = _account(message["Body"])
    about = about if account in (None, own_account) else f"account {account}: {about}"
    if (reason := message.get("MessageAttributes", {}).get("ERROR_MESSAGE")) is not None:
        remark = f"EventBridge could not deliver it: {reason.get('StringValue')}"
    return Message(message["MessageId"], sent, printable(event), printable(about), printable(remark))


def _account(body: str) -> str | None:
    """Return the account that the message is about; None if it names none."""
    with suppress(RecursionError, ValueError):  # the remark says that it cannot be read
        match json.loads(body):
            case {"account": str() as account}:
                return account
    return None


def _in_words(body: str) -> tuple[str, str, str]:
    """Return the name of the event, what it is about, and a remark."""
    try:
        match json.loads(body):
            case {"region": str() as region, "apis": _}:
                work = Work.from_message(body, (region,), "")
                left = "" if isinstance(work, Start) or work.apis is None else f", the last {len(work.apis)} APIs"
                return "sweep", region + left, ""
            case {"detail-type": "Scheduled Event" | "CloudFormation Stack Status Change" as detail_type}:
                return detail_type, "starts a sweep", ""
            case {"account": str() as account, "region": str() as region} as event:
                hint = read_event(event, account=account, regions=(region,), own_role_arn="")
                name = cause_of(event).event_name
            case _:
                return _unreadable(body, "not an event of EventBridge")
    except (RecursionError, ValueError) as error:
        return _unreadable(body, str(error))
    match hint:
        case StageNamed(ref):
            protocol = "REST" if ref.version is ApiVersion.V1 else "HTTP or WebSocket"
            return name, f"{ref.region}: {protocol} API {ref.api_id}, stage {ref.stage_name}", ""
        case StagesTagged(refs):
            stages = ", ".join(f"{ref.api_id}/{ref.stage_name}" for ref in refs)
            return name, f"{refs[0].region}: tags of {stages}", ""
        case ApiStagesNamed(refs):
            return name, f"{refs[0].region}: API {refs[0].api_id}, {len(refs)} stages", ""
        case ApiNamed(in_region, api_id):
            return name, f"{in_region}: HTTP or WebSocket API {api_id}", ""
        case DeliveryNamed(in_region):
            return name, f"{in_region}: a log delivery", ""
        case LogRoleNamed(regions):
            return name, f"{', '.join(regions)}: the account's log role", ""
        case Ignored(reason):
            return name, f"nothing to do ({reason})", ""
    assert_never(hint)


def _unreadable(body: str, why: str) -> tuple[str, str, str]:
    return "?", body[:60], f"It cannot be read ({why[:200]}). It would fail again: delete it instead of moving it."
