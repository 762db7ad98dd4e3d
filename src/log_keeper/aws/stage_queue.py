"""What a sweep sends to StageQueue: the stages that require changes, no faster than they can be remediated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate, batched
from typing import TYPE_CHECKING

from log_keeper.aws.clients import FILTER_RATE, Clients
from log_keeper.events.own_events import log_role_to_evaluate, stage_to_evaluate
from log_keeper.policy.evaluation import Evaluation
from log_keeper.settings import Deployment
from log_keeper.stages import Api, Protocol, StageRef

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

#: The calls to API Gateway that the remediation of one stage takes: a read and a write. For an HTTP or WebSocket API,
#: each environment of the Enforce function that processes one of its stages also reads the protocol once.
_CALLS_OF_A_STAGE = 2
#: The longest delay of a message, in seconds, and the most messages in one call. *Source:* Amazon SQS quotas.
LONGEST_DELAY = 900
MESSAGES = 10


class QueueError(Exception):
    """SQS accepted only some messages of a batch. The sweep is started again."""


class StageQueue:
    """Collects the stages of a region to be remediated, and sends them to StageQueue, ten in one call.

    Methods that send raise QueueError, BotoCoreError and ClientError.
    """

    def __init__(self, clients: Clients, deployment: Deployment, region: str) -> None:
        self._clients = clients
        self._deployment = deployment
        self._region = region
        #: Stages that are not sent yet, with the seconds that each takes, and the number of calls that will read the
        #: protocols of their APIs.
        self._waiting: list[tuple[StageRef, float]] = []
        self._protocol_calls = 0

    def add(self, api: Api, evaluations: Iterable[Evaluation]) -> None:
        """Add the API's stages that require changes, except in Audit mode; send them if there are ten or more."""
        if self._deployment.is_audit:
            return
        found = [each for each in evaluations if each.requires_changes and not each.plan.is_exempt]
        self._waiting += [(each.stage.ref, self._seconds(each)) for each in found]
        self._protocol_calls += 0 if api.protocol is Protocol.REST else min(self._deployment.environments, len(found))
        if len(self._waiting) >= MESSAGES:
            self.send()

    def send(self) -> None:
        """Send the waiting stages, each with a delay, and reserve the time of their remediation in the pace."""
        if not self._waiting:
            return
        pace = self._clients.pace(self._region)
        ends = list(accumulate(seconds for _, seconds in self._waiting))
        self._send([stage_to_evaluate(ref) for ref, _ in self._waiting], [0.0, *ends[:-1]])
        pace.take(round(ends[-1] / pace.seconds(1)) + self._protocol_calls)
        self._waiting, self._protocol_calls = [], 0

    def _seconds(self, evaluation: Evaluation) -> float:
        """Return how many seconds the remediation takes: its calls to API Gateway, or those that set filters."""
        filters = len(evaluation.subscriptions) / FILTER_RATE
        return max(self._clients.pace(self._region).seconds(_CALLS_OF_A_STAGE), filters)

    def send_log_role(self) -> None:
        """Ask for a check of the region's log role."""
        self._send([log_role_to_evaluate(self._deployment.account.account_id, self._region)], [0])

    def _send(self, events: Sequence[dict[str, object]], delays: Sequence[float]) -> None:
        """Send each event with its delay in seconds."""
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": json.dumps(event), "DelaySeconds": min(int(delay), LONGEST_DELAY)}
            for number, (event, delay) in enumerate(zip(events, delays, strict=True))
        ]
        url = self._deployment.queues.stage_queue_url
        for some in batched(entries, MESSAGES, strict=False):
            answer = self._clients.sqs().send_message_batch(QueueUrl=url, Entries=list(some))
            if failed := answer.get("Failed"):
                raise QueueError(f"SQS did not accept {len(failed)} messages for StageQueue: {failed[0]}")
