"""A stage of an HTTP or WebSocket API of the sandbox takes and refuses what AWS takes and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role
from testing.clients import client, refusal
from testing.rest_apis import NO_ROLE
from testing.v2_apis import FORMAT, access_log, group_arn, http_api, make_group, update_v2, v2_stage, websocket_api

MISSING = ("BadRequestException", "Access Log value missing. Expected destinationArn and format.")
NOT_A_DESTINATION = (
    "Invalid ARN specified in the request. "
    "The ARN must be a valid CloudWatch Logs log group or Kinesis Data Firehose delivery stream ARN."
)


def refused(sandbox: Sandbox, api_id: str, **members: Any) -> tuple[str, str]:
    return refusal(lambda: update_v2(sandbox, api_id, **members))


# ---- reading


def test_new_http_stage_shows_only_metrics(sandbox: Sandbox) -> None:
    fresh = v2_stage(sandbox, http_api(sandbox))
    assert fresh["DefaultRouteSettings"] == {"DetailedMetricsEnabled": False}
    assert (fresh["RouteSettings"], fresh["StageVariables"], fresh["Tags"]) == ({}, {}, {})
    assert not {"AccessLogSettings", "AutoDeploy", "ApiGatewayManaged", "Description"} & set(fresh)
    assert fresh["CreatedDate"].microsecond == 0


def test_new_websocket_stage_has_no_logging(sandbox: Sandbox) -> None:
    fresh = v2_stage(sandbox, websocket_api(sandbox))
    off = {"DataTraceEnabled": False, "DetailedMetricsEnabled": False, "LoggingLevel": "OFF"}
    assert fresh["DefaultRouteSettings"] == off


def test_stage_is_created_with_all_settings(sandbox: Sandbox) -> None:
    api_id = websocket_api(sandbox)
    give_log_role(sandbox)
    own = {"LoggingLevel": "INFO", "DataTraceEnabled": True, "ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5}
    client(sandbox, "apigatewayv2").create_stage(
        ApiId=api_id,
        StageName="two",
        AutoDeploy=True,
        AccessLogSettings=access_log(),
        DefaultRouteSettings={"LoggingLevel": "ERROR"},
        RouteSettings={"echo": own},
        StageVariables={"a": "b"},
        Tags={"team": "pets"},
    )
    made = v2_stage(sandbox, api_id, "two")
    assert made["AccessLogSettings"] == access_log()
    assert made["DefaultRouteSettings"]["LoggingLevel"] == "ERROR"
    assert made["RouteSettings"] == {"echo": own}
    assert (made["StageVariables"], made["Tags"]) == ({"a": "b"}, {"team": "pets"})
    assert made["LastDeploymentStatusMessage"].endswith(f"with deployment ID '{made['DeploymentId']}'")


def test_stages_come_in_pages(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    gateway = client(sandbox, "apigatewayv2")
    for number in range(27):
        gateway.create_stage(ApiId=api_id, StageName=f"s{number:02}")
    first = gateway.get_stages(ApiId=api_id)
    assert len(first["Items"]) == 25
    pages = gateway.get_paginator("get_stages").paginate(ApiId=api_id, PaginationConfig={"PageSize": 10})
    names = [[stage["StageName"] for stage in page["Items"]] for page in pages]
    assert [len(each) for each in names] == [10, 10, 8]
    assert len({name for each in names for name in each}) == 28


@pytest.mark.parametrize("call", ["get_stage", "update_stage", "delete_stage", "delete_access_log_settings"])
def test_deleted_stage_is_not_found(sandbox: Sandbox, call: str) -> None:
    api_id = http_api(sandbox)
    method = getattr(client(sandbox, "apigatewayv2"), call)
    code, message = refusal(lambda: method(ApiId=api_id, StageName="gone"))
    assert (code, message) == ("NotFoundException", "Invalid stage identifier specified")
    code, message = refusal(lambda: method(ApiId="gone", StageName="prod"))
    assert (code, message) == ("NotFoundException", "Invalid API identifier specified 123456789012:gone")


# ---- access log settings


def test_members_of_access_log_settings_that_are_not_sent_stay(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    make_group(sandbox, "/first")
    make_group(sandbox, "/second")
    update_v2(sandbox, api_id, AccessLogSettings=access_log("/first"))
    update_v2(sandbox, api_id, AccessLogSettings={"Format": "$context.extendedRequestId"})
    update_v2(sandbox, api_id, AccessLogSettings={"DestinationArn": group_arn("/second")})
    update_v2(sandbox, api_id, AccessLogSettings={})
    kept = {"DestinationArn": group_arn("/second"), "Format": "$context.extendedRequestId"}
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == kept
    assert refused(sandbox, api_id, AccessLogSettings={"Format": ""}) == MISSING
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == kept
    client(sandbox, "apigatewayv2").delete_access_log_settings(ApiId=api_id, StageName="prod")
    assert "AccessLogSettings" not in v2_stage(sandbox, api_id)


@pytest.mark.parametrize("settings", [{}, {"Format": FORMAT}, {"DestinationArn": group_arn()}])
def test_first_access_log_settings_must_be_whole(sandbox: Sandbox, settings: dict[str, str]) -> None:
    assert refused(sandbox, http_api(sandbox), AccessLogSettings=settings) == MISSING


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$context.status", "Access Log format must include either $context.requestId or $context.extendedRequestId "),
        ("$context.requestId\n$context.status", "Access Log format must be single line"),
    ],
)
@pytest.mark.parametrize("make", [http_api, websocket_api])
def test_invalid_formats_are_refused(sandbox: Sandbox, make: Any, text: str, why: str) -> None:
    make_group(sandbox)
    message = f"The following errors are found in Access Log Format: {why}: '{text}'"
    assert refused(sandbox, make(sandbox), AccessLogSettings=access_log(text=text)) == ("BadRequestException", message)


def test_http_format_has_only_variables_of_http_apis(sandbox: Sandbox) -> None:
    make_group(sandbox)
    text = "$context.requestId $context.unknown $context.resourceId $context.authorizer.claims.sub"
    assert refused(sandbox, http_api(sandbox), AccessLogSettings=access_log(text=text)) == (
        "BadRequestException",
        "The following context variables are not supported: [$context.unknown, $context.resourceId]",
    )
    give_log_role(sandbox)
    api_id = websocket_api(sandbox)
    update_v2(sandbox, api_id, AccessLogSettings=access_log(text=text))
    assert v2_stage(sandbox, api_id)["AccessLogSettings"]["Format"] == text


@pytest.mark.parametrize("make", [http_api, websocket_api])
def test_invalid_destinations_are_refused(sandbox: Sandbox, make: Any) -> None:
    api_id = make(sandbox)
    for arn, message in {
        "not-an-arn": "Invalid ARN specified in the request. ARNs must start with 'arn:': not-an-arn",
        "arn:aws:s3:::bucket": NOT_A_DESTINATION,
        "arn:aws:firehose:us-east-1:123456789012:deliverystream/other": NOT_A_DESTINATION,
    }.items():
        settings = {"DestinationArn": arn, "Format": FORMAT}
        assert refused(sandbox, api_id, AccessLogSettings=settings) == ("BadRequestException", message)


def test_star_of_a_destination_is_removed_by_http_apis_and_refused_by_websocket_apis(sandbox: Sandbox) -> None:
    make_group(sandbox, "/x")
    starred = {"DestinationArn": group_arn("/x") + ":*", "Format": FORMAT}
    answer = update_v2(sandbox, http_api(sandbox), AccessLogSettings=starred)
    assert answer["AccessLogSettings"]["DestinationArn"] == group_arn("/x")
    _, message = refused(sandbox, websocket_api(sandbox), AccessLogSettings=starred)
    assert message.endswith("'_', '-', '/', '.': 'log-group:/x:*'")


def test_only_websocket_apis_accept_a_firehose_stream(sandbox: Sandbox) -> None:
    arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/amazon-apigateway-logs"
    settings = {"DestinationArn": arn, "Format": FORMAT}
    assert refused(sandbox, http_api(sandbox), AccessLogSettings=settings)[1] == NOT_A_DESTINATION
    give_log_role(sandbox)
    api_id = websocket_api(sandbox)
    update_v2(sandbox, api_id, AccessLogSettings=settings)
    assert v2_stage(sandbox, api_id)["AccessLogSettings"] == settings


def test_websocket_api_logs_with_the_accounts_role(sandbox: Sandbox) -> None:
    api_id = websocket_api(sandbox)
    for members in (
        {"AccessLogSettings": access_log()},
        {"DefaultRouteSettings": {"LoggingLevel": "ERROR"}},
        {"RouteSettings": {"echo": {"LoggingLevel": "INFO"}}},
    ):
        assert refused(sandbox, api_id, **members) == ("BadRequestException", NO_ROLE)
    update_v2(sandbox, api_id, DefaultRouteSettings={"LoggingLevel": "OFF", "DataTraceEnabled": True})
    give_log_role(sandbox)
    update_v2(sandbox, api_id, AccessLogSettings=access_log(), DefaultRouteSettings={"LoggingLevel": "ERROR"})
    assert v2_stage(sandbox, api_id)["DefaultRouteSettings"]["DataTraceEnabled"] is True


def test_websocket_api_may_name_a_group_that_is_missing(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    api_id = websocket_api(sandbox)
    update_v2(sandbox, api_id, AccessLogSettings=access_log("/nowhere"))
    sandbox.turn(refuses_missing_websocket_log_groups=True)
    assert refused(sandbox, api_id, AccessLogSettings=access_log("/nowhere"))[0] == "NotFoundException"


# ---- route settings


@pytest.mark.parametrize("settings", [{"LoggingLevel": "INFO"}, {"LoggingLevel": "OFF"}, {"DataTraceEnabled": True}])
def test_http_api_has_no_execution_log(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    api_id = http_api(sandbox)
    expected = ("BadRequestException", "Execution logs are not supported on protocolType HTTP")
    assert refused(sandbox, api_id, DefaultRouteSettings=settings) == expected
    assert refused(sandbox, api_id, RouteSettings={"GET /pets": settings}) == expected
    update_v2(sandbox, api_id, DefaultRouteSettings={"DataTraceEnabled": False})
    assert v2_stage(sandbox, api_id)["DefaultRouteSettings"] == {"DetailedMetricsEnabled": False}


def test_level_that_does_not_exist_becomes_off(sandbox: Sandbox) -> None:
    api_id = websocket_api(sandbox)
    update_v2(sandbox, api_id, DefaultRouteSettings={"LoggingLevel": "DEBUG"})
    assert v2_stage(sandbox, api_id)["DefaultRouteSettings"]["LoggingLevel"] == "OFF"


def test_default_route_settings_that_are_not_sent_stay(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    update_v2(sandbox, api_id, DefaultRouteSettings={"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3.0})
    update_v2(sandbox, api_id, DefaultRouteSettings={"DetailedMetricsEnabled": True})
    whole = {"DetailedMetricsEnabled": True, "ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3.0}
    assert v2_stage(sandbox, api_id)["DefaultRouteSettings"] == whole


def test_routes_own_settings_may_be_kept_or_reset(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox, routes=("GET /pets", "GET /dogs"))
    limits = {"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3.0}
    update_v2(sandbox, api_id, RouteSettings={"GET /pets": limits, "GET /dogs": limits})
    sandbox.turn(partial_route_settings="resets")
    update_v2(sandbox, api_id, RouteSettings={"GET /pets": {"DetailedMetricsEnabled": True}})
    now = v2_stage(sandbox, api_id)["RouteSettings"]
    assert now == {"GET /pets": {"DetailedMetricsEnabled": True}, "GET /dogs": limits}
    sandbox.turn(partial_route_settings="keeps")
    update_v2(sandbox, api_id, RouteSettings={"GET /dogs": {"DetailedMetricsEnabled": True}})
    assert v2_stage(sandbox, api_id)["RouteSettings"]["GET /dogs"] == {**limits, "DetailedMetricsEnabled": True}


def test_route_settings_need_their_route(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    expected = ("NotFoundException", "Unable to find Route by key GET /x within the provided RouteSettings")
    assert refused(sandbox, api_id, RouteSettings={"GET /x": {"DetailedMetricsEnabled": True}}) == expected
    gateway = client(sandbox, "apigatewayv2")
    update_v2(sandbox, api_id, RouteSettings={"GET /pets": {"DetailedMetricsEnabled": True}})
    gateway.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="GET /pets")
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {}
    again = refusal(lambda: gateway.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="GET /pets"))
    assert again[0] == "NotFoundException"


def test_settings_of_a_route_that_does_not_exist_keep_others_from_being_changed(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox, routes=("GET /pets", "GET /dogs"))
    update_v2(sandbox, api_id, RouteSettings={"GET /dogs": {"ThrottlingBurstLimit": 7}})
    gateway = client(sandbox, "apigatewayv2")
    [dogs] = [each["RouteId"] for each in gateway.get_routes(ApiId=api_id)["Items"] if each["RouteKey"] == "GET /dogs"]
    gateway.delete_route(ApiId=api_id, RouteId=dogs)
    expected = ("NotFoundException", "Unable to find Route by key GET /dogs within the provided RouteSettings")
    assert refused(sandbox, api_id, RouteSettings={"GET /pets": {"ThrottlingBurstLimit": 7}}) == expected
    update_v2(sandbox, api_id, DefaultRouteSettings={"ThrottlingBurstLimit": 9})
    gateway.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="GET /dogs")
    update_v2(sandbox, api_id, RouteSettings={"GET /pets": {"ThrottlingBurstLimit": 7}})
    assert v2_stage(sandbox, api_id)["RouteSettings"] == {"GET /pets": {"ThrottlingBurstLimit": 7}}


# ---- the rest of a stage


def test_members_that_are_not_sent_stay(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    update_v2(sandbox, api_id, Description="mine", StageVariables={"a": "1", "b": "2"})
    before = v2_stage(sandbox, api_id)
    update_v2(sandbox, api_id, StageVariables={"a": "", "c": "3"})
    after = v2_stage(sandbox, api_id)
    assert after["StageVariables"] == {"b": "2", "c": "3"}
    assert (after["Description"], after["DeploymentId"]) == ("mine", before["DeploymentId"])


def test_refused_update_changes_nothing(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    before = v2_stage(sandbox, api_id)
    refused(sandbox, api_id, Description="new", AccessLogSettings={"Format": "x"})
    assert v2_stage(sandbox, api_id) == before


def test_auto_deploy_follows_the_routes_and_refuses_a_deployment(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.create_api(Name="h", ProtocolType="HTTP")["ApiId"]
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert "Unable to deploy API" in v2_stage(sandbox, api_id, "$default")["LastDeploymentStatusMessage"]
    gateway.create_route(ApiId=api_id, RouteKey="GET /")
    deployed = v2_stage(sandbox, api_id, "$default")["DeploymentId"]
    assert gateway.get_deployment(ApiId=api_id, DeploymentId=deployed)["AutoDeployed"] is True
    code, _ = refusal(lambda: update_v2(sandbox, api_id, "$default", DeploymentId=deployed))
    assert code == "BadRequestException"


def test_new_deployment_moves_a_stage_that_it_names(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    gateway = client(sandbox, "apigatewayv2")
    old = v2_stage(sandbox, api_id)["DeploymentId"]
    new = gateway.create_deployment(ApiId=api_id, StageName="prod")["DeploymentId"]
    assert v2_stage(sandbox, api_id)["DeploymentId"] == new != old
    gateway.delete_deployment(ApiId=api_id, DeploymentId=old)
    assert refusal(lambda: gateway.delete_deployment(ApiId=api_id, DeploymentId=new))[0] == "BadRequestException"
    assert [each["DeploymentId"] for each in gateway.get_deployments(ApiId=api_id)["Items"]] == [new]


def test_second_stage_of_a_name_is_refused(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    gateway = client(sandbox, "apigatewayv2")
    assert refusal(lambda: gateway.create_stage(ApiId=api_id, StageName="prod"))[0] == "ConflictException"
    assert refusal(lambda: gateway.create_stage(ApiId=api_id, StageName="a.b"))[0] == "BadRequestException"
