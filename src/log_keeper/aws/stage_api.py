"""Reads and changes a stage by whichever of API Gateway's two APIs manages it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.http_websocket import V2Reading
from log_keeper.policy.plan import Applied, Change, Plan
from log_keeper.stages import ApiVersion, Protocol, Stage, StageRef

#: A stage as it was read. A REST stage needs nothing more than itself.
type Reading = Stage | V2Reading


def stage_of(reading: Reading) -> Stage:
    """Return the stage that was read."""
    return reading.stage if isinstance(reading, V2Reading) else reading


class StageReader:
    """Reads stages. Keeps the protocol of each HTTP and WebSocket API, which never changes."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._protocols: dict[tuple[str, str], Protocol] = {}

    def read(self, ref: StageRef) -> Reading | None:
        """Return the stage as it is now; None if the stage or its API does not exist. Raises ClientError."""
        if ref.version is ApiVersion.V1:
            return rest.read_stage(self._clients.apigateway(ref.region), ref)
        client, key = self._clients.apigatewayv2(ref.region), (ref.region, ref.api_id)
        protocol = self._protocols.get(key) or http_websocket.read_protocol(client, ref.api_id)
        if protocol is None:
            return None
        self._protocols[key] = protocol
        return http_websocket.read_stage(client, ref, protocol)


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
