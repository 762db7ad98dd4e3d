"""Poll a queue for one event source mapping, and run its function on batches of messages."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.awslambda.models import lambda_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from sandbox.services.sqs.queues import queue_by_arn, queue_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.core.account import Account
    from sandbox.services.lambda_.functions import Function


log = logging.getLogger(__name__)

#: Highest number of concurrent batches of a mapping without MaximumConcurrency. AWS starts with this number.
DEFAULT_CONCURRENCY = 5

#: The most messages that one ReceiveMessage returns.
RECEIVE_LIMIT = 10

#: Seconds until a poller without an event reads its queue again. The second applies if its role is refused.
_READ_AGAIN, _READ_AGAIN_REFUSED = 20.0, 1.0


class Poller:
    """Receives messages for one mapping, and runs its function on them."""

    def __init__(self, account: Account, region: str, mapping: str, queue_arn: str) -> None:
        self.queue_arn = queue_arn
        self._account = account
        self._region = region
        self._mapping = mapping
        self._changed = threading.Condition()
        self._wakes = 0
        self._ending = False
        #: Number of batches that run now.
        self.running = 0
        #: Why the last read of the queue failed, in AWS's words; None if it succeeded.
        self.problem: str | None = None
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._poll, name=f"poller-{mapping[:8]}", daemon=True)

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def end(self) -> None:
        """Stop taking messages."""
        self._ending = True
        self.wake()

    def join(self) -> None:
        """Wait until the poller and its batches have ended."""
        self._thread.join()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Read the queue again, since there may be a new message, fewer running batches or a changed mapping."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def queue(self) -> Any | None:
        """Return moto's queue of the mapping, or None if it was deleted."""
        return queue_by_arn(self._account, self.queue_arn)

    def backlog(self) -> int:
        """Return the number of messages in the queue: delayed, waiting and received."""
        queue = self.queue()
        return 0 if queue is None else len(queue._messages)

    def _configuration(self) -> Any | None:
        return lambda_backends[self._account.account_id][self._region].get_event_source_mapping(self._mapping)

    # ---- reading the queue

    def _poll(self) -> None:
        while not self._ending:
            with self._changed:
                seen = self._wakes
            wait = self._seconds_until_visible()
            if wait is None:
                wait = _READ_AGAIN
            elif wait <= 0:
                try:
                    wait = 0.0 if self._take() else _READ_AGAIN_REFUSED
                except AwsError as error:
                    self.problem, wait = str(error), _READ_AGAIN_REFUSED
            with self._changed:
                self._changed.wait_for(lambda: self._wakes != seen or self._ending, wait)  # noqa: B023

    def _seconds_until_visible(self) -> float | None:
        """Return the seconds until the poller can take a message: 0 if now, None if only an event can change that."""
        with self._account.lock:
            mapping, queue = self._configuration(), self.queue()
            if mapping is None or queue is None or not mapping.enabled or self.running >= self._concurrency(mapping):
                return None
        return seconds_until_visible(self._account, self.queue_arn)

    @staticmethod
    def _concurrency(mapping: Any) -> int:
        return int((mapping.scaling_config or {}).get("MaximumConcurrency", DEFAULT_CONCURRENCY))

    def _take(self) -> bool:
        """Receive messages and start a batch with them, if there are any. Return whether SQS allowed the call."""
        with self._account.lock:
            mapping = self._configuration()
            if mapping is None:
                return True
            batch_size, window = mapping.batch_size, float(mapping.max_batch_window or 0)
            responses, function_arn = tuple(mapping.function_response_types or ()), mapping.function_arn
        url = queue_url(self._account, self.queue_arn)
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
                    MaxNumberOfMessages=min(RECEIVE_LIMIT, batch_size - len(batch)),
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
            for start in range(0, len(entries), RECEIVE_LIMIT):
                sqs.delete_message_batch(QueueUrl=url, Entries=entries[start : start + RECEIVE_LIMIT])
        except (AwsError, ClientError) as error:
            # The messages are visible again after their visibility timeout, as after a throttled invocation.
            self.problem = f"PROBLEM: {error}"
            log.warning("A batch for %s could not be run: %s", function.name, error)
        finally:
            with self._changed:
                self.running -= 1
            self.wake()


def record(message: dict[str, Any], source_arn: str) -> dict[str, Any]:
    """Return a received message in the form that the function receives.

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
        "awsRegion": Arn.parse(source_arn).region,
    }
    if "MD5OfMessageAttributes" in message:
        made["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return made


def succeeded(error: str | None, payload: bytes, message_ids: Sequence[str], reports_items: bool) -> frozenset[str]:
    """Return the ids of the messages that Lambda deletes: all, none, or those that are not reported as failed.

    ``error``: None if the function answered.

    *Source:*
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    (An empty or null answer or list means that all succeeded. An answer that is not JSON, or an item without a known
    id, means that none did.)
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
    """Return the seconds, on the account's clock, until a message of the queue is visible, or None if it has none."""
    with account.lock:
        queue = queue_by_arn(account, queue_arn)
        times = [max(message.visible_at, message.delayed_until) for message in queue._messages] if queue else []
    # moto's times are in milliseconds. A message is visible after its time, not at its time.
    return None if not times else max(0.0, (min(times) + 1) / 1000 - account.now().timestamp())
