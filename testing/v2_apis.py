"""Create, read and update HTTP and WebSocket APIs with a stage, for tests of the sandbox."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

GROUP = "/aws/vendedlogs/apigateway/x"
FORMAT = "$context.requestId $context.status"


def group_arn(name: str = GROUP, region: str = "us-east-1") -> str:
    """Return the ARN of a log group as an access log destination."""
    return f"arn:aws:logs:{region}:{Sandbox.account_id}:log-group:{name}"


def access_log(name: str = GROUP, text: str = FORMAT) -> dict[str, str]:
    """Return access log settings that every API accepts."""
    return {"DestinationArn": group_arn(name), "Format": text}


def make_group(sandbox: Sandbox, name: str = GROUP) -> None:
    """Create a log group."""
    client(sandbox, "logs").create_log_group(logGroupName=name)


def http_api(sandbox: Sandbox, *, stage_name: str = "prod", routes: tuple[str, ...] = ("GET /pets",)) -> str:
    """Create an HTTP API with routes and a stage without automatic deployment. Return the API's id."""
    return _api(sandbox, stage_name, routes, Name="http", ProtocolType="HTTP")


def websocket_api(sandbox: Sandbox, *, stage_name: str = "prod") -> str:
    """Create a WebSocket API with routes ``$connect``, ``$default`` and ``echo``, and a stage. Return its id."""
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
    """Return a stage as GetStage answers, without metadata."""
    answer: dict[str, Any] = client(sandbox, "apigatewayv2").get_stage(ApiId=api_id, StageName=name)
    del answer["ResponseMetadata"]
    return answer


def update_v2(sandbox: Sandbox, api_id: str, name: str = "prod", **members: Any) -> dict[str, Any]:
    """Call UpdateStage with these members and return its answer."""
    answer: dict[str, Any] = client(sandbox, "apigatewayv2").update_stage(ApiId=api_id, StageName=name, **members)
    return answer
