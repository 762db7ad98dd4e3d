"""Sends work to SweepQueue: a message for each region to sweep, or for what remains of one."""

from __future__ import annotations

from collections.abc import Iterable

from log_keeper.aws.clients import Clients
from log_keeper.events.sweep_work import Work
from log_keeper.settings import Deployment


def send_works(clients: Clients, deployment: Deployment, works: Iterable[Work]) -> None:
    """Send a message for each work. Raises BotoCoreError and ClientError."""
    for work in works:
        clients.sqs().send_message(QueueUrl=deployment.queues.sweep_queue_url, MessageBody=work.to_message())
