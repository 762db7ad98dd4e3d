"""HTTP and WebSocket APIs with a stage, for tests of the sandbox."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

GROUP = "/aws/vendedlogs/apigateway/x"
FORMAT = "$context.requestId $context.status"


def group_arn(name: str = GROUP, region: str = "us-east-1") -> str:
    return f"arn:aws:logs:{region}:{Sandbox.account_id}:log-group:{name}"


def access_log(name: str = GROUP, text: str = FORMAT) -> dict[str, str]:
    """Access log settings that every API takes."""
    return {"DestinationArn": group_arn(name), "Format": text}


def make_group(sandbox: Sandbox, name: str = GROUP) -> None:
    client(sandbox, "logs").create_log_group(logGroupName=name)


def http_api(sandbox: Sandbox, *, stage_name: str = "prod", routes: tuple[str, ...] = ("GET /pets",)) -> str:
    """The id of an HTTP API with routes and a stage that does not deploy by itself."""
    return _api(sandbox, stage_name, routes, Name="http", ProtocolType="HTTP")


def websocket_api(sandbox: Sandbox, *, stage_name: str = "prod") -> str:
    """The id of a WebSocket API with the routes ``$connect``, ``$default`` and ``echo``, and a stage."""
    routes = ("$connect", "$default", "echo")
    selection = "$request.body.action"
    return _api(sandbox, stage_name, routes, Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection)


def _api(sandbox: Sandbox, stage_name: str, routes: tuple[str, ...], **parameters: str) -> str:
    gateway = client(sandbox, "apigatewayv2")
    api_id: str = gateway.create_api(**parameters)["ApiId"]
    kind = "HTTP_PROXY" if parameters["ProtocolType"] == "HTTP" else "MOCK"
    integration = gateway.create_integration(ApiId=api_id, IntegrationType=kind, PayloadFormatVersion="1.0")
    for key in routes:
        gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")
    deployment = gateway.create_deployment(ApiId=api_id)
    gateway.create_stage(ApiId=api_id, StageName=stage_name, DeploymentId=deployment["DeploymentId"])
    return api_id


def v2_stage(sandbox: Sandbox, api_id: str, name: str = "prod") -> dict[str, Any]:
    answer: dict[str, Any] = client(sandbox, "apigatewayv2").get_stage(ApiId=api_id, StageName=name)
    del answer["ResponseMetadata"]
    return answer


def update_v2(sandbox: Sandbox, api_id: str, name: str = "prod", **members: Any) -> dict[str, Any]:
    """UpdateStage with these members; gives the stage as answered."""
    answer: dict[str, Any] = client(sandbox, "apigatewayv2").update_stage(ApiId=api_id, StageName=name, **members)
    return answer
