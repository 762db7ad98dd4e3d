"""HTTP and WebSocket APIs: reads APIs and stages, and makes the changes of a plan by UpdateStage of apigatewayv2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from log_keeper.aws.route_settings import restore_routes
from log_keeper.policy.plan import Applied, Change, Plan, Setting
from log_keeper.stages import (
    AccessLogSettings,
    Api,
    ApiVersion,
    LoggingLevel,
    MethodSettings,
    Protocol,
    Stage,
    StageRef,
)

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_apigatewayv2.type_defs import (
        GetStageResponseTypeDef,
        RouteSettingsTypeDef,
        StageTypeDef,
        UpdateStageRequestTypeDef,
    )

#: Asked for in a page of GetApis, whose largest page is not documented. That of GetRestApis is 500.
_PAGE = 500
_MEMBERS = {
    Setting.ACCESS_LOG_DESTINATION: "DestinationArn",
    Setting.ACCESS_LOG_FORMAT: "Format",
    Setting.LOGGING_LEVEL: "LoggingLevel",
    Setting.DATA_TRACE: "DataTraceEnabled",
    Setting.DETAILED_METRICS: "DetailedMetricsEnabled",
}
_ACCESS_LOG = (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT)
#: API Gateway's answer about settings of a route that does not exist. *Source:*
#: terraform-aws-modules/terraform-aws-apigateway-v2, issue 80.
_STALE_ROUTE = re.compile(r"Unable to find Route by key (.+) within the provided RouteSettings")
#: Answers about permissions or the log group. They do not mean that API Gateway refuses to change the managed stage.
_ABOUT_LOGS = re.compile(r"enable logging|[Ll]og destination|LogDestination")


class ManagedStageError(Exception):
    """API Gateway refuses to change the managed stage of a quick-created API."""


@dataclass(frozen=True, slots=True)
class V2Reading:
    """A stage of an HTTP or WebSocket API as it was read.

    ``routes``: all settings of each route that has its own, also those that Log Keeper does not manage.
    """

    stage: Stage
    routes: Mapping[str, RouteSettingsTypeDef] = field(default_factory=dict)


def list_apis(client: ApiGatewayV2Client) -> list[Api]:
    """Return all HTTP and WebSocket APIs of the region. Raises BotoCoreError and ClientError."""
    pages = client.get_paginator("get_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    return [Api(api["ApiId"], Protocol(api["ProtocolType"]), api["Name"]) for page in pages for api in page["Items"]]


def list_stages(client: ApiGatewayV2Client, account: str, region: str, api: Api) -> list[Stage]:
    """Return all stages of the API, as ``list_readings`` does."""
    return [reading.stage for reading in list_readings(client, account, region, api)]


def list_readings(client: ApiGatewayV2Client, account: str, region: str, api: Api) -> list[V2Reading]:
    """Return all stages of the API with the settings of their routes; none if the API does not exist.

    Raises BotoCoreError and ClientError; ValueError for an answer that API Gateway is not known to give.
    """
    readings = []
    for stage in _stages(client, api.api_id):
        ref = StageRef(account, region, ApiVersion.V2, api.api_id, stage["StageName"])
        readings.append(V2Reading(to_stage(ref, api.protocol, stage), stage.get("RouteSettings", {})))
    return readings


def list_stage_names(client: ApiGatewayV2Client, api_id: str) -> list[str]:
    """Return the names of the API's stages; none if the API does not exist. Raises BotoCoreError and ClientError."""
    return [stage["StageName"] for stage in _stages(client, api_id)]


def _stages(client: ApiGatewayV2Client, api_id: str) -> list[StageTypeDef]:
    try:
        pages = client.get_paginator("get_stages").paginate(ApiId=api_id)
        return [stage for page in pages for stage in page["Items"]]
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return []
        raise


def read_api(client: ApiGatewayV2Client, api_id: str) -> Api | None:
    """Return the API: its protocol, which never changes, and its name now; None if it does not exist."""
    try:
        api = client.get_api(ApiId=api_id)
        return Api(api_id, Protocol(api["ProtocolType"]), api.get("Name", ""))
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise


def read_api_name(client: ApiGatewayV2Client, api_id: str) -> str:
    """Return the name of the API now. Raises BotoCoreError and ClientError, also if the API does not exist."""
    return client.get_api(ApiId=api_id).get("Name", "")


