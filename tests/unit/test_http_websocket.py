"""A plan as one UpdateStage of apigatewayv2 that sends settings back as they were read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from builders import FORMATS, POLICY, V2_REF
from log_keeper.http_websocket import ManagedStageError, V2Stage, to_stage
from log_keeper.policy import Change, plan
from log_keeper.stages import Protocol

NOW = datetime(2026, 11, 2, tzinfo=UTC)
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:"
LOGGED = {"DestinationArn": f"{LOG_GROUP}mine", "Format": "$context.requestId"}


class Client:
    """Takes UpdateStage, after so many refusals."""

    def __init__(self, *refusals: tuple[str, str]) -> None:
        self.refusals = list(refusals)
        self.requests: list[dict[str, Any]] = []

    def update_stage(self, **request: Any) -> None:
        self.requests.append(request)
        if self.refusals:
            code, message = self.refusals.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": message}}, "UpdateStage")


def apply(client: Client, protocol: Protocol, **answer: Any) -> tuple[Change, ...]:
    """The plan for a stage that GetStage describes so is applied; gives what is left out."""
    stage = to_stage(V2_REF, protocol, answer)  # type: ignore[arg-type]
    _, left_out = V2Stage(client, stage, answer).apply(plan(stage, POLICY, NOW))  # type: ignore[arg-type]
    return left_out


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


def test_settings_are_sent_back_whole() -> None:
    """What was read, with the level; members that were absent stay absent."""
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
            "DefaultRouteSettings": {"DetailedMetricsEnabled": True, **throttled, "LoggingLevel": "ERROR"},
            "RouteSettings": {"$connect": {"LoggingLevel": "ERROR", "DataTraceEnabled": False, **throttled}},
        }
    ]


def test_http_settings_are_sent_back_without_what_is_refused_there() -> None:
    """Whatever GetStage says of it: execution logs of an HTTP API are refused, even OFF."""
    client, answer = Client(), {"DefaultRouteSettings": {"LoggingLevel": "OFF", "DataTraceEnabled": False}}
    stage = to_stage(V2_REF, Protocol.HTTP, answer)  # type: ignore[arg-type]
    V2Stage(client, stage, answer).apply(plan(stage, replace(POLICY, wants_metrics=True), NOW))  # type: ignore[arg-type]
    assert [request["DefaultRouteSettings"] for request in client.requests] == [{"DetailedMetricsEnabled": True}]


def test_format_that_lacks_goes_with_the_destination_that_is_there() -> None:
    client = Client()
    apply(client, Protocol.HTTP, AccessLogSettings={"DestinationArn": LOGGED["DestinationArn"]})
    [request] = client.requests
    assert request["AccessLogSettings"] == {
        "DestinationArn": LOGGED["DestinationArn"],
        "Format": FORMATS[Protocol.HTTP],
    }


def test_settings_with_a_throttle_of_zero_are_not_sent() -> None:
    client = Client()
    left_out = apply(
        client,
        Protocol.WEBSOCKET,
        DefaultRouteSettings={"LoggingLevel": "OFF", "ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0},
    )
    assert [list(request) for request in client.requests] == [["ApiId", "StageName", "AccessLogSettings"]]
    assert [(change.setting, change.override) for change in left_out] == [("execution logging level", None)]


def test_settings_of_a_route_that_is_gone_are_left_out() -> None:
    client = Client(("NotFoundException", "Unable to find Route by key gone within the provided RouteSettings"))
    apply(
        client,
        Protocol.WEBSOCKET,
        AccessLogSettings=LOGGED,
        DefaultRouteSettings={"LoggingLevel": "ERROR"},
        RouteSettings={"gone": {"LoggingLevel": "OFF"}, "here": {"LoggingLevel": "OFF"}},
    )
    assert [sorted(request["RouteSettings"]) for request in client.requests] == [["gone", "here"], ["here"]]


def test_nothing_is_sent_again_once_no_change_is_left() -> None:
    client = Client(("NotFoundException", "Unable to find Route by key gone within the provided RouteSettings"))
    apply(
        client,
        Protocol.WEBSOCKET,
        AccessLogSettings=LOGGED,
        DefaultRouteSettings={"LoggingLevel": "ERROR"},
        RouteSettings={"gone": {"LoggingLevel": "OFF"}},
    )
    assert len(client.requests) == 1


def test_refusal_of_a_managed_stage_is_known() -> None:
    with pytest.raises(ManagedStageError, match="You can't"):
        apply(Client(("BadRequestException", "You can't modify it")), Protocol.HTTP, ApiGatewayManaged=True)


@pytest.mark.parametrize("code", ["BadRequestException", "NotFoundException", "ConflictException"])
def test_other_refusals_are_raised(code: str) -> None:
    with pytest.raises(ClientError, match=code):
        apply(Client((code, "No.")), Protocol.HTTP)


def test_refusal_for_lack_of_permissions_is_an_error_of_a_managed_stage_too() -> None:
    with pytest.raises(ClientError, match="Insufficient permissions"):
        apply(
            Client(("BadRequestException", "Insufficient permissions to enable logging")),
            Protocol.HTTP,
            ApiGatewayManaged=True,
        )
