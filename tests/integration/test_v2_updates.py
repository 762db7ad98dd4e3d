"""Updates of HTTP and WebSocket APIs' stages: what they send, and what happens to settings that are not logging."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest

from log_keeper.policy.findings import Problem
from log_keeper.stages import Protocol
from sandbox.assembly import Sandbox
from sandbox.core.call import AwsError, Call
from sandbox.services.apigatewayv2.state import api_by_id
from testing.accounts import make_http_stage, make_role, make_websocket_stage, set_log_role, v2_stage
from testing.builders import FORMATS, record
from testing.deliveries import Deliver

type Answer = Literal["keeps", "resets"]

EITHER = pytest.mark.parametrize("answer", ["keeps", "resets"])
LOUD = {"LoggingLevel": "INFO", "DataTraceEnabled": True}
SHUT: dict[str, Any] = {"ThrottlingBurstLimit": 0, "ThrottlingRateLimit": 0.0, "DetailedMetricsEnabled": True}


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    """Create a WebSocket API with routes ``$connect``, ``send`` and ``join``, and a log role. Return the API's id."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_websocket_stage(sandbox)
    sandbox.client("apigatewayv2").create_route(ApiId=api_id, RouteKey="join")
    return api_id


def owner_updates(sandbox: Sandbox, api_id: str, **settings: Any) -> None:
    sandbox.client("apigatewayv2").update_stage(ApiId=api_id, StageName="prod", **settings)


def updated_v2(api_id: str) -> dict[str, Any]:
    return record("UpdateStage", {"apiId": api_id, "stageName": "prod"})


