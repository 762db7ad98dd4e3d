"""A REST stage of the sandbox takes and refuses what AWS takes and refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, log_role, make_rest_stage
from testing.clients import client, refusal
from testing.rest_apis import NO_ROLE, replace, stage, update

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apigateway/x"


def test_new_stage_has_no_logging(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox, stage_name="prod")
    fresh = stage(sandbox, api_id)
    assert fresh["methodSettings"] == {}
    assert "accessLogSettings" not in fresh
    assert fresh["tracingEnabled"] is False
    assert fresh["cacheClusterStatus"] == "NOT_AVAILABLE"


@pytest.mark.parametrize("op", ["add", "replace"])
def test_operation_add_works_as_replace(sandbox: Sandbox, op: str) -> None:
    api_id = make_rest_stage(sandbox)
    give_log_role(sandbox)
    update(sandbox, api_id, {"op": op, "path": "/*/*/logging/loglevel", "value": "info"})
    update(sandbox, api_id, {"op": op, "path": "/accessLogSettings/destinationArn", "value": GROUP})
    now = stage(sandbox, api_id)
    assert now["methodSettings"]["*/*"]["loggingLevel"] == "INFO"
    assert now["accessLogSettings"] == {"destinationArn": GROUP}


def test_first_setting_creates_the_whole_entry_without_a_level(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/throttling/burstLimit", "123"))
    assert stage(sandbox, api_id)["methodSettings"] == {
        "*/*": {
            "metricsEnabled": False,
            "dataTraceEnabled": False,
            "throttlingBurstLimit": 123,
            "throttlingRateLimit": 10000.0,
            "cachingEnabled": False,
            "cacheTtlInSeconds": 300,
            "cacheDataEncrypted": False,
            "requireAuthorizationForCacheControl": True,
            "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
        }
    }


def test_override_is_created_as_a_copy_and_does_not_follow(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    give_log_role(sandbox)
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "ERROR"), replace("/*/*/logging/dataTrace", "true"))
    update(sandbox, api_id, replace("/~1pets~1{id}/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "INFO"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert settings["~1pets~1{id}/GET"]["loggingLevel"] == "ERROR"
    assert settings["~1pets~1{id}/GET"]["dataTraceEnabled"] is True
    assert settings["*/*"]["loggingLevel"] == "INFO"


@pytest.mark.parametrize(
    "key",
    [
        "~1pets~1{id}/GET",
        "pets~1{id}/GET",
        "pets/{id}/GET",
        "/pets/{id}/GET",
        "{proxy+}/POST",
        "~1/GET",
        "*/*",
        "variables/GET",
    ],
)
def test_key_of_an_entry_is_the_path_that_addressed_it(sandbox: Sandbox, key: str) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace(f"/{key}/metrics/enabled", "true"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert {name: each["metricsEnabled"] for name, each in settings.items()} == {key: True}


def test_two_spellings_of_a_method_are_two_entries(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, replace("/~1pets/GET/throttling/rateLimit", "5"))
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "8"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert {key: each["throttlingRateLimit"] for key, each in settings.items()} == {"pets/GET": 8.0, "~1pets/GET": 5.0}
    update(sandbox, api_id, {"op": "remove", "path": "/~1pets/GET"})
    assert list(stage(sandbox, api_id)["methodSettings"]) == ["pets/GET"]


def test_two_spellings_of_a_method_may_be_one_entry(sandbox: Sandbox) -> None:
    """Whether they are one entry is not recorded."""
    sandbox.turn(unifies_method_keys=True)
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/{id}/GET/throttling/burstLimit", "7"))
    update(sandbox, api_id, replace("/~1pets~1{id}/GET/throttling/burstLimit", "8"))
    update(sandbox, api_id, replace("/pets/GET/throttling/burstLimit", "9"))
    entries = stage(sandbox, api_id)["methodSettings"]
    assert {key: entry["throttlingBurstLimit"] for key, entry in entries.items()} == {"pets/{id}/GET": 8, "pets/GET": 9}


@pytest.mark.parametrize(
    "path", ["/lit/ANY/caching/enabled", "/pets/*/caching/enabled", "/tags/tag1", "/methodSettings", "/*/*/nonsense"]
)
def test_other_paths_are_refused(sandbox: Sandbox, path: str) -> None:
    code, message = refusal(lambda: update(sandbox, make_rest_stage(sandbox), replace(path, "true")))
    assert code == "BadRequestException"
    assert message.startswith(f"Invalid method setting path: {path}. Must be one of: [/deploymentId, /description,")
    assert message.endswith("/variables/{variable_name}, /tracingEnabled]")


def test_override_is_removed_as_a_whole_and_created_again_in_one_call(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, {"op": "remove", "path": "/pets/GET"}, replace("/pets/GET/metrics/enabled", "true"))
    entry = stage(sandbox, api_id)["methodSettings"]["pets/GET"]
    assert (entry["metricsEnabled"], entry["throttlingRateLimit"]) == (True, 10000.0)


@pytest.mark.parametrize(
    "path", ["/*/*", "/pets/GET", "/other/GET/throttling/rateLimit", "/accessLogSettings/destinationArn"]
)
def test_removal_of_a_missing_entry_is_refused(sandbox: Sandbox, path: str) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, {"op": "remove", "path": path})) == (
        "BadRequestException",
        f"Cannot remove method setting {path[1:]} because there is no method setting for this method ",
    )


def test_removal_of_a_field_of_an_entry_is_refused(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/throttling/rateLimit", "7"))
    code, _ = refusal(lambda: update(sandbox, api_id, {"op": "remove", "path": "/*/*/throttling/rateLimit"}))
    assert code == "BadRequestException"
    assert stage(sandbox, api_id)["methodSettings"]["*/*"]["throttlingRateLimit"] == 7.0


@pytest.mark.parametrize("level", ["BOGUS", "", "WARN"])
def test_wrong_level_is_refused(sandbox: Sandbox, level: str) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, replace("/*/*/logging/loglevel", level))) == (
        "BadRequestException",
        f"Invalid logging level specified: {level or 'null'}",
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/*/*/logging/loglevel", "ERROR"),
        ("/pets/GET/logging/loglevel", "info"),
        ("/accessLogSettings/destinationArn", GROUP),
    ],
)
def test_logging_needs_the_account_role(sandbox: Sandbox, path: str, value: str) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, replace(path, value))) == ("BadRequestException", NO_ROLE)
    give_log_role(sandbox)
    update(sandbox, api_id, replace(path, value))


def test_off_needs_no_role(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "OFF"))
    assert stage(sandbox, api_id)["methodSettings"]["*/*"]["loggingLevel"] == "OFF"


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            replace("/accessLogSettings/destinationArn", f"{GROUP}:*"),
            (
                "Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': "
                "'log-group:/aws/vendedlogs/apigateway/x:*'"
            ),
        ),
        (replace("/accessLogSettings/destinationArn", ""), "Access Log value must not be empty"),
        (replace("/accessLogSettings/format", ""), "Access Log value must not be empty"),
        (
            replace("/accessLogSettings/nonsense", "x"),
            (
                "Invalid accessLogSettings path. Must be one of : "
                "[/accessLogSettings/destinationArn, /accessLogSettings/format]"
            ),
        ),
    ],
)
def test_wrong_access_log_settings_are_refused(sandbox: Sandbox, operation: dict[str, str], message: str) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, operation)) == ("BadRequestException", message)


@pytest.mark.parametrize("name", ["requestId", "extendedRequestId"])
def test_access_log_format_names_the_request_by_either_id(sandbox: Sandbox, name: str) -> None:
    """*Source:* the refusal of a format with neither, which names both."""
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/accessLogSettings/format", f"$context.{name}"))
    assert stage(sandbox, api_id)["accessLogSettings"]["format"] == f"$context.{name}"


def test_access_log_is_switched_off_whole(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    update(
        sandbox,
        api_id,
        replace("/accessLogSettings/destinationArn", GROUP),
        replace("/accessLogSettings/format", "$context.requestId\n"),
    )
    update(sandbox, api_id, {"op": "remove", "path": "/accessLogSettings"})
    assert "accessLogSettings" not in stage(sandbox, api_id)


def test_refused_call_changes_nothing(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    before = stage(sandbox, api_id)
    refusal(lambda: update(sandbox, api_id, replace("/description", "new"), replace("/*/*/logging/loglevel", "INFO")))
    assert stage(sandbox, api_id) == before


def test_more_than_80_operations_are_refused(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, *[replace("/description", str(number)) for number in range(80)])
    many = [replace("/description", str(number)) for number in range(81)]
    assert refusal(lambda: update(sandbox, api_id, *many))[0] == "BadRequestException"


def test_other_settings_of_a_stage_are_updated(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    second = gateway.create_deployment(restApiId=api_id)["id"]
    update(
        sandbox,
        api_id,
        replace("/description", "d"),
        replace("/variables/a", "1"),
        replace("/tracingEnabled", "true"),
        replace("/canarySettings/percentTraffic", "10"),
        replace("/canarySettings/deploymentId", second),
    )
    update(
        sandbox,
        api_id,
        {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
        {"op": "remove", "path": "/canarySettings"},
    )
    now = stage(sandbox, api_id)
    assert (now["description"], now["variables"], now["tracingEnabled"]) == ("d", {"a": "1"}, True)
    assert now["deploymentId"] == second
    assert "canarySettings" not in now


def test_deploying_again_keeps_the_settings(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    give_log_role(sandbox)
    update(
        sandbox, api_id, replace("/*/*/logging/loglevel", "ERROR"), replace("/accessLogSettings/destinationArn", GROUP)
    )
    gateway.tag_resource(resourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod", tags={"a": "b"})
    before = stage(sandbox, api_id)
    again = gateway.create_deployment(restApiId=api_id, stageName="prod")["id"]
    now = stage(sandbox, api_id)
    assert now["deploymentId"] == again != before["deploymentId"]
    for name in ("methodSettings", "accessLogSettings", "tags"):
        assert now[name] == before[name]


def test_missing_api_or_stage_is_not_found(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    assert refusal(lambda: gateway.get_stage(restApiId=api_id, stageName="nope")) == (
        "NotFoundException",
        "Invalid stage identifier specified",
    )
    for call in (
        lambda: gateway.get_stages(restApiId="nope"),
        lambda: gateway.get_rest_api(restApiId="nope"),
        lambda: gateway.create_deployment(restApiId="nope", stageName="x"),
    ):
        assert refusal(call) == ("NotFoundException", "Invalid API identifier specified 123456789012:nope")
    with pytest.raises(ClientError) as caught:
        gateway.get_stage(restApiId="nope", stageName="x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_stage_is_tagged_and_untagged(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    gateway.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO", "team": "a"})
    assert stage(sandbox, api_id)["tags"] == gateway.get_tags(resourceArn=arn)["tags"]
    gateway.untag_resource(resourceArn=arn, tagKeys=["execution-logs"])
    assert stage(sandbox, api_id)["tags"] == {"team": "a"}
    # A stage inherits its API's tags for access control only: they are not shown.
    gateway.tag_resource(resourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{api_id}", tags={"x": "y"})
    assert stage(sandbox, api_id)["tags"] == {"team": "a"}
    assert gateway.get_rest_api(restApiId=api_id)["tags"] == {"x": "y"}


def test_create_stage_creates_a_stage_of_a_deployment(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    deployment = gateway.create_deployment(restApiId=api_id)["id"]
    gateway.create_stage(
        restApiId=api_id, stageName="two", deploymentId=deployment, tags={"a": "b"}, variables={"v": "1"}
    )
    made = stage(sandbox, api_id, "two")
    assert (made["methodSettings"], made["tags"], made["variables"]) == ({}, {"a": "b"}, {"v": "1"})
    assert refusal(lambda: gateway.delete_deployment(restApiId=api_id, deploymentId=deployment))[1].startswith(
        "Active stages pointing to this deployment"
    )
    gateway.delete_stage(restApiId=api_id, stageName="two")
    gateway.delete_deployment(restApiId=api_id, deploymentId=deployment)
    assert [each["stageName"] for each in gateway.get_stages(restApiId=api_id)["item"]] == ["prod"]


# ---- import


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


def test_role_of_another_region_does_not_count(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox, region="eu-west-1")
    assert log_role(sandbox, "eu-west-1") is None
    code, message = refusal(
        lambda: update(sandbox, api_id, replace("/*/*/logging/loglevel", "ERROR"), region="eu-west-1")
    )
    assert (code, message) == ("BadRequestException", NO_ROLE)
