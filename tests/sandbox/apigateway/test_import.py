"""REST APIs are imported from OpenAPI and Swagger documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.rest_apis import stage

OPENAPI: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "imported"},
    "paths": {
        "/": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}},
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path"}],
            "get": {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": {"statusCode": 200}}}},
            "x-amazon-apigateway-any-method": {
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "ANY",
                    "uri": "https://x.example",
                }
            },
        },
    },
}
SWAGGER_YAML = """
swagger: "2.0"
info: {title: imported, version: 1}
paths:
  /pets:
    get:
      responses: {"200": {description: ok}}
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{"statusCode": 200}'}}
"""


@pytest.mark.parametrize("body", [json.dumps(OPENAPI), SWAGGER_YAML], ids=["OpenAPI JSON", "Swagger YAML"])
def test_imported_api_is_deployed(sandbox: Sandbox, body: str) -> None:
    gateway = client(sandbox, "apigateway")
    imported = gateway.import_rest_api(body=body.encode())
    assert imported["name"] == "imported"
    assert gateway.get_stages(restApiId=imported["id"])["item"] == []
    gateway.create_deployment(restApiId=imported["id"], stageName="prod")
    assert stage(sandbox, imported["id"])["methodSettings"] == {}


def test_imported_api_has_the_documents_methods(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigateway")
    api_id = gateway.import_rest_api(body=json.dumps(OPENAPI).encode())["id"]
    methods = {
        each["path"]: sorted(each.get("resourceMethods", {}))
        for each in gateway.get_resources(restApiId=api_id)["items"]
    }
    assert methods == {"/": ["GET"], "/pets": [], "/pets/{id}": ["ANY", "GET"]}
    gateway.put_rest_api(restApiId=api_id, mode="overwrite", body=SWAGGER_YAML.encode())
    methods = {
        each["path"]: sorted(each.get("resourceMethods", {}))
        for each in gateway.get_resources(restApiId=api_id)["items"]
    }
    assert methods == {"/": [], "/pets": ["GET"]}


def test_method_without_integration_cannot_be_deployed(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigateway")
    document = {"openapi": "3.0.1", "info": {}, "paths": {"/": {"get": {}}}}
    api_id = gateway.import_rest_api(body=json.dumps(document).encode())["id"]
    assert refusal(lambda: gateway.create_deployment(restApiId=api_id, stageName="prod")) == (
        "BadRequestException",
        "No integration defined for method",
    )
