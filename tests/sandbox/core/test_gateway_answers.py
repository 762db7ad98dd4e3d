"""API Gateway's answers on the wire: statuses, members that are absent, and refusals that many calls share.

*Source*, where nothing else is said: localstack/localstack ``test_apigateway_{api,common}.snapshot.json``.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.rest_apis import replace
from testing.v2_apis import http_api

NEW_API = {"apiKeySource", "apiStatus", "createdDate", "disableExecuteApiEndpoint", "endpointConfiguration", "id",
           "name", "rootResourceId", "securityPolicy"}  # fmt: skip


def status(answer: dict[str, Any]) -> int:
    code: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return code


def members(answer: dict[str, Any]) -> set[str]:
    return answer.keys() - {"ResponseMetadata"}


def test_creation_and_deletion_of_a_rest_api_have_their_own_statuses(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigateway")
    api = gateway.create_rest_api(name="pets")
    assert status(api) == 201
    api_id, root = api["id"], api["rootResourceId"]
    key = {"restApiId": api_id, "resourceId": root, "httpMethod": "GET"}
    assert status(gateway.put_method(**key, authorizationType="NONE")) == 201
    assert status(gateway.put_integration(**key, type="MOCK")) == 201
    deployment = gateway.create_deployment(restApiId=api_id)
    stage = gateway.create_stage(restApiId=api_id, stageName="prod", deploymentId=deployment["id"])
    assert [status(deployment), status(stage)] == [201, 201]
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    assert status(gateway.tag_resource(resourceArn=arn, tags={"a": "b"})) == 204
    assert status(gateway.untag_resource(resourceArn=arn, tagKeys=["a"])) == 204
    deleted = [
        gateway.delete_stage(restApiId=api_id, stageName="prod"),
        gateway.delete_deployment(restApiId=api_id, deploymentId=deployment["id"]),
        gateway.delete_rest_api(restApiId=api_id),
    ]
    assert [status(each) for each in deleted] == [202, 202, 202]


def test_calls_of_version_2_have_the_statuses_of_the_service_model(sandbox: Sandbox) -> None:
    """*Source:* botocore's service model. A connection goes on after an answer without a body."""
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.create_api(Name="pets", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id, IntegrationType="HTTP_PROXY", IntegrationUri="https://x.y", IntegrationMethod="GET"
    )
    route = gateway.create_route(ApiId=api_id, RouteKey="GET /x", Target=f"integrations/{integration['IntegrationId']}")
    assert [status(integration), status(route)] == [201, 201]
    assert integration["ConnectionType"] == "INTERNET"
    assert "RequestParameters" not in route
    assert "RequestParameters" not in gateway.get_routes(ApiId=api_id)["Items"][0]
    assert status(gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])) == 204
    assert status(gateway.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])) == 204
    assert gateway.get_routes(ApiId=api_id)["Items"] == []
    assert status(gateway.delete_api(ApiId=api_id)) == 204


def test_new_api_has_the_defaults_of_aws_and_no_other_member(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigateway")
    made = gateway.create_rest_api(name="pets")
    assert members(made) == NEW_API
    assert made["endpointConfiguration"] == {"types": ["EDGE"], "ipAddressType": "ipv4"}
    found = gateway.get_rest_api(restApiId=made["id"])
    assert members(found) == NEW_API
    renamed = gateway.update_rest_api(restApiId=made["id"], patchOperations=[replace("/name", "dogs")])
    assert (renamed["name"], renamed["tags"]) == ("dogs", {})
    private = gateway.create_rest_api(
        name="x", endpointConfiguration={"types": ["PRIVATE"]}, version="v1", tags={"a": "b"}
    )
    assert private["endpointConfiguration"] == {"types": ["PRIVATE"], "ipAddressType": "dualstack"}
    assert (private["version"], private["tags"]) == ("v1", {"a": "b"})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"description": ""}, "Description cannot be an empty string"),
        (
            {"endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
            "Cannot create an api with multiple Endpoint Types.",
        ),
        ({"minimumCompressionSize": -1}, "Invalid minimum compression size, must be between 0 and 10485760"),
    ],
)
def test_invalid_rest_apis_are_refused(sandbox: Sandbox, parameters: dict[str, Any], message: str) -> None:
    gateway = client(sandbox, "apigateway")
    refused = refusal(lambda: gateway.create_rest_api(name="pets", **parameters))
    assert refused == ("BadRequestException", message)
    assert gateway.get_rest_apis()["items"] == []


