"""SQS: waiting for messages without holding up the rest of the account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sandbox.call import AwsError
from sandbox.gateway import rule

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import Call
    from sandbox.gateway import Proceed

#: How often a waiting receiver looks again. A message may also become visible by time alone, so nobody could wake it.
_LOOK_AGAIN = 0.05


@rule("sqs", "ReceiveMessage", blocking=True)
def _receive(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Messages as soon as there are any, or none after ``WaitTimeSeconds``; the queue's own wait counts if unset."""
    params = call.params
    if "WaitTimeSeconds" in params:
        wait = int(params["WaitTimeSeconds"])
    else:
        asked = {"QueueUrl": params["QueueUrl"], "AttributeNames": ["ReceiveMessageWaitTimeSeconds"]}
        found = sandbox.client("sqs", call.region).get_queue_attributes(**asked)
        wait = int(found.get("Attributes", {}).get("ReceiveMessageWaitTimeSeconds", 0))
    deadline = time.monotonic() + wait
    while True:
        received = proceed({**params, "WaitTimeSeconds": 0})
        if received.get("Messages") or time.monotonic() >= deadline or sandbox.is_stopping.is_set():
            return None
        sandbox.is_stopping.wait(_LOOK_AGAIN)


#: Seconds after a queue was deleted in which its name cannot be used again.
_NAME_IS_FREE_AFTER = 60


@rule("sqs", "CreateQueue")
def _create(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """A name is free a minute after the queue that had it was deleted.

    *Source:* botocore's documentation of CreateQueue, and its error QueueDeletedRecently; the wording as tools quote it
    """
    deleted = sandbox.deleted_queues.get((call.region, call.params["QueueName"]))
    if deleted is not None and (sandbox.now() - deleted).total_seconds() < _NAME_IS_FREE_AFTER:
        raise AwsError(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )
    return proceed()


@rule("sqs", "DeleteQueue")
def _delete(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    answer = proceed()
    sandbox.deleted_queues[call.region, call.params["QueueUrl"].rsplit("/", 1)[-1]] = sandbox.now()
    return answer


@rule("sqs", "SetQueueAttributes")
def _set_attributes(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """The attributes named are changed and the others stay: moto forgets the policy whenever it is not named.

    *Source:* Amazon SQS API reference, SetQueueAttributes: "Sets the value of one or more queue attributes."
    """
    url = {"QueueUrl": call.params["QueueUrl"], "AttributeNames": ["Policy"]}
    now = sandbox.client("sqs", call.region).get_queue_attributes(**url).get("Attributes", {})
    proceed({**call.params, "Attributes": {**now, **call.params["Attributes"]}})
    return None
