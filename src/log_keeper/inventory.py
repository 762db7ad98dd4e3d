"""The APIs and stages of a region, read from lists and evaluated in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code, is_transient
from log_keeper.aws.role_reading import LogRole
from log_keeper.facts import FactReader
from log_keeper.policy.evaluation import Evaluation, evaluate
from log_keeper.settings import Settings
from log_keeper.stages import Api, ApiVersion, Protocol, Stage, StageRef

#: The largest page of GetRestApis. *Source:* botocore's model. GetApis documents none, and is asked for the same.
_PAGE = 500
#: Stages whose log groups are looked for together: each has two, some three or four, and a call takes fifty names.
_TOGETHER = 25


#: Why an API could not be read; ValueError: it says what no API is known to say.
API_ERRORS = BotoCoreError, ClientError, ValueError


def list_apis(clients: Clients, region: str) -> list[Api]:
    """Every API of the region. Raises what botocore raises, such as for a region that is closed."""
    apis = []
    for page in (
        clients.apigateway(region).get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["id"], Protocol.REST, api.get("name", "")) for api in page.get("items", [])]
    for v2_page in (
        clients.apigatewayv2(region).get_paginator("get_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["ApiId"], Protocol(api["ProtocolType"]), api["Name"]) for api in v2_page["Items"]]
    return apis


def read_stages(clients: Clients, settings: Settings, region: str, api: Api) -> list[Stage]:
    """The stages of the API, from one call; none if it is gone."""
    try:
        if api.protocol is Protocol.REST:
            answer = clients.apigateway(region).get_stages(restApiId=api.api_id)
            return [
                rest.to_stage(_ref(settings, region, ApiVersion.V1, api, stage["stageName"]), stage)
                for stage in answer.get("item", [])
            ]
        pages = clients.apigatewayv2(region).get_paginator("get_stages").paginate(ApiId=api.api_id)
        return [
            http_websocket.to_stage(
                _ref(settings, region, ApiVersion.V2, api, v2_stage["StageName"]), api.protocol, v2_stage
            )
            for page in pages
            for v2_stage in page["Items"]
        ]
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return []
        raise


def _ref(settings: Settings, region: str, version: ApiVersion, api: Api, stage_name: str) -> StageRef:
    return StageRef(settings.account, region, version, api.api_id, stage_name)


def evaluate_all(
    clients: Clients,
    settings: Settings,
    region: str,
    apis: Iterable[Api],
    now: Callable[[], datetime],
    log_role: LogRole | None = None,
) -> Iterator[tuple[Api, list[Evaluation] | Exception]]:
    """Each API with how its stages stand, or why that cannot be said; log groups are looked for in batches.

    ``log_role``: the region's CloudWatch log role; None: the stages are evaluated as if it were valid.
    """
    reader = FactReader(clients, settings, region, log_role)
    waiting: list[tuple[Api, list[Stage]]] = []
    count = 0
    for api in apis:
        try:
            stages = read_stages(clients, settings, region, api)
        except API_ERRORS as error:
            yield api, error
            continue
        waiting.append((api, stages))
        count += len(stages)
        if count >= _TOGETHER:
            yield from _judge_together(reader, settings, waiting, now())
            waiting, count = [], 0
    yield from _judge_together(reader, settings, waiting, now())


def _judge_together(
    reader: FactReader, settings: Settings, waiting: list[tuple[Api, list[Stage]]], now: datetime
) -> Iterator[tuple[Api, list[Evaluation] | Exception]]:
    try:
        facts = reader.read([stage for _, stages in waiting for stage in stages])
    except API_ERRORS as error:
        if len(waiting) == 1 or is_transient(error):
            yield from ((api, error) for api, _ in waiting)
            return
        # What is refused may concern one API alone, which must not hide the others.
        for one in waiting:
            yield from _judge_together(reader, settings, [one], now)
        return
    for api, stages in waiting:
        yield api, [evaluate(stage, settings, facts, now) for stage in stages]
