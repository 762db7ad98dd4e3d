"""HTTP and WebSocket APIs: a stage as GetStage of apigatewayv2 tells it, and a plan as one UpdateStage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from log_keeper.aws import error_code, error_message
from log_keeper.policy import Change, Plan, Setting
from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage, StageRef

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_apigatewayv2.type_defs import (
        GetStageResponseTypeDef,
        RouteSettingsTypeDef,
        StageTypeDef,
        UpdateStageRequestTypeDef,
    )

_MEMBERS = {
    Setting.LOGGING_LEVEL: "LoggingLevel",
    Setting.DATA_TRACE: "DataTraceEnabled",
    Setting.DETAILED_METRICS: "DetailedMetricsEnabled",
}
#: *Source:* terraform-aws-modules/terraform-aws-apigateway-v2, issue 80: settings of a route that is gone.
_ROUTE_GONE = re.compile(r"Unable to find Route by key (.+) within the provided RouteSettings")


#: A stage that may be changed, but not so: for lack of permissions or a log group, which is an error like another.
_ABOUT_LOGS = re.compile(r"enable logging|[Ll]og destination|LogDestination")


class ManagedStageError(Exception):
    """API Gateway does not let the managed stage of a quick-created API be changed."""


@dataclass(frozen=True, slots=True)
class V2Stage:
    """A stage of an HTTP or WebSocket API as it was read, with the answer to send back from."""

    client: ApiGatewayV2Client
    stage: Stage
    answer: StageTypeDef | GetStageResponseTypeDef

    def apply(self, plan: Plan) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
        """Each change of the plan is made, by one UpdateStage; gives those made, and those left out on purpose.

        Settings objects are sent whole, as they were read: whether members that are not sent are kept is unknown.
        Objects with a throttle of 0 are not sent at all: that can shut an API, or open one that is shut (answering
        429 to everybody: pulumi/pulumi-aws, issue 2363). Settings of a route that is gone are left out once API
        Gateway has named it; there is nothing to log there.

        Raises ManagedStageError, and ClientError: ConflictException while another change of the stage is under way,
        NotFoundException if it is gone meanwhile.
        """
        left_out = tuple(change for change in plan.changes if self._has_zero_throttle(change))
        changes = [change for change in plan.changes if change not in left_out]
        while changes:
            try:
                self.client.update_stage(**self._request(changes))
            except ClientError as error:
                is_refused = error_code(error) == "BadRequestException" and not _ABOUT_LOGS.search(error_message(error))
                if is_refused and self.stage.is_managed:
                    raise ManagedStageError(error_message(error)) from error
                gone = _ROUTE_GONE.search(error_message(error))
                of_routes_left = [change for change in changes if gone is None or change.override != gone[1]]
                if len(of_routes_left) == len(changes):
                    raise
                changes = of_routes_left
            else:
                break
        return tuple(changes), left_out

    def _request(self, changes: list[Change]) -> UpdateStageRequestTypeDef:
        """UpdateStage's parameters. No deployment id: a stage that deploys by itself takes none."""
        ref, now_set = self.stage.ref, self.stage.access_log
        access: dict[str, Any] = {"DestinationArn": now_set.destination_arn, "Format": now_set.format}
        request: dict[str, Any] = {"ApiId": ref.api_id, "StageName": ref.stage_name}
        for change in changes:
            match change.setting:
                case Setting.ACCESS_LOG_DESTINATION | Setting.ACCESS_LOG_FORMAT:
                    is_format = change.setting is Setting.ACCESS_LOG_FORMAT
                    access["Format" if is_format else "DestinationArn"] = change.after
                    request["AccessLogSettings"] = access
                case Setting.LOGGING_LEVEL | Setting.DATA_TRACE | Setting.DETAILED_METRICS:
                    value = change.after if change.setting is Setting.LOGGING_LEVEL else change.after == "true"
                    if change.override is None:
                        whole = request.setdefault("DefaultRouteSettings", self._whole(None))
                    else:
                        routes = request.setdefault("RouteSettings", {})
                        whole = routes.setdefault(change.override, self._whole(change.override))
                    whole[_MEMBERS[change.setting]] = value
        return cast("UpdateStageRequestTypeDef", request)

    def _whole(self, route_key: str | None) -> dict[str, Any]:
        """The settings object of the stage or of a route, as it was read; less what an HTTP API does not take.

        *Source:* "Execution logs are not supported on protocolType HTTP" (hashicorp/terraform-provider-aws, issue
        12893), said to whoever sends these members, whatever their values.
        """
        routes = self.answer.get("RouteSettings", {})
        whole: RouteSettingsTypeDef = (
            self.answer.get("DefaultRouteSettings", {}) if route_key is None else routes[route_key]
        )
        refused = () if self.stage.has_execution_logs else ("LoggingLevel", "DataTraceEnabled")
        return {name: value for name, value in whole.items() if name not in refused}

    def _has_zero_throttle(self, change: Change) -> bool:
        if change.setting not in _MEMBERS:
            return False
        whole = self._whole(change.override)
        return any(whole.get(throttle) == 0 for throttle in ("ThrottlingBurstLimit", "ThrottlingRateLimit"))


def read_stage(client: ApiGatewayV2Client, ref: StageRef, protocol: Protocol) -> V2Stage | None:
    """What API Gateway says of the stage now; None if the stage or its API is gone."""
    try:
        answer = client.get_stage(ApiId=ref.api_id, StageName=ref.stage_name)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return V2Stage(client, to_stage(ref, protocol, answer), answer)


def read_protocol(client: ApiGatewayV2Client, api_id: str) -> Protocol | None:
    """The kind of the API, which never changes; None if the API is gone."""
    try:
        return Protocol(client.get_api(ApiId=api_id)["ProtocolType"])
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise


def list_stage_names(client: ApiGatewayV2Client, api_id: str) -> list[str]:
    """The names of the API's stages; none if the API is gone."""
    try:
        pages = client.get_paginator("get_stages").paginate(ApiId=api_id)
        return [stage["StageName"] for page in pages for stage in page["Items"]]
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return []
        raise


def to_stage(ref: StageRef, protocol: Protocol, answer: StageTypeDef | GetStageResponseTypeDef) -> Stage:
    """The stage as GetStage or GetStages describes it."""
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
