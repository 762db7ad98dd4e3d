"""Lambda's pollers: what arrives in an SQS queue reaches the functions that are mapped to it.

moto would call the function from within SendMessage; here each mapping has a poller that takes messages with the
function's own role, as AWS does. It sleeps until a message can be seen. Not here: FIFO queues, filters, streams.

*Source:* https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and the pages below it.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends
from moto.sqs.models import Queue, sqs_backends

from sandbox.core.call import AwsError, Need
from sandbox.core.clock import MovableClock
from sandbox.core.iam import authorization
from sandbox.core.registry import SERVICES, rule
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed
    from sandbox.services.lambda_.lambda_runtime import Function

log = logging.getLogger(__name__)

#: Batches of one mapping that run at once where it sets no MaximumConcurrency; what AWS begins with.
DEFAULT_CONCURRENCY = 5
#: ReceiveMessage gives ten at most.
_RECEIVE_LIMIT = 10
#: A poller that nothing wakes looks again after this many seconds, and after the second where its role is refused.
_LOOK_AGAIN, _LOOK_AGAIN_REFUSED = 20.0, 1.0
_NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class EventSources:
    """The pollers of all event source mappings."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._pollers: dict[str, Poller] = {}
        self._ended: list[Poller] = []

    def start(self) -> None:
        """There are no mappings yet."""
        _STARTED.append(self)
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.watch(self._wake_all)

    def stop(self) -> None:
        """Nothing is polled; batches that ran were cut off."""
        _STARTED.remove(self)
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.unwatch(self._wake_all)
        with self._lock:
            pollers = [*self._pollers.values(), *self._ended]
            self._pollers.clear()
            self._ended.clear()
        for poller in pollers:
            poller.end()
        self.account.service(LambdaRuntime).halt()
        for poller in pollers:
            poller.join()

    def poll(self, region: str, mapping: str, queue_arn: str) -> None:
        """The mapping has a poller."""
        with self._lock:
            poller = self._pollers[mapping] = Poller(self.account, region, mapping, queue_arn)
        poller.start()

    def poller(self, mapping: str) -> Poller | None:
        """The mapping's poller, if it has one."""
        return self._pollers.get(mapping)

    def end(self, mapping: str) -> None:
        """The mapping's poller takes no more messages."""
        with self._lock:
            poller = self._pollers.pop(mapping, None)
            if poller is not None:
                self._ended.append(poller)
        if poller is not None:
            poller.end()

    def wake(self, queue_arn: str) -> None:
        """The pollers of the queue look at it now."""
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            if poller.queue_arn == queue_arn:
                poller.wake()

    def _wake_all(self) -> None:
        """Time has passed: messages may be due."""
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.wake()

    def is_idle(self) -> bool:
        """Nothing runs, and no mapped queue has a message: delayed, waiting or taken."""
        with self.account.lock:
            pollers = list(self._pollers.values())
            return all(poller.running == 0 and not poller.backlog() for poller in pollers)