def read_stage(client: ApiGatewayV2Client, ref: StageRef, protocol: Protocol) -> V2Reading | None:
    """Return the stage as it is now; None if the stage or its API does not exist."""
    try:
        answer = client.get_stage(ApiId=ref.api_id, StageName=ref.stage_name)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return V2Reading(to_stage(ref, protocol, answer), answer.get("RouteSettings", {}))


def to_stage(ref: StageRef, protocol: Protocol, answer: StageTypeDef | GetStageResponseTypeDef) -> Stage:
    """Return the stage as GetStage or GetStages describes it."""
    access = answer.get("AccessLogSettings", {})
    return Stage(
        ref=ref,
        protocol=protocol,
        tags=answer.get("Tags", {}),
        access_log=AccessLogSettings(access.get("DestinationArn") or None, access.get("Format") or None),
        settings=_to_settings(answer.get("DefaultRouteSettings", {})),
        overrides={route: _to_settings(settings) for route, settings in answer.get("RouteSettings", {}).items()},
        is_managed=answer.get("ApiGatewayManaged", False),
    )


def _to_settings(settings: RouteSettingsTypeDef) -> MethodSettings:
    return MethodSettings(
        LoggingLevel(settings.get("LoggingLevel") or "OFF"),
        settings.get("DataTraceEnabled", False),
        settings.get("DetailedMetricsEnabled", False),
    )


def apply(client: ApiGatewayV2Client, reading: V2Reading, plan: Plan) -> Applied:
    """Make the changes of the plan by UpdateStage calls that contain only the members that change.

    API Gateway keeps the other members, so that a throttle which the owner changes at the same time is not reverted.
    *Source:* for the settings of the stage, its access logs and the map of routes: radkawar/stackd,
    testdata/aws/apigateway; go-to-k/cdkd, apigatewayv2-provider.ts. For the settings of one route there is no
    recording: see ``restore_routes``.

    As long as a route that does not exist has settings, API Gateway refuses every call that names routes. Its answer
    names one such route; the call is repeated without it, and then without any route.
    *Source:* DianaIonita/serverless-api-gateway-throttling, issue 33.

    Raises ManagedStageError, and ClientError: ConflictException while another change of the stage is in progress,
    NotFoundException if the stage was deleted in the meantime.
    """
    made, stale_routes = list(plan.changes), list[str]()
    lost: tuple[str, ...] = ()
    while made:
        request = _request(reading.stage, made)
        sent = request.get("RouteSettings", {})
        try:
            answer = client.update_stage(**request)
        except ClientError as error:
            stale_routes.append(_stale_route(error, reading.stage, has_routes=bool(sent)))
            refused = {stale_routes[-1]} if stale_routes[-1] in sent else sent.keys()
            made = [change for change in made if change.override not in refused]
        else:
            lost = restore_routes(client, reading.stage.ref, reading.routes, sent, answer.get("RouteSettings", {}))
            break
    left_out = tuple(change for change in plan.changes if change not in made)
    return Applied(tuple(made), left_out, tuple(dict.fromkeys(stale_routes)), lost)


def _stale_route(error: ClientError, stage: Stage, *, has_routes: bool) -> str:
    """Return the route that does not exist, according to API Gateway's answer; raise the error if it says otherwise."""
    message = error_message(error)
    is_refused = error_code(error) == "BadRequestException" and not _ABOUT_LOGS.search(message)
    if is_refused and stage.is_managed:
        raise ManagedStageError(message) from error
    stale = _STALE_ROUTE.search(message)
    if stale is None or not has_routes:
        raise error
    return stale[1]


def _request(stage: Stage, changes: list[Change]) -> UpdateStageRequestTypeDef:
    """Return UpdateStage's parameters. Without a deployment id: a stage with automatic deployment refuses one."""
    request: dict[str, Any] = {"ApiId": stage.ref.api_id, "StageName": stage.ref.stage_name}
    for change in changes:
        if change.setting is Setting.LOG_DELIVERY:
            # The format as it is: API Gateway then allows log delivery to the destination that the stage has.
            request.setdefault("AccessLogSettings", {}).setdefault("Format", stage.access_log.format)
            continue
        if change.setting in _ACCESS_LOG:
            settings = request.setdefault("AccessLogSettings", {})
        elif change.override is None:
            settings = request.setdefault("DefaultRouteSettings", {})
        else:
            settings = request.setdefault("RouteSettings", {}).setdefault(change.override, {})
        settings[_MEMBERS[change.setting]] = change.after
    return cast("UpdateStageRequestTypeDef", request)
