"""What a sweep puts on StageQueue: the stages that require changes, no faster than they can be remediated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import ENVIRONMENTS
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.policy.evaluation import Evaluation
from log_keeper.settings import Settings
from log_keeper.stages import Api, Protocol, StageRef

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

#: What putting a stage in line takes of API Gateway: a read and a write; and, for an HTTP or WebSocket API, in each
#: environment of Enforce that deals with one of its stages, the kind of the API.
_CALLS_OF_A_REPAIR = 2
_LONGEST_DELAY = 900  # Source: Amazon SQS quotas
_MESSAGES = 10  # that a call takes. Source: the same


@dataclass(slots=True)
class Repairs:
    """The stages out of line that wait to be put on StageQueue, ten in a call."""

    clients: Clients
    settings: Settings
    region: str
    waiting: list[StageRef] = field(default_factory=list)
    #: Calls that their repairs take besides, for the kinds of their APIs.
    kinds: int = 0

    def ask(self, api: Api, evaluations: Iterable[Evaluation]) -> None:
        """The stages of the API that require changes are, or soon will be, on StageQueue."""
        refs = [found.stage.ref for found in evaluations if found.requires_changes and not found.plan.is_exempt]
        if self.settings.is_audit:
            return
        self.waiting += refs
        self.kinds += 0 if api.protocol is Protocol.REST else min(ENVIRONMENTS, len(refs))
        if len(self.waiting) >= _MESSAGES:
            self.send()

    def send(self) -> None:
        """Nobody waits any more, and the time that the repairs take has passed."""
        if not self.waiting:
            return
        pace = self.clients.pace(self.region)
        seconds = [pace.seconds(number * _CALLS_OF_A_REPAIR) for number in range(len(self.waiting))]
        send(self.clients, self.settings, [stage_to_evaluate(ref) for ref in self.waiting], seconds)
        pace.take(len(self.waiting) * _CALLS_OF_A_REPAIR + self.kinds)
        self.waiting, self.kinds = [], 0


def send(clients: Clients, settings: Settings, events: Sequence[dict[str, object]], delays: Sequence[float]) -> None:
    """Each event is on StageQueue, to be seen after its delay in seconds. Raises QueueError where SQS took not all."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": str(number), "MessageBody": json.dumps(event), "DelaySeconds": min(int(delay), _LONGEST_DELAY)}
        for number, (event, delay) in enumerate(zip(events, delays, strict=True))
    ]
    for some in batched(entries, _MESSAGES, strict=False):
        answer = clients.sqs().send_message_batch(QueueUrl=settings.stage_queue_url, Entries=list(some))
        if failed := answer.get("Failed"):
            raise QueueError(f"SQS did not take {len(failed)} messages for StageQueue: {failed[0]}")


class QueueError(Exception):
    """SQS took only some messages of a batch; the sweep is begun again."""
