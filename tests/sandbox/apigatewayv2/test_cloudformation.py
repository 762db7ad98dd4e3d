"""Stacks and the real ``sam`` create, change and delete HTTP and WebSocket APIs through API calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from testing.accounts import give_log_role
from testing.clients import client
from testing.cloudformation import NAME, create, outputs, physical, stack, template, update
from testing.v2_apis import FORMAT, group_arn, v2_stage

LEVELS = {"LoggingLevel": "ERROR", "DataTraceEnabled": True}


def chat(**stage: Any) -> str:
    """Return a template with a WebSocket API, its route ``echo``, a deployment and a stage with these properties."""
    api = {"Ref": "Chat"}
    properties = {"ApiId": api, "StageName": "live", "DeploymentId": {"Ref": "Deployment"}, **stage}
    selection = "$request.body.action"
    return template(
        {
            "Chat": {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {"Name": "chat", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": selection},
            },
            "Mock": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"ApiId": api, "IntegrationType": "MOCK"}},
            "Echo": {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {"ApiId": api, "RouteKey": "echo", "Target": {"Fn::Sub": "integrations/${Mock}"}},
            },
            "Deployment": {
                "Type": "AWS::ApiGatewayV2::Deployment",
                "DependsOn": "Echo",
                "Properties": {"ApiId": api},
            },
            "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": properties},
        }
    )


def test_websocket_stage_carries_its_settings_and_the_stacks_tags(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    access = {"DestinationArn": group_arn(), "Format": FORMAT}
    body = chat(
        AccessLogSettings=access,
        DefaultRouteSettings=LEVELS,
        RouteSettings={"echo": {"LoggingLevel": "INFO"}},
        StageVariables={"a": "1"},
        Tags={"team": "pets"},
    )
    assert create(sandbox, body)["StackStatus"] == "CREATE_COMPLETE"
    made = v2_stage(sandbox, physical(sandbox)["Chat"], "live")
    assert made["AccessLogSettings"] == access
    assert made["DefaultRouteSettings"] == {**LEVELS, "DetailedMetricsEnabled": False}
    assert made["RouteSettings"] == {"echo": {"LoggingLevel": "INFO"}}
    assert (made["Tags"]["team"], made["Tags"]["aws:cloudformation:stack-name"]) == ("pets", NAME)


def test_property_that_the_template_no_longer_has_is_reset(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    body = chat(
        AccessLogSettings={"DestinationArn": group_arn(), "Format": FORMAT},
        RouteSettings={"echo": {"LoggingLevel": "INFO"}},
        StageVariables={"a": "1", "b": "2"},
        Tags={"team": "pets"},
    )
    create(sandbox, body)
    assert update(sandbox, chat(StageVariables={"b": "3"}))["StackStatus"] == "UPDATE_COMPLETE"
    now = v2_stage(sandbox, physical(sandbox)["Chat"], "live")
    assert "AccessLogSettings" not in now
    assert (now["RouteSettings"], now["StageVariables"]) == ({}, {"b": "3"})
    assert "team" not in now["Tags"]
    names = [record["eventName"] for record in sandbox.trail]
    assert {"DeleteAccessLogSettings", "DeleteRouteSettings", "UpdateStage", "UntagResource"} <= set(names)
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert client(sandbox, "apigatewayv2").get_apis()["Items"] == []


def test_api_is_quick_created_by_a_template(sandbox: Sandbox) -> None:
    properties = {"Name": "q", "ProtocolType": "HTTP", "Target": "https://example.com"}
    create(sandbox, template({"Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": properties}}))
    api_id = physical(sandbox)["Http"]
    assert v2_stage(sandbox, api_id, "$default")["ApiGatewayManaged"] is True
    changed = {**properties, "Description": "new"}
    update(sandbox, template({"Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": changed}}))
    api = client(sandbox, "apigatewayv2").get_api(ApiId=api_id)
    assert (api["Description"], physical(sandbox)["Http"]) == ("new", api_id)


def test_definition_is_imported_and_imported_again(sandbox: Sandbox) -> None:
    def body(path: str) -> str:
        definition = {"openapi": "3.0.1", "info": {"title": "pets", "version": "1"}, "paths": {path: {"get": {}}}}
        return template({"Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": definition}}})

    create(sandbox, body("/pets"))
    api_id = physical(sandbox)["Http"]
    update(sandbox, body("/dogs"))
    routes = client(sandbox, "apigatewayv2").get_routes(ApiId=api_id)["Items"]
    assert [route["RouteKey"] for route in routes] == ["GET /dogs"]
    assert physical(sandbox)["Http"] == api_id


SAM_TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Logs: {Type: AWS::Logs::LogGroup}
  Shop:
    Type: AWS::Serverless::HttpApi
    Properties:
      Tags: {team: pets}
      AccessLogSettings: {DestinationArn: !GetAtt Logs.Arn, Format: $context.requestId}
      DefaultRouteSettings: {DetailedMetricsEnabled: true}
  Greet:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "handler = print"
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Shop, Path: /pets, Method: GET}}
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      DefaultRouteSettings: {LoggingLevel: ERROR}
      Routes:
        $connect: {FunctionArn: !GetAtt Greet.Arn}
        echo: {FunctionArn: !GetAtt Greet.Arn}
Outputs:
  Shop: {Value: !Ref Shop}
  Chat: {Value: !Ref Chat}
"""


