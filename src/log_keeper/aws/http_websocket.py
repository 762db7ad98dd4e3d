"""HTTP and WebSocket APIs: a stage as GetStage of apigatewayv2 tells it, and a plan as one UpdateStage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from log_keeper.policy.plan import Applied, Change, Plan, Setting
from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage, StageRef

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_apigatewayv2.type_defs import (
        GetStageResponseTypeDef,
        RouteSettingsTypeDef,
        StageTypeDef,
        UpdateStageRequestTypeDef,
        UpdateStageResponseTypeDef,
    )

_MEMBERS = {
    Setting.ACCESS_LOG_DESTINATION: "DestinationArn",
    Setting.ACCESS_LOG_FORMAT: "Format",
    Setting.LOGGING_LEVEL: "LoggingLevel",
    Setting.DATA_TRACE: "DataTraceEnabled",
    Setting.DETAILED_METRICS: "DetailedMetricsEnabled",
}
_ACCESS_LOG = (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT)
#: *Source:* terraform-aws-modules/terraform-aws-apigateway-v2, issue 80: settings of a route that is gone.
_ROUTE_GONE = re.compile(r"Unable to find Route by key (.+) within the provided RouteSettings")


#: A stage that may be changed, but not so: for lack of permissions or a log group, which is an error like another.
_ABOUT_LOGS = re.compile(r"enable logging|[Ll]og destination|LogDestination")


class ManagedStageError(Exception):
    """API Gateway does not let the managed stage of a quick-created API be changed."""


@dataclass(frozen=True, slots=True)
class V2Stage:
    """A stage of an HTTP or WebSocket API as it was read; ``answer``: API Gateway's own description of it."""

    client: ApiGatewayV2Client
    stage: Stage
    answer: StageTypeDef | GetStageResponseTypeDef

    def split(self, changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
        """Return the changes as one part: UpdateStage takes any number."""
        yield tuple(changes)

    def apply(self, plan: Plan) -> Applied:
        """Make the changes of the plan in one UpdateStage that names their members only: API Gateway keeps the others.

        So a throttle that its owner changes meanwhile is never set back. *Source:* of the stage's settings, its access
        logs and the map of routes: radkawar/stackd, testdata/aws/apigateway; go-to-k/cdkd, apigatewayv2-provider.ts.
        Of a route's own settings it is not recorded: see ``_put_back``.

        The settings of a route that does not exist are left out once API Gateway has named it; there is nothing to log
        there. While they are there it refuses every call that names routes, so that the changes of all routes are left
        out then. *Source:* DianaIonita/serverless-api-gateway-throttling, issue 33.

        Raises ManagedStageError, and ClientError: ConflictException while another change of the stage is under way,
        NotFoundException if it is gone meanwhile.
        """
        made, stale_routes = list(plan.changes), list[str]()
        lost: tuple[str, ...] = ()
        while made:
            request = self._request(made)
            try:
                answer = self.client.update_stage(**request)
            except ClientError as error:
                is_refused = error_code(error) == "BadRequestException" and not _ABOUT_LOGS.search(error_message(error))
                if is_refused and self.stage.is_managed:
                    raise ManagedStageError(error_message(error)) from error
                gone, routes = _ROUTE_GONE.search(error_message(error)), request.get("RouteSettings", {})
                if gone is None or not routes:
                    raise
                stale_routes.append(gone[1])
                refused = {gone[1]} if gone[1] in routes else routes.keys()
                made = [change for change in made if change.override not in refused]
            else:
                lost = self._put_back(request.get("RouteSettings", {}), answer)
                break
        left_out = tuple(change for change in plan.changes if change not in made)
        return Applied(tuple(made), left_out, tuple(dict.fromkeys(stale_routes)), lost)

    def _request(self, changes: list[Change]) -> UpdateStageRequestTypeDef:
        """Return UpdateStage's parameters. No deployment id: a stage that deploys by itself takes none."""
        request: dict[str, Any] = {"ApiId": self.stage.ref.api_id, "StageName": self.stage.ref.stage_name}
        for change in changes:
            if change.setting is Setting.LOG_DELIVERY:
                # The format as it is: API Gateway then allows the delivery to whatever destination the stage has.
                request.setdefault("AccessLogSettings", {}).setdefault("Format", self.stage.access_log.format)
                continue
            member, value = _MEMBERS[change.setting], change.after
            if change.setting in _ACCESS_LOG:
                request.setdefault("AccessLogSettings", {})[member] = value
                continue
            if change.override is None:
                settings = request.setdefault("DefaultRouteSettings", {})
            else:
                settings = request.setdefault("RouteSettings", {}).setdefault(change.override, {})
            settings[member] = value if change.setting is Setting.LOGGING_LEVEL else value == "true"
        return cast("UpdateStageRequestTypeDef", request)

    def _put_back(
        self, sent: Mapping[str, RouteSettingsTypeDef], answer: UpdateStageResponseTypeDef
    ) -> tuple[str, ...]:
        """Put back the settings of routes that UpdateStage dropped; return those that could not be.

        Should API Gateway replace the settings of a route by those that are sent, and not merge them, then its answer
        lacks the others. It lacks them too where the owner deleted the settings of the route after they were read,
        and these must not come back. One member of the two that are ours, sent alone, tells which: the other stays or
        goes. No call is made where nothing is missing, and no throttle is sent where API Gateway merges.
        """
        before, after = self.answer.get("RouteSettings", {}), answer.get("RouteSettings", {})
        dropped = {route: before[route].keys() - after[route].keys() for route in sent if route in after}
        whole = {
            route: cast("RouteSettingsTypeDef", {**before[route], **sent[route]})
            for route, members in dropped.items()
            if members
        }
        if not whole:
            return ()
        try:
            route = next(iter(whole))
            if self._replaces(route, whole[route], after[route]):
                self._update_routes(whole)
        except Exception as error:  # noqa: BLE001 - a finding: whatever it is, the settings are lost
            why = error_message(error) if isinstance(error, ClientError) else error
            return tuple(f"{route}: {settings}: {why}" for route, settings in whole.items())
        return ()

    def _replaces(self, route: str, wanted: RouteSettingsTypeDef, now_set: RouteSettingsTypeDef) -> bool:
        """Return whether API Gateway drops the one of the route's two logging settings that is not sent."""
        if "DataTraceEnabled" in now_set:
            # A level that is absent is off.
            answer = self._update_routes({route: {"LoggingLevel": wanted.get("LoggingLevel", "OFF")}})
            return "DataTraceEnabled" not in answer[route]
        answer = self._update_routes({route: {"DataTraceEnabled": wanted.get("DataTraceEnabled", False)}})
        return "LoggingLevel" not in answer[route]

    def _update_routes(self, routes: Mapping[str, RouteSettingsTypeDef]) -> Mapping[str, RouteSettingsTypeDef]:
        ref = self.stage.ref
        answer = self.client.update_stage(ApiId=ref.api_id, StageName=ref.stage_name, RouteSettings=routes)
        return answer["RouteSettings"]


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
