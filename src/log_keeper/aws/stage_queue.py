"""What a sweep sends to StageQueue: the stages that require changes, no faster than they can be remediated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, batched
from typing import TYPE_CHECKING, NamedTuple

from log_keeper.aws.clients import LOGS_RATES, Clients
from log_keeper.events.own_events import MOST_STAGES, api_to_evaluate, log_role_to_evaluate
from log_keeper.events.read_stages import ReadStage
from log_keeper.policy.log_groups import log_groups_of
from log_keeper.policy.policy import Policy
from log_keeper.settings import Deployment
from log_keeper.stages import Stage

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

#: The longest delay of a message, in seconds; the most messages and bytes in one call. *Source:* Amazon SQS quotas: 1
#: MiB, 256 KiB before August 2025.
LONGEST_DELAY = 900
MESSAGES = 10
MOST_BYTES = 250_000
#: Stages that are sent together, and for how long the first of them waits: the Enforce function must receive them
#: soon after they were read.
_TOGETHER = 10
_SOON = timedelta(seconds=2)
#: Seconds that the writes of one message take at most at the pace of an environment of the Enforce function. Ten
#: messages in one invocation then take half of its time.
_SECONDS_OF_A_MESSAGE = 3
#: The bytes of a message from which it has only the names of the stages.
_LARGE = 100_000


class QueueError(Exception):
    """SQS accepted only some messages of a batch. The sweep is started again."""


class _Message(NamedTuple):
    """A message about stages of one API, which were read at ``moment``. ``seconds``: that their remediation takes."""

    stages: Sequence[ReadStage]
    moment: datetime
    seconds: float

    def text(self) -> str:
        """Return the text of the message."""
        refs = [each.stage.ref for each in self.stages]
        whole = json.dumps(api_to_evaluate(refs, self.stages, self.moment))
        return whole if len(whole) < _LARGE else json.dumps(api_to_evaluate(refs, (), self.moment))


class StageQueue:
    """Collects the stages of a region to be remediated, and sends them to StageQueue, those of an API together.

    Methods that send raise QueueError, BotoCoreError and ClientError.
    """

    def __init__(self, clients: Clients, deployment: Deployment, policy: Policy, region: str) -> None:
        self._clients = clients
        self._deployment = deployment
        self._policy = policy
        self._region = region
        self._waiting: list[_Message] = []

    def add(self, stages: Sequence[ReadStage], moment: datetime) -> None:
        """Add stages of one API that require changes and were read at *moment*, except in Audit mode.

        Send those that wait if there are enough, or if the first has waited for long enough.
        """
        if self._deployment.is_audit:
            return
        if stages:
            seconds = max(self._seconds(each.stage) for each in stages)
            in_one = _SECONDS_OF_A_MESSAGE / (seconds * self._deployment.environments)
            parts = -(-len(stages) // max(1, int(min(in_one, MOST_STAGES))))
            messages = batched(stages, -(-len(stages) // parts), strict=False)
            self._waiting += [_Message(some, moment, seconds * len(some)) for some in messages]
        is_enough = sum(len(message.stages) for message in self._waiting) >= _TOGETHER
        if is_enough or (self._waiting and moment - self._waiting[0].moment >= _SOON):
            self.send()

    def send(self) -> None:
        """Send the waiting stages, each message with a delay, and reserve the time of their remediation in the pace."""
        if not self._waiting:
            return
        pace = self._clients.pace(self._region)
        ends = list(accumulate(message.seconds for message in self._waiting))
        self._send([message.text() for message in self._waiting], [0.0, *ends[:-1]])
        pace.take(ends[-1] / pace.seconds(1))
        self._waiting = []

    def _seconds(self, stage: Stage) -> float:
        """Return how many seconds the remediation takes: its calls to API Gateway, or to Logs if those take longer.

        A stage that has a destination has most of its log groups.
        """
        groups = len(log_groups_of(stage, self._policy))
        created = groups if stage.access_log.destination_arn is None else 0
        filters = groups if self._policy.forwards_logs else 0
        calls = 1 if self._deployment.written_for else 2  # a read, too
        of_api_gateway = self._clients.pace(self._region).seconds(calls)
        return max(
            of_api_gateway, created / LOGS_RATES["CreateLogGroup"], filters / LOGS_RATES["PutSubscriptionFilter"]
        )

    def send_log_role(self) -> None:
        """Ask for a check of the region's log role."""
        self._send([json.dumps(log_role_to_evaluate(self._deployment.account.account_id, self._region))], [0])

    def _send(self, texts: Iterable[str], delays: Iterable[float]) -> None:
        """Send each message with its delay in seconds, in place of the queue's, SettleSeconds."""
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": min(int(delay), LONGEST_DELAY)}
            for number, (body, delay) in enumerate(zip(texts, delays, strict=True))
        ]
        url = self._deployment.queues.stage_queue_url
        for some in in_calls(entries, [len(entry["MessageBody"]) for entry in entries]):
            answer = self._clients.sqs().send_message_batch(QueueUrl=url, Entries=some)
            if failed := answer.get("Failed"):
                raise QueueError(f"SQS did not accept {len(failed)} messages for StageQueue: {failed[0]}")


def in_calls[Thing](messages: Iterable[Thing], sizes: Iterable[int]) -> Iterator[list[Thing]]:
    """Yield the messages in groups that one call takes. ``sizes``: the bytes of each message."""
    batch: list[Thing] = []
    total = 0
    for message, size in zip(messages, sizes, strict=True):
        if batch and (len(batch) == MESSAGES or total + size > MOST_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(message)
        total += size
    if batch:
        yield batch