@pytest.mark.skipif(not (deployment.TOOLS / "sam").exists(), reason="sam is not set up (make tools)")
def test_real_sam_deploys_an_http_and_a_websocket_api(sandbox: Sandbox, tmp_path: Path) -> None:
    give_log_role(sandbox)
    (tmp_path / "template.yaml").write_text(SAM_TEMPLATE)
    deployment.run(
        sandbox,
        *("sam", "deploy", "--template-file", "template.yaml", "--stack-name", NAME, "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
        folder=tmp_path,
    )
    out = outputs(stack(sandbox))
    shop = v2_stage(sandbox, out["Shop"], "$default")
    assert (shop["AutoDeploy"], shop["Tags"]["team"]) == (True, "pets")
    assert shop["Tags"]["aws:cloudformation:stack-name"] == NAME
    assert shop["DefaultRouteSettings"] == {"DetailedMetricsEnabled": True}
    assert shop["AccessLogSettings"]["DestinationArn"] == group_arn(physical(sandbox)["Logs"])
    routes = client(sandbox, "apigatewayv2").get_routes(ApiId=out["Shop"])["Items"]
    assert "GET /pets" in {route["RouteKey"] for route in routes}
    chat_stages = client(sandbox, "apigatewayv2").get_stages(ApiId=out["Chat"])["Items"]
    assert [each["DefaultRouteSettings"]["LoggingLevel"] for each in chat_stages] == ["ERROR"]


@pytest.mark.skipif(not (deployment.TOOLS / "aws").exists(), reason="the AWS CLI is not set up (make tools)")
def test_aws_cli_updates_a_default_stage(sandbox: Sandbox) -> None:
    def aws(*words: str) -> Any:
        printed = deployment.run(sandbox, "aws", "apigatewayv2", *words, "--output", "json")
        return json.loads(printed) if printed.strip() else None

    target = ("--target", "https://example.com")
    api_id = aws("create-api", "--name", "q", "--protocol-type", "HTTP", *target)["ApiId"]
    stage = ("--api-id", api_id, "--stage-name", "$default")
    aws("update-stage", *stage, "--default-route-settings", "DetailedMetricsEnabled=true")
    assert v2_stage(sandbox, api_id, "$default")["DefaultRouteSettings"] == {"DetailedMetricsEnabled": True}
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/$default"
    aws("tag-resource", "--resource-arn", arn, "--tags", "team=pets")
    assert v2_stage(sandbox, api_id, "$default")["Tags"] == {"team": "pets"}