class Poller:
    """Takes messages for one mapping, and runs its function on them."""

    def __init__(self, account: Account, region: str, mapping: str, queue_arn: str) -> None:
        self.queue_arn = queue_arn
        self._account = account
        self._region = region
        self._mapping = mapping
        self._changed = threading.Condition()
        self._wakes = 0
        self._ending = False
        #: Batches that run now.
        self.running = 0
        #: Why the last look at the queue gave nothing, in AWS's words; None if all is well.
        self.problem: str | None = None
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._poll, name=f"poller-{mapping[:8]}", daemon=True)

    def start(self) -> None:
        """It polls."""
        self._thread.start()

    def end(self) -> None:
        """It takes no more messages."""
        self._ending = True
        self.wake()

    def join(self) -> None:
        """It and its batches are done."""
        self._thread.join()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """It looks again: a message, a free place, or its mapping may have changed."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def queue(self) -> Any | None:
        """moto's queue behind the mapping; None if it is gone."""
        name = self.queue_arn.rsplit(":", 1)[-1]
        return sqs_backends[self._account.account_id][self._region].queues.get(name)

    def backlog(self) -> int:
        """Messages in the queue, in whatever state."""
        queue = self.queue()
        return 0 if queue is None else len(queue._messages)

    def _configuration(self) -> Any | None:
        return lambda_backends[self._account.account_id][self._region].get_event_source_mapping(self._mapping)

    # ---- looking

    def _poll(self) -> None:
        while not self._ending:
            with self._changed:
                seen = self._wakes
            wait = self._seconds_until_visible()
            if wait is None:
                wait = _LOOK_AGAIN
            elif wait <= 0:
                try:
                    wait = 0.0 if self._take() else _LOOK_AGAIN_REFUSED
                except AwsError as error:
                    self.problem, wait = str(error), _LOOK_AGAIN_REFUSED
            with self._changed:
                self._changed.wait_for(lambda: self._wakes != seen or self._ending, wait)  # noqa: B023

    def _seconds_until_visible(self) -> float | None:
        """Until a message can be taken: 0 if one can be now, None if only an event can change that."""
        with self._account.lock:
            mapping, queue = self._configuration(), self.queue()
            if mapping is None or queue is None or not mapping.enabled or self.running >= self._concurrency(mapping):
                return None
        return seconds_until_visible(self._account, self.queue_arn)

    @staticmethod
    def _concurrency(mapping: Any) -> int:
        return int((mapping.scaling_config or {}).get("MaximumConcurrency", DEFAULT_CONCURRENCY))

    def _take(self) -> bool:
        """Whether the queue could be asked; a batch runs if it gave one."""
        with self._account.lock:
            mapping = self._configuration()
            if mapping is None:
                return True
            batch_size, window = mapping.batch_size, float(mapping.max_batch_window or 0)
            responses, function_arn = tuple(mapping.function_response_types or ()), mapping.function_arn
        url = _url(self._account, self.queue_arn)
        runtime = self._account.service(LambdaRuntime)
        function = runtime.function(self._region, function_arn)
        sqs = self._client(function)
        deadline = time.monotonic() + window
        batch: list[dict[str, Any]] = []
        while len(batch) < batch_size and not self._ending:
            with self._changed:
                seen = self._wakes
            try:
                received = sqs.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=min(_RECEIVE_LIMIT, batch_size - len(batch)),
                    AttributeNames=["All"],
                    MessageAttributeNames=["All"],
                    WaitTimeSeconds=0,
                ).get("Messages", [])
            except ClientError as error:
                self.problem = f"PROBLEM: {error.response['Error'].get('Message')}"
                log.warning("The poller of %s is refused: %s", function.name, error)
                return False
            batch += received
            left = deadline - time.monotonic()
            if not batch or left <= 0:
                break
            if not received:
                until = self._seconds_until_visible()
                pause = left if until is None else min(left, until)
                with self._changed:
                    self._changed.wait_for(lambda: self._wakes != seen or self._ending, pause)  # noqa: B023
        self.problem = None
        if batch:
            self._run(function, batch, url, "ReportBatchItemFailures" in responses)
        return True

    def _client(self, function: Function) -> Any:
        return self._account.client("sqs", self._region, caller=self._account.service(LambdaRuntime).session(function))

    # ---- running

    def _run(self, function: Function, batch: list[dict[str, Any]], url: str, reports_items: bool) -> None:
        with self._changed:
            self.running += 1
        thread = threading.Thread(
            target=self._run_batch,
            args=(function, batch, url, reports_items),
            name=f"batch-{self._mapping[:8]}",
            daemon=True,
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _run_batch(self, function: Function, batch: list[dict[str, Any]], url: str, reports_items: bool) -> None:
        try:
            records = [record(message, self.queue_arn) for message in batch]
            payload = json.dumps({"Records": records}).encode()
            ended = self._account.service(LambdaRuntime).invoke(function, payload)
            done = succeeded(ended.error, ended.payload, [message["MessageId"] for message in batch], reports_items)
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(batch)
                if message["MessageId"] in done
            ]
            sqs = self._client(function)
            for start in range(0, len(entries), _RECEIVE_LIMIT):
                sqs.delete_message_batch(QueueUrl=url, Entries=entries[start : start + _RECEIVE_LIMIT])
        except (AwsError, ClientError) as error:
            # The messages come back when their visibility timeout ends, as after a throttled invocation.
            self.problem = f"PROBLEM: {error}"
            log.warning("A batch for %s could not be run: %s", function.name, error)
        finally:
            with self._changed:
                self.running -= 1
            self.wake()


def record(message: dict[str, Any], source_arn: str) -> dict[str, Any]:
    """A received message as the function gets it.

    *Source:* the example event of https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    attributes = {}
    for name, value in (message.get("MessageAttributes") or {}).items():
        attribute: dict[str, Any] = {
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value["DataType"],
        }
        if "StringValue" in value:
            attribute["stringValue"] = value["StringValue"]
        if "BinaryValue" in value:
            attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
        attributes[name] = attribute
    made = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": source_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        made["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return made


def succeeded(error: str | None, payload: bytes, message_ids: Sequence[str], reports_items: bool) -> frozenset[str]:
    """The messages to delete: all, none, or all but those the function reports. ``error``: None if it answered.

    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    (an empty or null list, or answer: all succeeded; an answer that is no JSON, or an item without a known id: none).
    """
    everything, nothing = frozenset(message_ids), frozenset[str]()
    if error is not None:
        return nothing
    if not reports_items:
        return everything
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return nothing
    if not isinstance(answer, dict):
        return everything if answer in (None, "") else nothing
    failures = answer.get("batchItemFailures")
    if not failures:
        return everything
    if not isinstance(failures, list):
        return nothing
    failed = {item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures}
    return everything - failed if failed <= everything else nothing


def seconds_until_visible(account: Account, queue_arn: str) -> float | None:
    """Until a message of the queue can be taken, on the account's clock; None if the queue has none."""
    *_, region, account_id, name = queue_arn.split(":")
    with account.lock:
        queue = sqs_backends[account_id][region].queues.get(name)
        times = [max(message.visible_at, message.delayed_until) for message in queue._messages] if queue else []
    # moto's times are milliseconds, and a message can be seen when its time has passed, not when it comes.
    return None if not times else max(0.0, (min(times) + 1) / 1000 - account.now().timestamp())


