"""A REST stage of the sandbox is created, updated, deployed and tagged as AWS records it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_rest_stage
from testing.clients import client, refusal
from testing.rest_apis import replace, stage, update

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apigateway/x"


def test_new_stage_has_no_logging(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox, stage_name="prod")
    fresh = stage(sandbox, api_id)
    assert fresh["methodSettings"] == {}
    assert "accessLogSettings" not in fresh
    assert fresh["tracingEnabled"] is False
    assert fresh["cacheClusterStatus"] == "NOT_AVAILABLE"


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
