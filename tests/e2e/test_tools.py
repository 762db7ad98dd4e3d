"""Stages made by the tools that teams use: the AWS command line, sam, imports of OpenAPI definitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import deployment
from sandbox.services.eventbridge import event_bus
from testing.accounts import make_rest_stage
from testing.builders import EVENTS, sample
from testing.stacks import Deployed

SAM_API = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Shop:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Tags: {execution-logs: INFO}
      DefinitionBody:
        openapi: 3.0.1
        info: {title: shop, version: "1"}
        paths:
          /pets:
            get:
              x-amazon-apigateway-integration: {type: mock}
Outputs:
  ApiId:
    Value: !Ref Shop
"""

#: As a framework may write it: neither description nor operation ids, nor responses.
BARE_OPENAPI: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "bare", "version": "1"},
    "paths": {"/pets/{id}": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}},
}
FULL_OPENAPI: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "full", "description": "All of it", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "list",
                "responses": {"200": {"description": "Pets"}},
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "responses": {"default": {"statusCode": "200"}},
                },
            }
        }
    },
}
SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "old", "version": "1"},
    "paths": {"/pets": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}},
}


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    return deploy()


def aws(stack: Deployed, *words: str) -> Any:
    """The AWS command line's answer."""
    printed = deployment.run(stack.sandbox, "aws", *words, "--output", "json")
    return json.loads(printed) if printed.strip() else None


def test_sam_deploy_of_somebodys_api(stack: Deployed, tmp_path: Path) -> None:
    """Both of its stages: the one it names, which is tagged, and the one named Stage that sam makes beside it."""
    (tmp_path / "template.yaml").write_text(SAM_API)
    deployment.run(
        stack.sandbox,
        *("sam", "deploy", "--template-file", "template.yaml", "--stack-name", "shop", "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
        folder=tmp_path,
    )
    outputs = stack.sandbox.client("cloudformation").describe_stacks(StackName="shop")["Stacks"][0]["Outputs"]
    api_id = outputs[0]["OutputValue"]
    stack.wait_until_compliant(api_id, "Stage")
    stack.wait_until_compliant(api_id, "live", level="INFO")


@pytest.mark.parametrize("definition", [BARE_OPENAPI, FULL_OPENAPI, SWAGGER], ids=["bare", "full", "swagger"])
def test_imported_definition(stack: Deployed, tmp_path: Path, definition: dict[str, Any]) -> None:
    (tmp_path / "api.json").write_text(json.dumps(definition))
    api_id = aws(stack, "apigateway", "import-rest-api", "--body", f"fileb://{tmp_path}/api.json")["id"]
    aws(stack, "apigateway", "create-deployment", "--rest-api-id", api_id, "--stage-name", "prod")
    stack.wait_until_compliant(api_id)


def test_aws_command_line_tags_a_stage(stack: Deployed) -> None:
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    aws(stack, "apigateway", "tag-resource", "--resource-arn", arn, "--tags", "execution-logs=INFO")
    stack.wait_until_compliant(api_id, level="INFO")
    aws(stack, "apigateway", "untag-resource", "--resource-arn", arn, "--tag-keys", "execution-logs")
    stack.wait_until_compliant(api_id)


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_any_sample_can_be_replayed(stack: Deployed, tmp_path: Path, name: str) -> None:
    """The samples name a stage that is not there, which is no error."""
    answer = stack.sandbox.client("lambda").invoke(
        FunctionName=stack.outputs["EnforceFunction"], Payload=json.dumps(sample(name))
    )
    assert "FunctionError" not in answer
    assert answer["Payload"].read() == b"null"


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_every_sample_goes_through_rule_and_function(stack: Deployed, name: str) -> None:
    """From the default bus, as CloudTrail puts it there; what no rule lets through reaches nobody."""
    event = sample(name)
    goes_through = name not in ("update-stage-failed", "log-role-to-evaluate", "stage-to-evaluate", "api-to-evaluate")
    function = "sweep" if name == "delete-resource-policy-of-account" else "enforce"
    stack.wait_until_quiet()
    before = stack.invocations(function)
    event_bus.put(stack.sandbox, "us-east-1", event)
    if goes_through:
        stack.sandbox.wait_until(lambda: stack.invocations(function) > before)
    assert stack.wait_until_quiet() == 0
    assert stack.invocations(function) == before + goes_through


def test_sam_remote_invoke_replays_a_record(stack: Deployed, tmp_path: Path) -> None:
    """For example after the rule has missed it. The function has not seen the record of the change."""
    with stack.sandbox.lock:
        stack.sandbox.has_trail = False
        api_id = make_rest_stage(stack.sandbox)
        stack.sandbox.has_trail = True
    event = sample("create-deployment")
    event["detail"]["requestParameters"]["restApiId"] = api_id
    (tmp_path / "event.json").write_text(json.dumps(event))
    assert not stack.is_compliant(api_id)
    deployment.run(
        stack.sandbox,
        *("sam", "remote", "invoke", "EnforceFunction", "--stack-name", "log-keeper"),
        *("--event-file", str(tmp_path / "event.json")),
    )
    assert stack.is_compliant(api_id)
