"""Reads and changes a stage by whichever of API Gateway's two APIs manages it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.http_websocket import V2Reading
from log_keeper.events.read_stages import ReadStage
from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.plan import Applied, Change, Plan
from log_keeper.stages import Api, ApiVersion, Protocol, Stage, StageRef

#: A stage as it was read. A REST stage needs nothing more than itself.
type Reading = Stage | V2Reading


def stage_of(reading: Reading) -> Stage:
    """Return the stage that was read."""
    return reading.stage if isinstance(reading, V2Reading) else reading


def list_stages(clients: Clients, account: str, region: str, api: Api) -> list[ReadStage]:
    """Return all stages of the API as they are now; none if the API does not exist. REST: one call, others: pages.

    They have the name of the API, if it is known.

    Raises BotoCoreError and ClientError; ValueError for an answer that API Gateway is not known to give.
    """
    if api.protocol is Protocol.REST:
        stages = rest.list_stages(clients.apigateway(region), account, region, api.api_id)
        return _named([ReadStage(stage, {}) for stage in stages], api.name or None)
    readings = http_websocket.list_readings(clients.apigatewayv2(region), account, region, api)
    return _named([ReadStage(reading.stage, reading.routes) for reading in readings], api.name or None)


def _named(read: list[ReadStage], api_name: str | None) -> list[ReadStage]:
    return [each._replace(stage=replace(each.stage, api_name=api_name)) for each in read]


def reading_of(read: ReadStage) -> Reading:
    """Return the stage in the form that ``apply_changes`` needs."""
    if read.stage.protocol is Protocol.REST:
        return read.stage
    return V2Reading(read.stage, cast(Any, read.routes))


class StageReader:
    """Reads stages. Keeps the protocol of each HTTP and WebSocket API, which never changes, but no API's name.

    ``names``: of log groups, which may need the names of APIs.
    """

    def __init__(self, clients: Clients, names: AccessLogNames) -> None:
        self._clients = clients
        self._names = names
        self._protocols: dict[tuple[str, str], Protocol] = {}

    def read(self, ref: StageRef) -> Reading | None:
        """Return the stage as it is now; None if the stage or its API does not exist. Raises ClientError.

        It has the name of its API only if that costs no call.
        """
        if ref.version is ApiVersion.V1:
            return rest.read_stage(self._clients.apigateway(ref.region), ref)
        api = self._api(ref)
        if api is None:
            return None
        reading = http_websocket.read_stage(self._clients.apigatewayv2(ref.region), ref, api.protocol)
        return reading and replace(reading, stage=replace(reading.stage, api_name=api.name or None))

    def read_api(self, ref: StageRef) -> list[ReadStage]:
        """Return all stages of the stage's API, as ``list_stages`` does, with the API's name if one of them needs it.

        Raises ClientError as ``with_api_name`` does.
        """
        api = Api(ref.api_id, Protocol.REST) if ref.version is ApiVersion.V1 else self._api(ref)
        if api is None:
            return []
        read = list_stages(self._clients, ref.account, ref.region, api)
        return _named(read, self._read_api_name(ref)) if any(self._needs_name(each.stage) for each in read) else read

    def with_api_name(self, stage: Stage) -> Stage:
        """Return the stage with the name of its API, from one call if the name of its new log group needs it.

        The name can change, so it is not kept. Raises BotoCoreError and ClientError, also if the API does not exist.
        """
        return replace(stage, api_name=self._read_api_name(stage.ref)) if self._needs_name(stage) else stage

    def _needs_name(self, stage: Stage) -> bool:
        return stage.access_log.needs_destination and self._names.needs_api_name(stage.api_name)

    def _read_api_name(self, ref: StageRef) -> str:
        if ref.version is ApiVersion.V1:
            return rest.read_api_name(self._clients.apigateway(ref.region), ref.api_id)
        return http_websocket.read_api_name(self._clients.apigatewayv2(ref.region), ref.api_id)

    def know(self, stage: Stage) -> None:
        """Keep the protocol of the stage's API, which somebody else has read."""
        self._protocols[stage.ref.region, stage.ref.api_id] = stage.protocol

    def _api(self, ref: StageRef) -> Api | None:
        """Return the stage's API; its name is empty if the protocol was known."""
        key = ref.region, ref.api_id
        if (known := self._protocols.get(key)) is not None:
            return Api(ref.api_id, known)
        api = http_websocket.read_api(self._clients.apigatewayv2(ref.region), ref.api_id)
        if api is not None:
            self._protocols[key] = api.protocol
        return api


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
