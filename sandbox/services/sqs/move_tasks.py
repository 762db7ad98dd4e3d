"""Message move tasks of SQS, which moto does not have: they move messages of a dead-letter queue to another queue.

Not implemented: CancelMessageMoveTask, FIFO queues, and the limit of 100 tasks at once.

*Source:* Amazon SQS API reference, StartMessageMoveTask and ListMessageMoveTasks; developer guide, "Configuring a
dead-letter queue redrive"; refusals and answers: recorded in localstack/localstack,
tests/aws/services/sqs/test_sqs_move_task.snapshot.json.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.sqs.models import sqs_backends

from sandbox.core import moto_patches
from sandbox.core.call import AwsError
from sandbox.core.registry import SERVICES, rule
from sandbox.services.sqs.queues import queue_by_arn

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_MOST_TASKS_LISTED = 10
_HIGHEST_RATE = 500


@dataclass(slots=True)
class MoveTask:
    """One task. ``destination``: None for the queue that each message came from. ``rate``: None for all at once."""

    handle: str
    source: str
    destination: str | None
    rate: int | None
    started: datetime
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None

    def as_listed(self) -> dict[str, Any]:
        """Return the task as in ListMessageMoveTasks: its handle is there only while it runs."""
        running, failed = self.status == "RUNNING", self.status == "FAILED"
        shown = {
            "TaskHandle": self.handle if running else None,
            "Status": self.status,
            "SourceArn": self.source,
            "DestinationArn": self.destination,
            "MaxNumberOfMessagesPerSecond": self.rate,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "FailureReason": self.failure if failed else None,
            "StartedTimestamp": int(self.started.timestamp() * 1000),
        }
        return {name: value for name, value in shown.items() if value is not None}


class MoveTasks:
    """The tasks of all queues."""

    def __init__(self, account: Account) -> None:
        self._account = account
        #: Tasks by ARN of the source queue, oldest first.
        self.tasks: dict[str, list[MoveTask]] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start without tasks."""
        self.tasks.clear()

    def stop(self) -> None:
        """Stop moving messages."""
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def begin(self, source: Any, destination: str | None, rate: int | None) -> MoveTask:
        """Start a task that moves the messages which can be received from the source now. Refuse it if another runs."""
        arn = source.queue_arn
        tasks = self.tasks.setdefault(arn, [])
        if any(task.status == "RUNNING" for task in tasks):
            raise _invalid(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given "
                "time."
            )
        handle = base64.b64encode(json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": arn}).encode()).decode()
        messages = sorted(source.messages, key=lambda message: int(message.sent_timestamp))
        task = MoveTask(handle, arn, destination, rate, self._account.now(), len(messages))
        tasks.append(task)
        thread = threading.Thread(target=self._move_all, args=(task, source, messages), name="move-task", daemon=True)
        self._threads.append(thread)
        thread.start()
        return task

    def _move_all(self, task: MoveTask, source: Any, messages: list[Any]) -> None:
        for message in messages:
            with self._account.lock:
                if message in source._messages and message.visible:  # nobody has received it meanwhile
                    task.failure = self._move(task, source, message)
                    if task.failure is not None:
                        task.status = "FAILED"
                        return
                    task.moved += 1
            if task.rate is not None and self._account.is_stopping.wait(1 / task.rate):
                return
        task.status = "COMPLETED"

    def _move(self, task: MoveTask, source: Any, message: Any) -> str | None:
        """Move the message to its destination, as a new message. Return None, or the reason of AWS for a failure."""
        arn = task.destination or _came_from(message)
        if arn is None:
            return "CouldNotDetermineMessageSource"
        destination = queue_by_arn(self._account, arn)
        if destination is None:
            return "AWS.SimpleQueueService.NonExistentQueue"
        sqs_backends[self._account.account_id][destination.region].send_message(
            destination.name, message.body, message.message_attributes, system_attributes=message.system_attributes
        )
        source._messages.remove(message)
        return None


SERVICES.append(MoveTasks)


def _came_from(message: Any) -> str | None:
    """Return the ARN of the queue that the message came from; None if it was sent to the dead-letter queue itself."""
    queues = moto_patches.queues_of(message)
    return queues[-2] if len(queues) > 1 else None


# ---- the API


@rule("sqs", "StartMessageMoveTask")
def start_message_move_task(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start a task. Raise AwsError if AWS would refuse it."""
    params = call.params
    source = _found(account, params["SourceArn"], "SourceArn")
    everybody = sqs_backends[account.account_id][call.region].queues.values()
    if not any(each.dead_letter_queue is source for each in everybody):
        raise _invalid("Source queue must be configured as a Dead Letter Queue.")
    destination, rate = params.get("DestinationArn"), params.get("MaxNumberOfMessagesPerSecond")
    if destination is not None:
        _found(account, destination, "DestinationArn")
    if rate is not None and not 1 <= rate <= _HIGHEST_RATE:
        raise _invalid("Value for parameter MaxNumberOfMessagesPerSecond is invalid.")  # the wording is not recorded
    return {"TaskHandle": account.service(MoveTasks).begin(source, destination, rate).handle}


@rule("sqs", "ListMessageMoveTasks")
def list_message_move_tasks(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the last task of the queue, or as many as ``MaxResults``, newest first."""
    source = _found(account, call.params["SourceArn"], "SourceArn")
    most = call.params.get("MaxResults", 1)
    if not 1 <= most <= _MOST_TASKS_LISTED:
        raise _invalid("Value for parameter MaxResults is invalid.")  # the wording is not recorded
    tasks = account.service(MoveTasks).tasks.get(source.queue_arn, [])
    return {"Results": [task.as_listed() for task in reversed(tasks)][:most]}


def _found(account: Account, arn: str, parameter: str) -> Any:
    found = queue_by_arn(account, arn)
    if found is None:
        message = f"The resource that you specified for the {parameter} parameter doesn't exist."
        raise AwsError("ResourceNotFoundException", message, 404)
    return found


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)
