"""Method settings of stages in templates reach API Gateway in the template's spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client

NAME = "tiny"


def create(sandbox: Sandbox, *settings: dict[str, Any]) -> dict[str, Any]:
    """Create a stack of a stage with these method settings. Return it once no operation is in progress."""
    definition = {
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "1"},
        "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}, "responses": {}}}},
    }
    stage = {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "prod"}
    resources = {
        "Api": ("RestApi", {"Body": definition}),
        "Deployment": ("Deployment", {"RestApiId": {"Ref": "Api"}}),
        "Stage": ("Stage", {**stage, "MethodSettings": list(settings)}),
    }
    body = {name: {"Type": f"AWS::ApiGateway::{kind}", "Properties": of} for name, (kind, of) in resources.items()}
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.create_stack(StackName=NAME, TemplateBody=json.dumps({"Resources": body}))

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    found = sandbox.wait_until(described)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/~1pets~1{id}", "~1pets~1{id}/GET"),
        ("/pets/{id}", "pets/{id}/GET"),
        ("/", "~1/GET"),
        ("/*", "*/GET"),
    ],
)
def test_resource_path_is_kept_as_the_template_has_it(sandbox: Sandbox, path: str, key: str) -> None:
    created = create(sandbox, {"ResourcePath": path, "HttpMethod": "GET", "MetricsEnabled": True})
    assert created["StackStatus"] == "CREATE_COMPLETE"
    [api] = client(sandbox, "apigateway").get_rest_apis()["items"]
    stage = client(sandbox, "apigateway").get_stage(restApiId=api["id"], stageName="prod")
    assert {name: each["metricsEnabled"] for name, each in stage["methodSettings"].items()} == {key: True}


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ({"DataTraceEnabled": "true"}, "null/null/logging/dataTrace"),
        ({"ResourcePath": "/pets", "DataTraceEnabled": "true"}, "/pets/null/logging/dataTrace"),
        ({"HttpMethod": "GET", "DataTraceEnabled": "true"}, "null/GET/logging/dataTrace"),
    ],
)
def test_setting_without_its_path_fails_the_stack(sandbox: Sandbox, setting: dict[str, str], path: str) -> None:
    assert create(sandbox, setting)["StackStatus"].startswith("ROLLBACK_")
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    [reason] = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert f"Invalid method setting path: {path}. Must be one of: [" in reason
