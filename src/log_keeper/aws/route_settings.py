"""The settings of one route of an HTTP or WebSocket API, which UpdateStage may merge or replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_message
from log_keeper.stages import StageRef

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_apigatewayv2.type_defs import RouteSettingsTypeDef

    type _Routes = Mapping[str, RouteSettingsTypeDef]


def restore_routes(
    client: ApiGatewayV2Client, ref: StageRef, before: _Routes, sent: _Routes, after: _Routes
) -> tuple[str, ...]:
    """Restore settings of routes that UpdateStage dropped. Return those that could not be restored, one text each.

    ``before``: the settings as they were read. ``sent``: those in the request. ``after``: those in its answer.

    If API Gateway replaces the settings of a route and does not merge them, its answer does not have those that were
    not sent. They are missing too if the owner deleted the settings of the route after they were read, and must not
    come back then. To find out which, one of the two settings that Log Keeper manages is sent alone: the other stays
    or is dropped. No call is made if nothing is missing, and no throttle is sent if API Gateway merges.
    """
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
        if _replaces(client, ref, route, whole[route], after[route]):
            _update(client, ref, whole)
    except Exception as error:  # noqa: BLE001 - a finding: whatever the error is, the settings are lost
        why = error_message(error) if isinstance(error, ClientError) else error
        return tuple(f"{route}: {settings}: {why}" for route, settings in whole.items())
    return ()


def _replaces(
    client: ApiGatewayV2Client, ref: StageRef, route: str, wanted: RouteSettingsTypeDef, now_set: RouteSettingsTypeDef
) -> bool:
    """Return whether API Gateway drops the one of the route's two logging settings that is not sent."""
    if "DataTraceEnabled" in now_set:
        # A missing level is OFF.
        answer = _update(client, ref, {route: {"LoggingLevel": wanted.get("LoggingLevel", "OFF")}})
        return "DataTraceEnabled" not in answer[route]
    answer = _update(client, ref, {route: {"DataTraceEnabled": wanted.get("DataTraceEnabled", False)}})
    return "LoggingLevel" not in answer[route]


def _update(client: ApiGatewayV2Client, ref: StageRef, routes: _Routes) -> _Routes:
    answer = client.update_stage(ApiId=ref.api_id, StageName=ref.stage_name, RouteSettings=routes)
    return answer["RouteSettings"]
