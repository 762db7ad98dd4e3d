"""SQS: attributes and messages that AWS refuses, and waiting for messages without blocking the rest of the account.

*Source:* localstack ``test_sqs.snapshot.json`` for the texts; the bounds are those of the SQS API reference,
SetQueueAttributes and ReceiveMessage, and 1 MiB for a message since 2025-08
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.sqs.models import sqs_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.registry import hook, rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

#: Seconds between two checks of a waiting receiver. A message can become visible because time passes, without an event.
_POLL_INTERVAL = 0.05


_BOUNDS = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
_DOCUMENTS = frozenset({"Policy", "RedriveAllowPolicy", "RedrivePolicy"})
_SWITCHES = frozenset({"ContentBasedDeduplication", "FifoQueue", "SqsManagedSseEnabled"})
_TEXTS = frozenset({"DeduplicationScope", "FifoThroughputLimit", "KmsMasterKeyId"})


@hook
def _check(_: Account, call: Call) -> None:
    """Refuse attributes, messages and waits that are out of bounds."""
    if call.service != "sqs":
        return
    match call.operation:
        case "CreateQueue" | "SetQueueAttributes":
            for name, value in (call.params.get("Attributes") or {}).items():
                _check_attribute(name, str(value))
        case "SendMessage" if not call.params.get("MessageBody"):
            raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
        case "ReceiveMessage" if not 0 <= int(wait := call.params.get("WaitTimeSeconds") or 0) <= 20:
            reason = "Reason: Must be >= 0 and <= 20, if provided."
            raise AwsError("InvalidParameterValue", f"Value {wait} for parameter WaitTimeSeconds is invalid. {reason}")


def _check_attribute(name: str, value: str) -> None:
    if name not in {*_BOUNDS, *_DOCUMENTS, *_SWITCHES, *_TEXTS}:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    invalid = AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    if name in _BOUNDS:
        low, high = _BOUNDS[name]
        if not value.isdecimal() or not low <= int(value) <= high:
            raise invalid
    if name in _SWITCHES and value.lower() not in ("true", "false"):
        raise invalid
    if name not in _DOCUMENTS or not value:  # an empty value removes the document
        return
    try:
        document = json.loads(value)
    except ValueError:
        document = None
    if isinstance(document, dict):
        if name == "RedrivePolicy":
            _check_redrive_policy(value, document)
    elif name == "Policy":
        raise invalid
    else:
        reason = "Reason: Redrive policy is not a valid JSON map."  # the wording is not recorded
        raise AwsError("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. {reason}")


def _check_redrive_policy(text: str, document: dict[str, Any]) -> None:
    count = str(document.get("maxReceiveCount", ""))
    if not count.isdecimal() or not 1 <= int(count) <= 1000:
        reason = f"Reason: Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        raise AwsError("InvalidParameterValue", f"Value {text} for parameter RedrivePolicy is invalid. {reason}")


@rule("sqs", "ReceiveMessage", blocking=True)
def _receive(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Return messages as soon as there are any, or none after ``WaitTimeSeconds`` (default: that of the queue)."""
    params = call.params
    if "WaitTimeSeconds" in params:
        wait = int(params["WaitTimeSeconds"])
    else:
        asked = {"QueueUrl": params["QueueUrl"], "AttributeNames": ["ReceiveMessageWaitTimeSeconds"]}
        found = account.client("sqs", call.region).get_queue_attributes(**asked)
        wait = int(found.get("Attributes", {}).get("ReceiveMessageWaitTimeSeconds", 0))
    deadline = time.monotonic() + wait
    while True:
        received = proceed({**params, "WaitTimeSeconds": 0})
        _hide_together(call, {message["MessageId"] for message in received.get("Messages", [])})
        if received.get("Messages") or time.monotonic() >= deadline or account.is_stopping.is_set():
            return None
        account.is_stopping.wait(_POLL_INTERVAL)


def _hide_together(call: Call, message_ids: set[str]) -> None:
    """Make the messages of one answer visible again at the same time. moto takes the time of each message.

    *Source:* Amazon SQS developer guide, "Amazon SQS visibility timeout": it begins when SQS returns the message
    """
    queue = _called_queue(call)
    if queue is None or not message_ids:
        return
    received = [message for message in queue._messages if message.id in message_ids]
    latest = max((message.visible_at for message in received), default=0.0)
    for message in received:
        message.visible_at = latest


def _called_queue(call: Call) -> Any | None:
    """Return moto's queue that the call names, None if there is none."""
    name = call.params["QueueUrl"].rsplit("/", 1)[-1]
    return sqs_backends[call.caller.account][call.region].queues.get(name)


#: Seconds after the deletion of a queue until its name can be used again.
_NAME_IS_FREE_AFTER = 60


def queue_by_arn(account: Account, arn: str) -> Any | None:
    """Return moto's queue of this ARN, None if there is none."""
    parsed = Arn.parse(arn)
    return sqs_backends[account.account_id][parsed.region].queues.get(parsed.resource) if parsed.region else None


def queue_url(account: Account, arn: str) -> str:
    """Return the URL under which the account serves the queue."""
    parsed = Arn.parse(arn)
    return f"{account.endpoint}/{parsed.account}/{parsed.name}"


class DeletedQueues(dict[str, datetime]):
    """Names of deleted queues of one region -> time of the deletion."""


@rule("sqs", "CreateQueue")
def _create(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Create the queue. Refuse the name of a queue that was deleted less than a minute ago.

    *Source:* botocore's documentation of CreateQueue, and its error QueueDeletedRecently; the wording as tools quote it
    """
    deleted = account.state(DeletedQueues, call.region).get(call.params["QueueName"])
    if deleted is not None and (account.now() - deleted).total_seconds() < _NAME_IS_FREE_AFTER:
        raise AwsError(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )
    return proceed()


@rule("sqs", "DeleteQueue")
def _delete(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    answer = proceed()
    account.state(DeletedQueues, call.region)[call.params["QueueUrl"].rsplit("/", 1)[-1]] = account.now()
    return answer


@rule("sqs", "SetQueueAttributes")
def _set_attributes(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Change the named attributes and keep the others. moto deletes the policy if the call does not name it.

    *Source:* Amazon SQS API reference, SetQueueAttributes: "Sets the value of one or more queue attributes."
    """
    url = {"QueueUrl": call.params["QueueUrl"], "AttributeNames": ["Policy"]}
    now = account.client("sqs", call.region).get_queue_attributes(**url).get("Attributes", {})
    proceed({**call.params, "Attributes": {**now, **call.params["Attributes"]}})
    return None


@rule("sqs", "SendMessage")
def _send(_: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Note who sent the message: for a role its unique id and the name of the session.

    *Source:* Amazon SQS API reference, ReceiveMessage, attribute SenderId; recorded for a Lambda function in
    gist.github.com/bkruger99/4f9ab0f5a8e3aaf4aff0e506b8c3d81e (2016)
    """
    answer = proceed()
    _note_sender(call, {answer["MessageId"]})
    return answer


@rule("sqs", "SendMessageBatch")
def _send_batch(_: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    answer = proceed()
    _note_sender(call, {sent["MessageId"] for sent in answer.get("Successful", [])})
    return answer


def _note_sender(call: Call, message_ids: set[str]) -> None:
    sender = call.caller.user_identity.get("principalId")
    queue = _called_queue(call)
    if sender is None or queue is None:
        return
    for message in reversed(queue._messages):  # the new ones are the last
        if not message_ids:
            break
        if message.id in message_ids:
            message.sender_id = sender
            message_ids.discard(message.id)