SERVICES.append(EventSources)

_add_message = Queue.add_message


def _add_message_and_wake(queue: Queue, message: Any) -> None:
    """As moto adds a message, by whatever way it comes; and then the queue's pollers look."""
    _add_message(queue, message)
    for sources in _STARTED:
        vars(message).setdefault("sent_at", sources.account.now())  # moto's own time does not follow a moved clock
        sources.wake(queue.queue_arn)


#: The event sources of the account that runs, if one does.
_STARTED: list[EventSources] = []
Queue.add_message = _add_message_and_wake  # type: ignore[method-assign,assignment]


def _url(account: Account, arn: str) -> str:
    return f"{account.endpoint}/{arn.split(':')[4]}/{arn.rsplit(':', 1)[-1]}"


# --- the API -------------------------------------------------------------------------------------------------------


@rule("lambda", "CreateEventSourceMapping")
def create_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """The mapping exists and its queue is polled; or AWS's reason why it cannot be.

    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (visibility timeout, permissions,
    batching window); the texts are those that CloudFormation users report.
    """
    params = call.params
    arn = params.get("EventSourceArn", "")
    unsupported = {"FilterCriteria"} & params.keys()
    if arn.split(":")[2:3] != ["sqs"] or arn.endswith(".fifo") or unsupported:
        raise AwsError(
            "NotImplemented", "The sandbox maps functions to standard SQS queues, without FilterCriteria, only.", 501
        )
    function = account.service(LambdaRuntime).function(call.region, params["FunctionName"])
    queue = sqs_backends[account.account_id][call.region].queues.get(arn.rsplit(":", 1)[-1])
    if queue is not None:
        _check(account, function, queue, params)
    answer = proceed()
    if queue is not None:
        # moto would call the function itself from within SendMessage.
        queue.lambda_event_source_mappings.clear()
    account.service(EventSources).poll(call.region, answer["UUID"], arn)
    return answer


def _check(account: Account, function: Function, queue: Any, params: dict[str, Any]) -> None:
    for other in lambda_backends[account.account_id][function.region].list_event_source_mappings("", ""):
        if (other.event_source_arn, other.function_arn) == (queue.queue_arn, function.arn):
            raise AwsError(
                "ResourceConflictException",
                f'An event source mapping with SQS arn (" {queue.queue_arn} ") and function (" {function.name} ") '
                f"already exists. Please update or delete the existing mapping with UUID {other.uuid}",
                409,
            )
    if int(queue.visibility_timeout) < function.timeout:
        _invalid(
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than "
            f"Function timeout: {function.timeout} seconds"
        )
    if int(params.get("BatchSize", 0)) > _RECEIVE_LIMIT and not params.get("MaximumBatchingWindowInSeconds"):
        _invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    role = authorization.role_by_arn(account, function.role)
    needs = [Need(f"sqs:{action}", queue.queue_arn) for action in _NEEDED]
    operation, region = "lambda:CreateEventSourceMapping", function.region
    lacks = (
        needs[0]
        if role is None
        else authorization.lacking(
            account, role, needs, service="lambda.amazonaws.com", operation=operation, region=region
        )
    )
    if lacks is not None:
        action = lacks.action.removeprefix("sqs:")
        _invalid(f"The provided execution role does not have permissions to call {action} on SQS")


def _invalid(message: str) -> None:
    raise AwsError("InvalidParameterValueException", message)


@rule("lambda", "UpdateEventSourceMapping")
def update_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """The mapping is as asked from its next batch on."""
    answer = proceed()
    poller = account.service(EventSources).poller(call.params["UUID"])
    if poller is not None:
        poller.wake()
    return answer


@rule("lambda", "DeleteEventSourceMapping")
def delete_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """The mapping is gone; a batch that runs is finished."""
    answer = proceed()
    account.service(EventSources).end(call.params["UUID"])
    return answer


@rule("sqs", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch")
def change_message_visibility(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """As moto does it; a message given back is seen at once."""
    answer = proceed()
    name = call.params["QueueUrl"].rsplit("/", 1)[-1]
    queue = sqs_backends[account.account_id][call.region].queues.get(name)
    if queue is not None:
        account.service(EventSources).wake(queue.queue_arn)
    return answer
