"""CloudFormation's resource types of REST stages call API Gateway as on AWS."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client
from testing.cloudformation import NAME, create, physical, stack, template


def test_stage_is_created_then_patched_and_has_the_stacks_tags(sandbox: Sandbox) -> None:
    definition = {
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "1"},
        "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}, "responses": {}}}},
    }
    throttled = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3}
    body = template(
        {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": definition}},
            "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "DeploymentId": {"Ref": "Deployment"},
                    "StageName": "prod",
                    "MethodSettings": [throttled],
                    "Tags": [{"Key": "team", "Value": "a"}],
                },
            },
        }
    )
    made = create(sandbox, body)

    api = physical(sandbox)["Api"]
    stage_ = client(sandbox, "apigateway").get_stage(restApiId=api, stageName="prod")
    assert client(sandbox, "apigateway").get_rest_api(restApiId=api)["name"] == "pets"
    assert stage_["methodSettings"]["*/*"]["throttlingBurstLimit"] == 7
    assert stage_["tags"] == {
        "team": "a",
        "aws:cloudformation:stack-name": NAME,
        "aws:cloudformation:stack-id": made["StackId"],
        "aws:cloudformation:logical-id": "Stage",
    }
    calls = [call.call.operation for call in sandbox.calls if call.call.service == "apigateway"]
    assert calls.index("CreateStage") < calls.index("UpdateStage")

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert client(sandbox, "apigateway").get_rest_apis()["items"] == []


def test_deployment_creates_its_stage_and_is_deleted_with_it(sandbox: Sandbox) -> None:
    api: dict[str, Any] = {"RestApiId": {"Ref": "Api"}}
    root = {**api, "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]}}
    body = template(
        {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "pets"}},
            "Method": {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**root, "HttpMethod": "GET", "Integration": {"Type": "MOCK"}},
            },
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "Properties": {**api, "StageName": "dev"},
                "DependsOn": "Method",
            },
        }
    )
    made = create(sandbox, body)
    stages = client(sandbox, "apigateway").get_stages(restApiId=physical(sandbox)["Api"])["item"]
    assert [each["stageName"] for each in stages] == ["dev"]

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