def our_updates(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the parameters of each of Log Keeper's UpdateStage calls, without the stage's name."""
    ours = [made.call for made in sandbox.calls if made.call.operation == "UpdateStage"]
    return [
        {name: value for name, value in call.params.items() if name not in ("ApiId", "StageName")}
        for call in ours
        if "log-keeper" in call.user_agent
    ]


def findings(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return problem and detail of each published finding."""
    entries = [entry for made in sandbox.calls for entry in made.call.params.get("Entries", [])]
    details = [json.loads(entry["Detail"]) for entry in entries if entry["DetailType"] == "Stage Logging Finding"]
    return [(detail["problem"], detail["detail"]) for detail in details]


def before_our_update(sandbox: Sandbox, act: Callable[[], None], number: int = 1) -> None:
    """Call ``act`` between Log Keeper's read and its UpdateStage of that number. It may raise an error."""
    seen: list[Call] = []

    def interfere(_: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and "log-keeper" in call.user_agent:
            seen.append(call)
            if len(seen) == number:
                act()

    sandbox.hooks.append(interfere)


@EITHER
def test_settings_other_than_logging_stay(sandbox: Sandbox, deliver: Deliver, api_id: str, answer: Answer) -> None:
    sandbox.turn(partial_route_settings=answer)
    own = {"send": LOUD | SHUT, "join": SHUT, "$connect": {"DataTraceEnabled": True, "LoggingLevel": "ERROR"}}
    owner_updates(sandbox, api_id, DefaultRouteSettings=SHUT, RouteSettings=own)
    assert deliver(updated_v2(api_id)) == []
    stage = v2_stage(sandbox, api_id)
    assert stage["DefaultRouteSettings"] == SHUT | {"LoggingLevel": "ERROR", "DataTraceEnabled": False}
    # Without a setting, data trace is off.
    routes = {route: {"DataTraceEnabled": False} | settings for route, settings in stage["RouteSettings"].items()}
    quiet = {"LoggingLevel": "ERROR", "DataTraceEnabled": False}
    assert routes == {"send": SHUT | quiet, "join": SHUT | quiet, "$connect": quiet}
    assert findings(sandbox) == []


@EITHER
def test_data_trace_that_is_allowed_stays(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, api_id: str, answer: Answer
) -> None:
    environment.setenv("ALLOW_DATA_TRACE", "Yes")
    sandbox.turn(partial_route_settings=answer)
    owner_updates(sandbox, api_id, RouteSettings={"send": {"DataTraceEnabled": True, "LoggingLevel": "ERROR"}})
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/prod"
    tags = {"execution-logs": "INFO", "execution-logs-data-trace": "true"}
    sandbox.client("apigatewayv2").tag_resource(ResourceArn=arn, Tags=tags)
    assert deliver(updated_v2(api_id)) == []
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {"send": LOUD}


def test_one_call_sends_only_the_members_that_change(sandbox: Sandbox, deliver: Deliver, api_id: str) -> None:
    sandbox.turn(partial_route_settings="keeps")
    owner_updates(sandbox, api_id, DefaultRouteSettings=LOUD | SHUT, RouteSettings={"send": LOUD | SHUT, "join": SHUT})
    deliver(updated_v2(api_id))
    [sent] = our_updates(sandbox)
    del sent["AccessLogSettings"]
    assert sent == {
        "DefaultRouteSettings": {"LoggingLevel": "ERROR", "DataTraceEnabled": False},
        "RouteSettings": {
            "send": {"LoggingLevel": "ERROR", "DataTraceEnabled": False},
            "join": {"LoggingLevel": "ERROR"},
        },
    }


def test_format_is_sent_without_the_destination_that_stays(sandbox: Sandbox, deliver: Deliver) -> None:
    """Such a stage can come from a time when API Gateway accepted any format."""
    sandbox.client("logs").create_log_group(logGroupName="mine")
    mine = "arn:aws:logs:us-east-1:123456789012:log-group:mine"
    api_id = make_http_stage(sandbox, "prod")
    stage = api_by_id(sandbox, "us-east-1", api_id).stages["prod"]
    stage.access_log = {"DestinationArn": mine, "Format": "$context.status"}
    assert deliver(updated_v2(api_id)) == []
    wanted = {"Format": FORMATS[Protocol.HTTP]}
    assert our_updates(sandbox) == [{"AccessLogSettings": wanted}]
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == wanted | {"DestinationArn": mine}


@EITHER
def test_throttle_of_the_stage_that_its_owner_just_changed_stays(
    sandbox: Sandbox, deliver: Deliver, api_id: str, answer: Answer
) -> None:
    sandbox.turn(partial_route_settings=answer)
    owner_updates(sandbox, api_id, DefaultRouteSettings={"ThrottlingBurstLimit": 7})
    before_our_update(
        sandbox, lambda: owner_updates(sandbox, api_id, DefaultRouteSettings={"ThrottlingBurstLimit": 70})
    )
    deliver(updated_v2(api_id))
    settings = v2_stage(sandbox, api_id)["DefaultRouteSettings"]
    assert (settings["ThrottlingBurstLimit"], settings["LoggingLevel"]) == (70, "ERROR")


def test_throttle_of_a_route_that_its_owner_just_changed_stays(sandbox: Sandbox, deliver: Deliver, api_id: str) -> None:
    sandbox.turn(partial_route_settings="keeps")
    owner_updates(sandbox, api_id, RouteSettings={"send": {"ThrottlingBurstLimit": 7}})
    before_our_update(
        sandbox, lambda: owner_updates(sandbox, api_id, RouteSettings={"send": {"ThrottlingBurstLimit": 70}})
    )
    deliver(updated_v2(api_id))
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {"send": {"ThrottlingBurstLimit": 70, "LoggingLevel": "ERROR"}}


@pytest.mark.parametrize("loud", [LOUD, {"LoggingLevel": "INFO"}, {"LoggingLevel": "ERROR", "DataTraceEnabled": True}])
def test_settings_of_a_route_that_its_owner_just_deleted_are_not_created_again(
    sandbox: Sandbox, deliver: Deliver, api_id: str, loud: dict[str, Any]
) -> None:
    sandbox.turn(partial_route_settings="keeps")
    client = sandbox.client("apigatewayv2")
    owner_updates(sandbox, api_id, RouteSettings={"send": SHUT | loud})
    before_our_update(sandbox, lambda: client.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="send"))
    deliver(updated_v2(api_id))
    quiet = {"LoggingLevel": "ERROR", "DataTraceEnabled": False}
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {"send": quiet}
    assert findings(sandbox) == []


@pytest.mark.parametrize("number", [2, 3])
def test_settings_that_cannot_be_restored_are_a_finding(
    sandbox: Sandbox, deliver: Deliver, api_id: str, number: int
) -> None:
    sandbox.turn(partial_route_settings="resets")
    owner_updates(sandbox, api_id, RouteSettings={"send": {"ThrottlingBurstLimit": 7, "LoggingLevel": "INFO"}})

    def refuse() -> None:
        raise AwsError("BadRequestException", "No.")

    before_our_update(sandbox, refuse, number)
    assert deliver(updated_v2(api_id)) == []
    [(problem, detail)] = findings(sandbox)
    assert problem == Problem.ROUTE_SETTINGS_LOST
    assert detail.startswith("send: ")
    assert "'ThrottlingBurstLimit': 7" in detail


def test_settings_of_a_route_that_does_not_exist_are_a_finding(sandbox: Sandbox, deliver: Deliver, api_id: str) -> None:
    """The other changes are made. The routes' settings follow after their owner has deleted those of that route."""
    client = sandbox.client("apigatewayv2")
    owner_updates(sandbox, api_id, RouteSettings={"join": LOUD, "send": LOUD})
    [join] = [route["RouteId"] for route in client.get_routes(ApiId=api_id)["Items"] if route["RouteKey"] == "join"]
    client.delete_route(ApiId=api_id, RouteId=join)
    assert deliver(updated_v2(api_id)) == []
    stage = v2_stage(sandbox, api_id)
    assert stage["DefaultRouteSettings"]["LoggingLevel"] == "ERROR"
    assert stage["AccessLogSettings"]["Format"] == FORMATS[Protocol.WEBSOCKET]
    assert stage["RouteSettings"]["send"] == LOUD
    assert findings(sandbox) == [(Problem.STALE_ROUTE, "join")]
    client.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="join")
    deliver(record("DeleteRouteSettings", {"apiId": api_id, "stageName": "prod", "routeKey": "join"}))
    quiet = {"LoggingLevel": "ERROR", "DataTraceEnabled": False}
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {"send": quiet}


def test_detailed_metrics_leave_routes_alone(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, api_id: str
) -> None:
    environment.setenv("DETAILED_METRICS", "Yes")
    own = {"LoggingLevel": "ERROR", "DetailedMetricsEnabled": False}
    owner_updates(sandbox, api_id, RouteSettings={"send": own})
    deliver(updated_v2(api_id))
    stage = v2_stage(sandbox, api_id)
    assert (stage["DefaultRouteSettings"]["DetailedMetricsEnabled"], stage["RouteSettings"]) == (True, {"send": own})


def test_http_stage_has_no_opt_in(sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture) -> None:
    """It has no execution logs: its tags create no schedule, and no end is reported."""
    api_id = make_http_stage(sandbox, "prod")
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/prod"
    tags = {"execution-logs": "INFO", "execution-logs-until": "2099-01-01"}
    sandbox.client("apigatewayv2").tag_resource(ResourceArn=arn, Tags=tags)
    assert deliver(record("TagResource", {"resource-arn": arn, "tags": tags})) == []
    assert not [made for made in sandbox.calls if made.call.service == "scheduler"]
    assert [vars(line)["infoUntil"] for line in caplog.records if hasattr(line, "infoUntil")] == [None]
