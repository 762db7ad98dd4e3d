"""Reads and changes a stage by whichever of API Gateway's two APIs manages it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.http_websocket import V2Reading
from log_keeper.events.read_stages import ReadStage
from log_keeper.policy.plan import Applied, Change, Plan
from log_keeper.stages import Api, ApiVersion, Protocol, Stage, StageRef

#: A stage as it was read. A REST stage needs nothing more than itself.
type Reading = Stage | V2Reading


def stage_of(reading: Reading) -> Stage:
    """Return the stage that was read."""
    return reading.stage if isinstance(reading, V2Reading) else reading


def list_stages(clients: Clients, account: str, region: str, api: Api) -> list[ReadStage]:
    """Return all stages of the API as they are now; none if the API does not exist. REST: one call, others: pages.

    Raises BotoCoreError and ClientError; ValueError for an answer that API Gateway is not known to give.
    """
    if api.protocol is Protocol.REST:
        stages = rest.list_stages(clients.apigateway(region), account, region, api.api_id)
        return [ReadStage(stage, {}) for stage in stages]
    readings = http_websocket.list_readings(clients.apigatewayv2(region), account, region, api)
    return [ReadStage(reading.stage, reading.routes) for reading in readings]


def reading_of(read: ReadStage) -> Reading:
    """Return the stage in the form that ``apply_changes`` needs."""
    if read.stage.protocol is Protocol.REST:
        return read.stage
    return V2Reading(read.stage, cast(Any, read.routes))


class StageReader:
    """Reads stages. Keeps the protocol of each HTTP and WebSocket API, which never changes."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._protocols: dict[tuple[str, str], Protocol] = {}

    def read(self, ref: StageRef) -> Reading | None:
        """Return the stage as it is now; None if the stage or its API does not exist. Raises ClientError."""
        if ref.version is ApiVersion.V1:
            return rest.read_stage(self._clients.apigateway(ref.region), ref)
        protocol = self._protocol(ref)
        if protocol is None:
            return None
        return http_websocket.read_stage(self._clients.apigatewayv2(ref.region), ref, protocol)

    def read_api(self, ref: StageRef) -> list[ReadStage]:
        """Return all stages of the stage's API, as ``list_stages`` does."""
        protocol = Protocol.REST if ref.version is ApiVersion.V1 else self._protocol(ref)
        if protocol is None:
            return []
        return list_stages(self._clients, ref.account, ref.region, Api(ref.api_id, protocol))

    def know(self, stage: Stage) -> None:
        """Keep the protocol of the stage's API, which somebody else has read."""
        self._protocols[stage.ref.region, stage.ref.api_id] = stage.protocol

    def _protocol(self, ref: StageRef) -> Protocol | None:
        key = ref.region, ref.api_id
        known = self._protocols.get(key)
        if known is None:
            known = http_websocket.read_protocol(self._clients.apigatewayv2(ref.region), ref.api_id)
        if known is not None:
            self._protocols[key] = known
        return known


def apply_changes(clients: Clients, reading: Reading, plan: Plan, changes: Sequence[Change]) -> Iterator[Applied]:
    """Make some changes of the plan, by as few UpdateStage calls as possible; yield what each call has done.

    Raises ManagedStageError and ClientError.
    """
    region = stage_of(reading).ref.region
    if isinstance(reading, V2Reading):
        yield http_websocket.apply(clients.apigatewayv2(region), reading, replace(plan, changes=tuple(changes)))
        return
    for part in rest.split(changes):
        yield rest.apply(clients.apigateway(region), reading, replace(plan, changes=part))
