"""Access log destinations in templates: ``!GetAtt LogGroup.Arn`` ends in ``:*``, which CloudFormation removes."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role
from testing.clients import client, refusal
from testing.cloudformation import api_with_stage, create, physical, template, update
from testing.rest_apis import replace

GROUPS: dict[str, Any] = {name: {"Type": "AWS::Logs::LogGroup"} for name in ("First", "Second")}
FORMAT = '{"requestId":"$context.requestId"}'
ACCOUNT = "arn:aws:logs:us-east-1:123456789012:log-group:"


def to(group: str) -> dict[str, Any]:
    return {"DestinationArn": {"Fn::GetAtt": [group, "Arn"]}, "Format": FORMAT}


def rest_stage(group: str) -> str:
    return template({**GROUPS, **api_with_stage(AccessLogSetting=to(group))})


def rest_deployment(group: str) -> str:
    resources = api_with_stage()
    del resources["Prod"]
    described = {"StageName": "prod", "StageDescription": {"AccessLogSetting": to(group)}}
    resources["Deployment"]["Properties"] |= described
    return template({**GROUPS, **resources})


def v2_stage(protocol: str) -> Any:
    more = {"RouteSelectionExpression": "$request.body.action"} if protocol == "WEBSOCKET" else {}

    def body(group: str) -> str:
        api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "web", "ProtocolType": protocol, **more}}
        stage = {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "prod", "AccessLogSettings": to(group)},
        }
        return template({**GROUPS, "Api": api, "Prod": stage})

    return body


def destination(sandbox: Sandbox) -> str:
    """Return the access log destination of the stack's only stage, as its API shows it."""
    api_id = physical(sandbox)["Api"]
    rest = [each["id"] for each in client(sandbox, "apigateway").get_rest_apis()["items"]]
    if api_id in rest:
        stage = client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName="prod")
        return str(stage["accessLogSettings"]["destinationArn"])
    stage = client(sandbox, "apigatewayv2").get_stage(ApiId=api_id, StageName="prod")
    return str(stage["AccessLogSettings"]["DestinationArn"])


@pytest.mark.parametrize(
    "body",
    [rest_stage, rest_deployment, v2_stage("HTTP"), v2_stage("WEBSOCKET")],
    ids=["rest stage", "rest deployment", "http", "websocket"],
)
def test_star_of_a_log_groups_arn_is_removed(sandbox: Sandbox, body: Any) -> None:
    give_log_role(sandbox)

    assert create(sandbox, body("First"))["StackStatus"] == "CREATE_COMPLETE"
    assert destination(sandbox) == ACCOUNT + physical(sandbox)["First"]

    assert update(sandbox, body("Second"))["StackStatus"] == "UPDATE_COMPLETE"
    assert destination(sandbox) == ACCOUNT + physical(sandbox)["Second"]


def test_api_gateway_itself_refuses_the_star(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    create(sandbox, rest_stage("First"))
    api_id = physical(sandbox)["Api"]

    path, arn = "/accessLogSettings/destinationArn", f"{ACCOUNT}{physical(sandbox)['First']}:*"
    code, _ = refusal(
        lambda: client(sandbox, "apigateway").update_stage(
            restApiId=api_id, stageName="prod", patchOperations=[replace(path, arn)]
        )
    )
    assert code == "BadRequestException"
