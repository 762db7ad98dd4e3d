"""Sweep one region and remediate its stages: run both handlers in one process until the queues are empty.

It replaces Lambda: it receives the messages of the queues that the environment names, and passes them to the handlers.
On Lambda they run at the same time. Here Enforce has its turn when the sweep has sent messages, before its next API.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import boto3

from handlers import enforce, sweep
from log_keeper.aws.clients import LOGS_RATES
from log_keeper.settings import Settings

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


def main() -> None:
    sqs = boto3.client("sqs")
    stage_queue, sweep_queue = os.environ["STAGE_QUEUE_URL"], os.environ["SWEEP_QUEUE_URL"]

    def records(queue_url: str, at_once: int) -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=at_once, AttributeNames=["SenderId"])
        messages = answer.get("Messages", [])
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in messages
        ]

    def delete(queue_url: str, done: list[dict[str, Any]]) -> None:
        sqs.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": each["messageId"], "ReceiptHandle": each["receiptHandle"]} for each in done],
        )

    def remediate() -> None:
        """Process what the sweep has sent since the last time."""
        if not sent:
            return
        sent.clear()
        while found := records(stage_queue, 10):
            answer = enforce.handler({"Records": found}, cast(Any, _Context("enforce", 60)))
            assert answer == {"batchItemFailures": []}, answer
            delete(stage_queue, found)

    # No limit, like SWEEP_RATE.
    LOGS_RATES.update(dict.fromkeys(LOGS_RATES, 10**9))
    sent: list[object] = []
    session = boto3.Session()
    session.events.register("after-call.sqs.SendMessageBatch", lambda **_: sent.append(True))
    handler = sweep.SweepHandler(Settings.from_environment(os.environ), session)
    vars(sweep)["sweep_handler"] = lambda: handler
    sqs.send_message(QueueUrl=sweep_queue, MessageBody=json.dumps({"detail-type": "Scheduled Event", "detail": {}}))
    while found := records(sweep_queue, 1):
        sweep.handler({"Records": found}, cast(Any, _Context("sweep", 900, remediate)))
        remediate()
        delete(sweep_queue, found)
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