def test_invalid_patch_operations_are_refused_together(sandbox: Sandbox) -> None:
    api_id, gateway = make_rest_stage(sandbox), client(sandbox, "apigateway")
    patch = [replace("/description", "x"), {"op": "wrong", "path": "/x"}, {"op": "", "path": "/x"}]
    values = (
        "failed to satisfy constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]"
    )
    code, message = refusal(lambda: gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=patch))
    assert code == "ValidationException"
    assert message == (
        f"2 validation errors detected: Value 'wrong' at 'updateStageInput.patchOperations.2.member.op' {values}; "
        f"Value '' at 'updateStageInput.patchOperations.3.member.op' {values}"
    )
    assert "description" not in gateway.get_stage(restApiId=api_id, stageName="prod")


def test_tags_with_the_prefix_of_aws_are_refused(sandbox: Sandbox) -> None:
    """*Source:* serverless/serverless issue 9223, aws/aws-cdk issue 23738."""
    expected = ("BadRequestException", "Invalid tag key. Tag keys cannot start with 'aws:' (case insensitive)")
    tags = {"AWS:owner": "x"}
    gateway, second = client(sandbox, "apigateway"), client(sandbox, "apigatewayv2")
    api_id = make_rest_stage(sandbox)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    deployment = gateway.get_stage(restApiId=api_id, stageName="prod")["deploymentId"]
    of_version_2 = http_api(sandbox)
    for call in (
        lambda: gateway.tag_resource(resourceArn=arn, tags=tags),
        lambda: gateway.create_rest_api(name="x", tags=tags),
        lambda: gateway.create_stage(restApiId=api_id, stageName="x", deploymentId=deployment, tags=tags),
        lambda: second.create_api(Name="x", ProtocolType="HTTP", Tags=tags),
        lambda: second.create_stage(ApiId=of_version_2, StageName="x", Tags=tags),
    ):
        assert refusal(call) == expected
    assert gateway.get_tags(resourceArn=arn)["tags"] == {}


def test_invalid_names_of_stages_and_variables_are_refused(sandbox: Sandbox) -> None:
    """*Source:* serverless/serverless issue 6133; Miserlou/Zappa issue 356. Of values: botocore's documentation."""
    api_id, gateway = make_rest_stage(sandbox), client(sandbox, "apigateway")
    named = ("BadRequestException", "Stage name only allows a-zA-Z0-9_")
    assert refusal(lambda: gateway.create_deployment(restApiId=api_id, stageName="a b")) == named
    text = "Invalid stage variable name: Project ID.  Please use names with only word characters."
    expected = ("BadRequestException", text)
    variables = {"Project ID": "x"}
    patch = [replace("/variables/Project ID", "x")]
    for call in (
        lambda: gateway.create_deployment(restApiId=api_id, stageName="prod", variables=variables),
        lambda: gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=patch),
        lambda: client(sandbox, "apigatewayv2").create_stage(
            ApiId=http_api(sandbox), StageName="x", StageVariables=variables
        ),
    ):
        assert refusal(call) == expected
    value = [replace("/variables/owner", "a b")]
    refused = refusal(lambda: gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=value))
    assert refused[0] == "BadRequestException"
    good = [replace("/variables/url", "https://x.y/?a=b&c#d,e"), replace("/variables/GET/metrics/enabled", "true")]
    gateway.update_stage(restApiId=api_id, stageName="prod", patchOperations=good)


def test_missing_deployment_is_not_found(sandbox: Sandbox) -> None:
    api_id, gateway = make_rest_stage(sandbox), client(sandbox, "apigateway")
    missing = refusal(lambda: gateway.get_deployment(restApiId=api_id, deploymentId="nope"))
    assert missing == ("NotFoundException", "Invalid Deployment identifier specified")
