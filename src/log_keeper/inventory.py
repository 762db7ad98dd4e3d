"""The APIs and stages of one region, and their evaluations, from lists alone.

The lists of APIs have pages of 500, one call for each API returns its stages, and log groups are read by fifty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import is_transient
from log_keeper.aws.role_reading import LogRole
from log_keeper.aws.stage_api import list_stages
from log_keeper.events.read_stages import ReadStage
from log_keeper.facts import FactReader
from log_keeper.policy.evaluation import Evaluation, evaluate
from log_keeper.policy.policy import Policy
from log_keeper.stages import Account, Api, Stage

#: The number of stages whose log groups are read together. A stage has two to four log groups, and a call reads fifty.
_TOGETHER = 25

#: Why an API could not be read. ValueError: an answer that API Gateway is not known to give.
API_ERRORS = BotoCoreError, ClientError, ValueError

#: The evaluations of an API's stages, or why they could not be read.
type Evaluated = tuple[Api, list[Evaluation] | Exception]


class Inventory:
    """Lists the APIs of one region and evaluates their stages. Nothing is changed."""

    def __init__(self, clients: Clients, account: Account, region: str, policy: Policy) -> None:
        self.clients = clients
        self.account = account
        self.region = region
        self.policy = policy

    def list_apis(self) -> list[Api]:
        """Return all APIs of the region. Raises BotoCoreError and ClientError."""
        rest_apis = rest.list_apis(self.clients.apigateway(self.region))
        return rest_apis + http_websocket.list_apis(self.clients.apigatewayv2(self.region))

    def evaluate_all(
        self,
        apis: Iterable[Api],
        now: Callable[[], datetime],
        log_role: LogRole | None = None,
        on_read: Callable[[list[ReadStage]], None] = lambda _: None,
    ) -> Iterator[Evaluated]:
        """Yield the evaluations of each API's stages, or the error that kept them from being read.

        ``log_role``: the region's CloudWatch log role; None if it is not known: stages are then evaluated as if it were
        valid. ``on_read``: is called with the stages of each API as soon as they have been read.
        """
        reader = FactReader(self.clients, self.account, self.region, self.policy, log_role)
        waiting: list[tuple[Api, list[Stage]]] = []
        count = 0
        for api in apis:
            try:
                read = list_stages(self.clients, self.account.account_id, self.region, api)
            except API_ERRORS as error:
                yield api, error
                continue
            on_read(read)
            waiting.append((api, [each.stage for each in read]))
            # A canary doubles the log groups, and with log forwarding each takes a call in the time that is reserved.
            count += len(read) + sum(each.stage.has_canary for each in read)
            if count >= _TOGETHER:
                yield from self._evaluate_together(reader, waiting, now())
                waiting, count = [], 0
        yield from self._evaluate_together(reader, waiting, now())

    def _evaluate_together(
        self, reader: FactReader, waiting: list[tuple[Api, list[Stage]]], now: datetime
    ) -> Iterator[Evaluated]:
        try:
            facts = reader.read([stage for _, stages in waiting for stage in stages])
        except API_ERRORS as error:
            if len(waiting) == 1 or is_transient(error):
                yield from ((api, error) for api, _ in waiting)
                return
            # The error may concern one API alone, and must not hide the others.
            for one in waiting:
                yield from self._evaluate_together(reader, [one], now)
            return
        for api, stages in waiting:
            yield api, [evaluate(stage, self.policy, facts, now) for stage in stages]


@dataclass(slots=True)
class Count:
    """Numbers of stages: evaluated, compliant, and opted in to INFO."""

    evaluated: int = 0
    compliant: int = 0
    opted_in: int = 0

    def add(self, evaluation: Evaluation) -> None:
        """Count one stage."""
        self.evaluated += 1
        self.compliant += evaluation.is_compliant
        self.opted_in += evaluation.is_opted_in
