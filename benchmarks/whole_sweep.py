"""``python -m benchmarks.whole_sweep ENVIRONMENTS``: sweep a region and remediate its stages, until no message is left.

It replaces Lambda: it receives the messages of the queues that the environment variables name, and passes them to the
handlers. ENVIRONMENTS is how many processes run the Enforce function at the same time as the sweep, as on Lambda. With
0, one process does all: Enforce has its turn when the sweep has sent messages, before its next API.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3

from handlers import enforce, sweep
from log_keeper.aws.clients import LOGS_RATES
from log_keeper.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from mypy_boto3_sqs.client import SQSClient

#: The packages of ``src/requirements.txt``, and certifi: botocore has the same certificates itself.
_PACKAGES = {
    *("aws_lambda_powertools", "boto3", "botocore", "certifi", "dateutil"),
    *("jmespath", "s3transfer", "six", "typing_extensions", "urllib3"),
}


@dataclass(frozen=True, slots=True)
class _Context:
    """A context like Lambda's. ``on_ask``: is called whenever the function asks how much time is left."""

    function_name: str
    seconds: int
    on_ask: Callable[[], None] = lambda: None
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = ""
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"
    began: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        self.on_ask()
        return int(1000 * (self.began + self.seconds - time.monotonic()))


@dataclass(frozen=True, slots=True)
class _Queue:
    """A queue, for what replaces Lambda."""

    client: SQSClient
    url: str

    def receive(self, at_once: int, seconds: int = 0) -> list[dict[str, Any]]:
        """Return at most so many messages as Lambda passes them on, or none after so many seconds."""
        answer = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=at_once, WaitTimeSeconds=seconds, AttributeNames=["SenderId"]
        )
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in answer.get("Messages", [])
        ]

    def delete(self, done: list[dict[str, Any]]) -> None:
        self.client.delete_message_batch(
            QueueUrl=self.url,
            Entries=[{"Id": each["messageId"], "ReceiptHandle": each["receiptHandle"]} for each in done],
        )


def _remediate(stage_queue: _Queue, seconds: int = 0) -> bool:
    """Process one batch of messages. Return False if none came within so many seconds."""
    if not (found := stage_queue.receive(10, seconds)):
        return False
    answer = enforce.handler({"Records": found}, cast(Any, _Context("enforce", 60)))
    assert answer == {"batchItemFailures": []}, answer
    stage_queue.delete(found)
    return True


def _live(has_ended: Event) -> None:
    """Process batches in this process, until the sweep has ended and no message is left."""
    stage_queue = _Queue(boto3.client("sqs"), os.environ["STAGE_QUEUE_URL"])
    while True:
        is_last = has_ended.is_set()
        if not _remediate(stage_queue, seconds=1) and is_last:
            break
    _check_packages()


@contextmanager
def _environments(count: int) -> Iterator[None]:
    """Run so many environments of Enforce, each in a process of its own, until no message is left."""
    context = multiprocessing.get_context("fork")
    has_ended = context.Event()
    processes = [context.Process(target=_live, args=(has_ended,)) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        has_ended.set()
        for process in processes:
            process.join()
    assert not any(process.exitcode for process in processes)


def _sweep(remediate: Callable[[], None], session: boto3.Session) -> None:
    """Process a message that starts a sweep, and those that it leads to."""
    sweep_queue = _Queue(boto3.client("sqs"), os.environ["SWEEP_QUEUE_URL"])
    handler = sweep.SweepHandler(Settings.from_environment(os.environ), session)
    vars(sweep)["sweep_handler"] = lambda: handler
    begin = json.dumps({"detail-type": "Scheduled Event", "detail": {}})
    sweep_queue.client.send_message(QueueUrl=sweep_queue.url, MessageBody=begin)
    while found := sweep_queue.receive(1):
        sweep.handler({"Records": found}, cast(Any, _Context("sweep", 900, remediate)))
        remediate()
        sweep_queue.delete(found)


def _take_turns() -> None:
    """Sweep in this process. Process what the sweep has sent before it goes on with the next API."""
    sent: list[object] = []
    session = boto3.Session()
    session.events.register("after-call.sqs.SendMessageBatch", lambda **_: sent.append(True))
    stage_queue = _Queue(session.client("sqs"), os.environ["STAGE_QUEUE_URL"])

    def remediate() -> None:
        if sent:
            sent.clear()
            while _remediate(stage_queue):
                pass

    _sweep(remediate, session)


def main() -> None:
    environments = int(sys.argv[1])
    # No limit, like SWEEP_RATE.
    LOGS_RATES.update(dict.fromkeys(LOGS_RATES, 10**9))
    if environments:
        with _environments(environments):
            _sweep(lambda: None, boto3.Session())
    else:
        _take_turns()
    _check_packages()


def _check_packages() -> None:
    """Fail if a package was loaded that the functions' package does not have: it would count in time and memory."""
    assert not (others := _loaded() - _PACKAGES), f"the functions' package does not have {others}"


def _loaded() -> set[str]:
    """Return the packages that are loaded, except Python's own and those of this repository."""
    return {
        name.partition(".")[0]
        for name, module in list(sys.modules.items())
        if "site-packages" in (getattr(module, "__file__", None) or "")
    }


if __name__ == "__main__":
    main()
