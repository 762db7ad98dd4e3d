"""A plan becomes one UpdateStage of apigatewayv2 with only the members that change."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from log_keeper.aws import http_websocket
from log_keeper.aws.http_websocket import ManagedStageError, V2Reading, to_stage
from log_keeper.policy.plan import Applied, plan
from log_keeper.stages import Protocol
from testing.builders import FORMATS, POLICY, V2_REF

NOW = datetime(2026, 11, 2, tzinfo=UTC)
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:"
LOGGED = {"DestinationArn": f"{LOG_GROUP}mine", "Format": "$context.requestId"}


class Client:
    """A client that raises each of ``refusals``, then accepts UpdateStage. ``answer``: the stage before."""

    def __init__(self, *refusals: tuple[str, str]) -> None:
        self.refusals, self.answer = list(refusals), dict[str, Any]()
        self.requests: list[dict[str, Any]] = []

    def update_stage(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self.refusals:
            code, message = self.refusals.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": message}}, "UpdateStage")
        before = self.answer.get("RouteSettings", {})
        routes = {route: before[route] | sent for route, sent in request.get("RouteSettings", {}).items()}
        return {"RouteSettings": before | routes}


def apply(client: Client, protocol: Protocol, **answer: Any) -> Applied:
    """Apply the plan for a stage that GetStage describes with these members."""
    client.answer = answer
    stage = to_stage(V2_REF, protocol, answer)  # type: ignore[arg-type]
    reading = V2Reading(stage, answer.get("RouteSettings", {}))
    return http_websocket.apply(client, reading, plan(stage, POLICY, NOW))  # type: ignore[arg-type]


def test_http_stage_gets_access_logs_and_nothing_else() -> None:
    client = Client()
    apply(client, Protocol.HTTP, DefaultRouteSettings={"DetailedMetricsEnabled": False})
    assert client.requests == [
        {
            "ApiId": "a1b2c3d4e5",
            "StageName": "$default",
            "AccessLogSettings": {
                "DestinationArn": f"{LOG_GROUP}/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default",
                "Format": FORMATS[Protocol.HTTP],
            },
        }
    ]


def test_only_members_that_change_are_sent() -> None:
    client = Client()
    throttled = {"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3.5}
    apply(
        client,
        Protocol.WEBSOCKET,
        AccessLogSettings=LOGGED,
        DefaultRouteSettings={"DetailedMetricsEnabled": True, **throttled},
        RouteSettings={
            "$connect": {"LoggingLevel": "INFO", "DataTraceEnabled": True, **throttled},
            "ok": {"LoggingLevel": "ERROR"},
        },
    )
    assert client.requests == [
        {
            "ApiId": "a1b2c3d4e5",
            "StageName": "$default",
            "DefaultRouteSettings": {"LoggingLevel": "ERROR"},
            "RouteSettings": {"$connect": {"LoggingLevel": "ERROR", "DataTraceEnabled": False}},
        }
    ]


def test_settings_of_an_http_api_are_sent_without_execution_logs() -> None:
    """Whatever GetStage answers: execution logs of an HTTP API are refused, even OFF."""
    client, answer = Client(), {"DefaultRouteSettings": {"LoggingLevel": "OFF", "DataTraceEnabled": False}}
    stage = to_stage(V2_REF, Protocol.HTTP, answer)  # type: ignore[arg-type]
    planned = plan(stage, replace(POLICY, wants_detailed_metrics=True), NOW)
    http_websocket.apply(client, V2Reading(stage), planned)  # type: ignore[arg-type]
    assert [request["DefaultRouteSettings"] for request in client.requests] == [{"DetailedMetricsEnabled": True}]


def test_missing_format_is_sent_without_the_destination() -> None:
    client = Client()
    apply(client, Protocol.HTTP, AccessLogSettings={"DestinationArn": LOGGED["DestinationArn"]})
    assert [request["AccessLogSettings"] for request in client.requests] == [{"Format": FORMATS[Protocol.HTTP]}]


MISSING_ROUTE = ("NotFoundException", "Unable to find Route by key deleted within the provided RouteSettings")
ROUTES = {"deleted": {"LoggingLevel": "OFF"}, "here": {"LoggingLevel": "OFF"}}


def sent_routes(client: Client) -> list[list[str]]:
    return [sorted(request.get("RouteSettings", {})) for request in client.requests]


def test_settings_of_a_route_that_was_just_deleted_are_left_out() -> None:
    client = Client(MISSING_ROUTE)
    applied = apply(client, Protocol.WEBSOCKET, DefaultRouteSettings={"LoggingLevel": "ERROR"}, RouteSettings=ROUTES)
    assert sent_routes(client) == [["deleted", "here"], ["here"]]
    assert [change.override for change in applied.left_out] == ["deleted"]
    assert applied.stale_routes == ("deleted",)


def test_settings_of_all_routes_are_left_out_while_a_deleted_route_has_settings() -> None:
    client = Client(MISSING_ROUTE, MISSING_ROUTE)
    applied = apply(client, Protocol.WEBSOCKET, DefaultRouteSettings={"LoggingLevel": "OFF"}, RouteSettings=ROUTES)
    assert sent_routes(client) == [["deleted", "here"], ["here"], []]
    assert client.requests[-1]["DefaultRouteSettings"] == {"LoggingLevel": "ERROR"}
    assert [change.override for change in applied.left_out] == ["deleted", "here"]
    assert applied.stale_routes == ("deleted",)


def test_no_update_is_sent_without_a_change() -> None:
    client = Client(MISSING_ROUTE, MISSING_ROUTE)
    apply(
        client,
        Protocol.WEBSOCKET,
        AccessLogSettings=LOGGED,
        DefaultRouteSettings={"LoggingLevel": "ERROR"},
        RouteSettings=ROUTES,
    )
    assert len(client.requests) == 2


def test_refusal_that_names_a_route_is_raised_if_no_route_was_sent() -> None:
    with pytest.raises(ClientError, match="Unable to find Route"):
        apply(Client(MISSING_ROUTE, MISSING_ROUTE, MISSING_ROUTE), Protocol.WEBSOCKET, RouteSettings=ROUTES)


def test_refusal_of_a_managed_stage_is_an_own_error() -> None:
    with pytest.raises(ManagedStageError, match="You can't"):
        apply(Client(("BadRequestException", "You can't modify it")), Protocol.HTTP, ApiGatewayManaged=True)


@pytest.mark.parametrize("code", ["BadRequestException", "NotFoundException", "ConflictException"])
def test_other_refusals_are_raised(code: str) -> None:
    with pytest.raises(ClientError, match=code):
        apply(Client((code, "No.")), Protocol.HTTP)


def test_refusal_for_missing_permissions_is_raised_for_a_managed_stage_too() -> None:
    with pytest.raises(ClientError, match="Insufficient permissions"):
        apply(
            Client(("BadRequestException", "Insufficient permissions to enable logging")),
            Protocol.HTTP,
            ApiGatewayManaged=True,
        )
