"""A canary of a REST stage in the sandbox is created, changed, promoted and removed as on AWS."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.rest_apis import replace, stage, update

PROMOTION = (
    replace("/canarySettings/percentTraffic", "0.0"),
    {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
    {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
)


def deploy(sandbox: Sandbox, api_id: str, **settings: Any) -> str:
    """Create a deployment to the stage ``prod`` and return its id."""
    answer = client(sandbox, "apigateway").create_deployment(restApiId=api_id, stageName="prod", **settings)
    return str(answer["id"])


def test_canary_deployment_does_not_change_the_deployment_of_the_stage(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    before = stage(sandbox, api_id)
    canary = {"percentTraffic": 50, "stageVariableOverrides": {"colour": "blue"}}
    second = deploy(sandbox, api_id, canarySettings=canary)
    after = stage(sandbox, api_id)
    assert after["deploymentId"] == before["deploymentId"] != second
    assert after["canarySettings"] == {
        "deploymentId": second,
        "percentTraffic": 50.0,
        "stageVariableOverrides": {"colour": "blue"},
        "useStageCache": False,
    }


def test_next_canary_deployment_replaces_the_canary(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    deploy(sandbox, api_id, canarySettings={"percentTraffic": 50, "stageVariableOverrides": {"colour": "blue"}})
    third = deploy(sandbox, api_id, canarySettings={"percentTraffic": 10})
    canary = {"deploymentId": third, "percentTraffic": 10.0, "useStageCache": False}
    assert stage(sandbox, api_id)["canarySettings"] == canary


def test_canary_is_promoted_by_copies_and_stays(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/variables/colour", "red"), replace("/variables/size", "9"))
    canary = {"percentTraffic": 50, "stageVariableOverrides": {"colour": "blue"}}
    second = deploy(sandbox, api_id, canarySettings=canary)
    update(sandbox, api_id, *PROMOTION)
    promoted = stage(sandbox, api_id)
    assert (promoted["deploymentId"], promoted["variables"]) == (second, {"colour": "blue", "size": "9"})
    assert promoted["canarySettings"] == canary | {
        "deploymentId": second,
        "percentTraffic": 0.0,
        "useStageCache": False,
    }
    update(sandbox, api_id, {"op": "remove", "path": "/canarySettings"})
    assert "canarySettings" not in stage(sandbox, api_id)


def test_first_operation_creates_the_canary_that_is_promoted(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    before = stage(sandbox, api_id)
    update(sandbox, api_id, *PROMOTION)
    after = stage(sandbox, api_id)
    assert after["deploymentId"] == before["deploymentId"]
    assert after["canarySettings"] == {
        "deploymentId": before["deploymentId"],
        "percentTraffic": 0.0,
        "useStageCache": False,
    }


def test_stage_without_a_canary_has_nothing_to_promote(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, *PROMOTION[1:])) == (
        "BadRequestException",
        "Promotion not available. Canary does not exist.",
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/canarySettings/stageVariableOverrides", "/variables"),
        ("/canarySettings/deploymentId", "/deploymentId"),
        ("/description", "/canarySettings/deploymentId"),
    ],
)
def test_copies_go_from_the_canary_to_the_stage_only(sandbox: Sandbox, path: str, source: str) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, {"op": "copy", "from": source, "path": path})) == (
        "BadRequestException",
        (
            f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are [/deploymentId, "
            "/variables] and valid copy:from are [/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]"
        ),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {},
            "Non null and non empty stageName must be provided for canary deployment. Provided value is null",
        ),
        (
            {"stageName": ""},
            "Non null and non empty stageName must be provided for canary deployment. Provided value is ",
        ),
        (
            {"stageName": "none"},
            "Stage none must already be created before making a canary release deployment",
        ),
    ],
)
def test_canary_deployment_needs_a_stage(sandbox: Sandbox, settings: dict[str, str], message: str) -> None:
    api_id, gateway = make_rest_stage(sandbox), client(sandbox, "apigateway")
    before = gateway.get_deployments(restApiId=api_id)["items"]
    assert refusal(
        lambda: gateway.create_deployment(restApiId=api_id, canarySettings={"percentTraffic": 50}, **settings)
    ) == ("BadRequestException", f"Invalid deployment content specified.{message}")
    assert gateway.get_deployments(restApiId=api_id)["items"] == before


def test_stage_with_a_canary_refuses_another_deployment(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    deploy(sandbox, api_id, canarySettings={"percentTraffic": 50})
    code, message = refusal(lambda: deploy(sandbox, api_id))
    assert code == "BadRequestException"
    assert "Non canary deployment not supported on stage prod because Canary is enabled." in message


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "add", "path": "/canarySettings/deploymentId", "value": "x"}, "Invalid add operation with path: "),
        ({"op": "remove", "path": "/canarySettings/stageVariableOverrides"}, "Cannot remove method setting canaryS"),
        ({"op": "remove", "path": "/canarySettings/bad"}, "Cannot remove method setting canarySettings/bad because "),
        (replace("/canarySettings", "x"), "Invalid method setting path: /canarySettings. Must be one of: ["),
        (replace("/canarySettings/bad", "x"), "Invalid method setting path: /canarySettings/bad. Must be one of: ["),
        (replace("/canarySettings/deploymentId", "none"), "Deployment id does not exist"),
    ],
)
def test_wrong_operations_on_a_canary_are_refused(sandbox: Sandbox, operation: dict[str, str], message: str) -> None:
    api_id = make_rest_stage(sandbox)
    deploy(sandbox, api_id, canarySettings={"percentTraffic": 50, "stageVariableOverrides": {"colour": "blue"}})
    before = stage(sandbox, api_id)
    code, said = refusal(lambda: update(sandbox, api_id, operation))
    assert (code, said[: len(message)]) == ("BadRequestException", message)
    assert stage(sandbox, api_id) == before


def test_stage_is_created_with_a_canary(sandbox: Sandbox) -> None:
    api_id, gateway = make_rest_stage(sandbox), client(sandbox, "apigateway")
    deployment = gateway.create_deployment(restApiId=api_id)["id"]

    def create(name: str, **canary: Any) -> dict[str, Any]:
        answer: dict[str, Any] = gateway.create_stage(
            restApiId=api_id, stageName=name, deploymentId=deployment, canarySettings=canary
        )
        return answer

    expected = {"deploymentId": deployment, "percentTraffic": 10.0, "useStageCache": False}
    assert create("one", percentTraffic=10)["canarySettings"] == expected
    assert refusal(lambda: create("two", deploymentId="none")) == (
        "BadRequestException",
        "Deployment id does not exist",
    )
    assert [each["stageName"] for each in gateway.get_stages(restApiId=api_id)["item"]] == ["prod", "one"]
