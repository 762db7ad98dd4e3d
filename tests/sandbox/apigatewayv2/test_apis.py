"""HTTP and WebSocket APIs of the sandbox: quick create, import, pages, tags, and their CloudTrail records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.iam import allow, role
from testing.v2_apis import access_log, http_api, make_group, update_v2, v2_stage, websocket_api

DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "2"},
    "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "pets"}, {"name": "only words"}],
    "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
    "paths": {
        "/pets": {
            "get": {"x-amazon-apigateway-integration": {"type": "http_proxy", "uri": "https://example.com"}},
            "x-amazon-apigateway-any-method": {},
        },
        "/$default": {
            "x-amazon-apigateway-any-method": {
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/all"}
            }
        },
    },
    "components": {"x-amazon-apigateway-integrations": {"all": {"type": "http_proxy", "uri": "https://example.com"}}},
}


def last(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return next(record for record in reversed(sandbox.trail) if record["eventName"] == name)


def route_keys(sandbox: Sandbox, api_id: str) -> set[str]:
    return {route["RouteKey"] for route in client(sandbox, "apigatewayv2").get_routes(ApiId=api_id)["Items"]}


# ---- quick create


def test_quick_create_makes_a_managed_stage_and_one_record(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.create_api(Name="q", ProtocolType="HTTP", Target="https://example.com")["ApiId"]
    assert [record["eventName"] for record in sandbox.trail] == ["CreateApi"]
    record = last(sandbox, "CreateApi")
    assert record["requestParameters"] == {"name": "q", "protocolType": "HTTP", "target": "https://example.com"}
    assert record["responseElements"]["apiId"] == api_id
    assert "tags" not in record["responseElements"]
    made = v2_stage(sandbox, api_id, "$default")
    assert (made["ApiGatewayManaged"], made["AutoDeploy"]) == (True, True)
    route = gateway.get_routes(ApiId=api_id)["Items"][0]
    assert (route["RouteKey"], route["ApiGatewayManaged"]) == ("$default", True)
    integration = gateway.get_integrations(ApiId=api_id)["Items"][0]
    assert (integration["IntegrationType"], integration["ApiGatewayManaged"]) == ("HTTP_PROXY", True)


def test_managed_stage_accepts_access_logs_unless_it_is_locked(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    function = "arn:aws:lambda:us-east-1:123456789012:function:pets"
    api_id = gateway.create_api(Name="q", ProtocolType="HTTP", Target=function, RouteKey="GET /")["ApiId"]
    make_group(sandbox)
    update_v2(sandbox, api_id, "$default", AccessLogSettings=access_log())
    assert v2_stage(sandbox, api_id, "$default")["AccessLogSettings"] == access_log()
    sandbox.turn(managed_stage_is_locked=True)
    refused = refusal(lambda: update_v2(sandbox, api_id, "$default", Description="mine"))
    assert refused[0] == "BadRequestException"


# ---- import


@pytest.mark.parametrize("body", [json.dumps(DOCUMENT), "openapi: 3.0.1\ninfo: {title: pets}\n"])
def test_import_makes_no_stage(sandbox: Sandbox, body: str) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.import_api(Body=body)["ApiId"]
    assert gateway.get_stages(ApiId=api_id)["Items"] == []
    assert gateway.get_api(ApiId=api_id)["Name"] == "pets"
    assert last(sandbox, "ImportApi")["responseElements"]["apiId"] == api_id


def test_import_reads_routes_tags_and_cors(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api = gateway.import_api(Body=json.dumps(DOCUMENT))
    assert route_keys(sandbox, api["ApiId"]) == {"GET /pets", "ANY /pets", "$default"}
    assert (api["Tags"], api["CorsConfiguration"], api["Version"]) == ({"team": "pets"}, {"AllowOrigins": ["*"]}, "2")


def test_reimport_keeps_the_stages(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.import_api(Body=json.dumps(DOCUMENT))["ApiId"]
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    before = v2_stage(sandbox, api_id, "$default")["DeploymentId"]
    gateway.reimport_api(ApiId=api_id, Body=json.dumps({**DOCUMENT, "paths": {"/dogs": {"get": {}}}}))
    assert route_keys(sandbox, api_id) == {"GET /dogs"}
    assert v2_stage(sandbox, api_id, "$default")["DeploymentId"] != before


@pytest.mark.parametrize("body", ["{", "swagger: '2.0'\ninfo: {title: x}", "openapi: 3.0.1", "[]"])
def test_invalid_documents_are_refused(sandbox: Sandbox, body: str) -> None:
    gateway = client(sandbox, "apigatewayv2")
    assert refusal(lambda: gateway.import_api(Body=body))[0] == "BadRequestException"
    assert gateway.get_apis()["Items"] == []


# ---- APIs


def test_websocket_api_is_created_as_described(sandbox: Sandbox) -> None:
    api_id = websocket_api(sandbox)
    api = client(sandbox, "apigatewayv2").get_api(ApiId=api_id)
    assert api["ApiEndpoint"].startswith("wss://")
    assert api["RouteSelectionExpression"] == "$request.body.action"
    assert route_keys(sandbox, api_id) == {"$connect", "$default", "echo"}


def test_apis_come_in_pages(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    made = {gateway.create_api(Name=str(number), ProtocolType="HTTP")["ApiId"] for number in range(27)}
    assert len(gateway.get_apis()["Items"]) == 25
    pages = list(gateway.get_paginator("get_apis").paginate(PaginationConfig={"PageSize": 20}))
    assert [len(page["Items"]) for page in pages] == [20, 7]
    assert {api["ApiId"] for page in pages for api in page["Items"]} == made


def test_rest_apis_come_in_pages(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigateway")
    made = {gateway.create_rest_api(name=str(number))["id"] for number in range(27)}
    assert len(gateway.get_rest_apis()["items"]) == 25
    assert len(gateway.get_rest_apis(limit=500)["items"]) == 27
    pages = list(gateway.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 20}))
    assert {api["id"] for page in pages for api in page["items"]} == made


def test_stages_are_deleted_with_their_api(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    gateway = client(sandbox, "apigatewayv2")
    gateway.delete_api(ApiId=api_id)
    assert refusal(lambda: gateway.get_stages(ApiId=api_id))[0] == "NotFoundException"
    assert refusal(lambda: gateway.delete_api(ApiId=api_id))[0] == "NotFoundException"
    assert [record["eventName"] for record in sandbox.trail][-2:] == ["DeleteApi", "DeleteApi"]


def test_rest_api_is_not_found_as_an_http_api(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: client(sandbox, "apigatewayv2").get_api(ApiId=api_id))[0] == "NotFoundException"


def test_update_keeps_what_it_does_not_name(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    cors = {"AllowOrigins": ["https://example.com"]}
    api_id = gateway.create_api(Name="h", ProtocolType="HTTP", CorsConfiguration=cors)["ApiId"]
    gateway.update_api(ApiId=api_id, Description="pets")
    api = gateway.get_api(ApiId=api_id)
    assert (api["Name"], api["Description"], api["CorsConfiguration"]) == ("h", "pets", cors)
    gateway.delete_cors_configuration(ApiId=api_id)
    assert "CorsConfiguration" not in gateway.get_api(ApiId=api_id)


# ---- tags


def test_apis_and_stages_are_tagged_and_untagged(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox, stage_name="$default")
    gateway = client(sandbox, "apigatewayv2")
    api_arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}"
    for arn in (api_arn, f"{api_arn}/stages/$default"):
        gateway.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
        gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert gateway.get_api(ApiId=api_id)["Tags"] == v2_stage(sandbox, api_id, "$default")["Tags"] == {"b": "2"}
    missing = refusal(lambda: gateway.tag_resource(ResourceArn=f"{api_arn}/stages/x", Tags={"a": "1"}))
    assert missing[0] == "NotFoundException"


def test_tagging_a_stage_needs_permission_on_its_encoded_arn(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox, stage_name="$default")
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/$default"
    policy = allow("apigateway:POST", resource="arn:aws:apigateway:us-east-1::/tags/*%2Fstages%2F%24default")
    tagger = client(
        sandbox, "apigatewayv2", credentials=sandbox.caller_of_role(role(sandbox, "tagger", policy=policy), "me")
    )
    tagger.tag_resource(ResourceArn=arn, Tags={"a": "1"})
    assert refusal(lambda: tagger.untag_resource(ResourceArn=arn, TagKeys=["a"]))[0] == "AccessDeniedException"


# ---- CloudTrail


def test_records_of_a_default_stage_are_encoded(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox, stage_name="$default")
    gateway = client(sandbox, "apigatewayv2")
    make_group(sandbox)
    settings = access_log()
    update_v2(sandbox, api_id, "$default", AccessLogSettings=settings, StageVariables={"secret": "x"})
    record = last(sandbox, "UpdateStage")
    sent = {"destinationArn": settings["DestinationArn"], "format": settings["Format"]}
    assert record["requestParameters"] == {
        "apiId": api_id,
        "stageName": "%24default",
        "accessLogSettings": sent,
        "stageVariables": "***",
    }
    answered = record["responseElements"]
    assert (answered["stageName"], answered["accessLogSettings"]) == ("$default", sent)
    assert answered["stageVariables"] == "***"
    update_v2(sandbox, api_id, "$default", RouteSettings={"GET /pets": {"DetailedMetricsEnabled": True}})
    gateway.delete_route_settings(ApiId=api_id, StageName="$default", RouteKey="GET /pets")
    record = last(sandbox, "DeleteRouteSettings")
    named = {"apiId": api_id, "stageName": "%24default"}
    assert record["requestParameters"] == {**named, "routeKey": "GET%20%2Fpets"}
    assert record["responseElements"] is None
    gateway.delete_access_log_settings(ApiId=api_id, StageName="$default")
    assert last(sandbox, "DeleteAccessLogSettings")["requestParameters"] == named


def test_records_of_tag_calls_name_the_arn_encoded(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    gateway = client(sandbox, "apigatewayv2")
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/prod"
    encoded = f"arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2F{api_id}%2Fstages%2Fprod"
    gateway.tag_resource(ResourceArn=arn, Tags={"a": "1"})
    assert last(sandbox, "TagResource")["requestParameters"] == {"resource-arn": encoded, "tags": {"a": "1"}}
    gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert last(sandbox, "UntagResource")["requestParameters"] == {"resource-arn": encoded, "tagKeys": ["a"]}


def test_records_of_refused_calls_have_the_reason_in_the_answer(sandbox: Sandbox) -> None:
    api_id = http_api(sandbox)
    refusal(lambda: update_v2(sandbox, api_id, DefaultRouteSettings={"LoggingLevel": "INFO"}))
    record = last(sandbox, "UpdateStage")
    assert (record["errorCode"], "errorMessage" in record) == ("BadRequestException", False)
    assert record["responseElements"] == {"message": "Execution logs are not supported on protocolType HTTP"}
    assert record["requestParameters"]["apiId"] == api_id
