"""Sends work to SweepQueue: a message for each region to sweep, or for what remains of one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import batched

from log_keeper.aws.clients import Clients
from log_keeper.aws.stage_queue import MESSAGES, QueueError
from log_keeper.events.sweep_work import Work
from log_keeper.settings import Deployment


def send_works(clients: Clients, deployment: Deployment, works: Iterable[Work], seconds: int = 0) -> None:
    """Send a message for each work, to be delivered after so many seconds.

    Raises QueueError, BotoCoreError and ClientError.
    """
    for some in batched(works, MESSAGES, strict=False):
        answer = clients.sqs().send_message_batch(
            QueueUrl=deployment.queues.sweep_queue_url,
            Entries=[
                {"Id": str(number), "MessageBody": work.to_message(), "DelaySeconds": seconds}
                for number, work in enumerate(some)
            ],
        )
        if failed := answer.get("Failed"):
            raise QueueError(f"SQS did not accept {len(failed)} messages for SweepQueue: {failed[0]}")
