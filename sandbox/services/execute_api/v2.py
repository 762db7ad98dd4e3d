"""Serves requests to HTTP APIs, and the opening of connections to WebSocket APIs; writes their lines.

*Source* of the execution log lines of WebSocket APIs: radkawar/stackd, internal/services/apigatewaywebsocket, written
after recordings of 2026-09 (testdata/aws/apigateway/rest_websocket_logs.json). Not known: whether a request that fits
no route is in the access log of an HTTP API (here it is). No integration of a WebSocket route runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.call import Answer
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.apigateway.request_logs import client_of_log_role, execution_stream, write_lines
from sandbox.services.apigatewayv2 import log_delivery
from sandbox.services.execute_api import integrations
from sandbox.services.execute_api.exchanges import Incoming, Outcome, Target
from sandbox.services.execute_api.rest import HOP_BY_HOP, values_of

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.core.account import Account


def serve(account: Account, region: str, api: Any, stage: Any, incoming: Incoming) -> Answer:
    """Answer the request, and write its lines."""
    if api.protocol_type == "WEBSOCKET":
        return _connect(account, region, api, stage, incoming)
    route = _find(api, incoming)
    outcome = Outcome(0).fail(404, "", "Not Found", "DEFAULT_4XX")
    outcome.integration_error = None
    if route is not None:
        outcome = integrations.run(_target(account, region, api, stage, route), incoming)
        if outcome.error is not None:
            _as_http_api(outcome)
    # HTTP APIs have one id, and write seconds. Source: radkawar/stackd, http_logging.go.
    values = values_of(account, incoming, outcome, _host(api, region)) | {
        "apiId": api.api_id,
        "stage": stage.name,
        "requestId": incoming.extended_id,
        "path": incoming.path if stage.name == "$default" else f"/{stage.name}{incoming.path}",
        "requestTimeEpoch": str(int(incoming.started.timestamp())),
        **({} if route is None else {"routeKey": route[0].route_key}),
    }
    _write_access_log(account, region, api, stage, incoming.started, values)
    headers = {name: value for name, value in outcome.headers.items() if name.lower() not in HOP_BY_HOP}
    return Answer(outcome.status, [*headers.items(), ("apigw-requestid", incoming.extended_id)], outcome.body)


def _as_http_api(outcome: Outcome) -> None:
    """Change a failure to what HTTP APIs answer. *Source:* radkawar/stackd, handler.go, for Lambda's errors."""
    prefix = "Lambda Customer Function Error:"
    if outcome.integration_error is not None and outcome.integration_error.startswith(prefix):
        said = outcome.integration_error.removeprefix(prefix)
        text = (
            f"The Lambda function returned the following error: {said}. Check your Lambda function code and try again."
        )
        outcome.fail(500, text, "Internal Server Error", "INTEGRATION_FAILURE")
    elif outcome.status in (500, 502):
        outcome.fail(500, outcome.error or "", "Internal Server Error", "INTEGRATION_FAILURE")


def _find(api: Any, incoming: Incoming) -> tuple[Any, dict[str, str]] | None:
    """Return the route and the path parameters; None if there is none. The most exact route comes first.

    *Source:* API Gateway developer guide, "Create routes for HTTP APIs".
    """
    candidates: list[tuple[int, int, Any, dict[str, str]]] = []
    for route in api.routes.values():
        method, _, path = route.route_key.partition(" ")
        if route.route_key == "$default":
            candidates.append((3, 0, route, {}))
        elif method in (incoming.method, "ANY"):
            text = re.sub(r"\\\{(\w+)(\\\+)?\\\}", _group, re.escape(path))
            if (match := re.fullmatch(text, incoming.path)) is not None:
                rank = 2 if "\\+" in re.escape(path) else 1 if "{" in path else 0
                candidates.append((rank, int(method == "ANY"), route, match.groupdict()))
    if not candidates:
        return None
    _, _, route, parameters = min(candidates, key=lambda each: each[:2])
    return route, parameters


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"


def _target(account: Account, region: str, api: Any, stage: Any, route: tuple[Any, dict[str, str]]) -> Target:
    found, parameters = route
    integration = api.integrations.get((found.target or "").removeprefix("integrations/"))
    if integration is None:
        return Target(account, region, api.api_id, stage.name, found.route_key, "without a target")
    return Target(
        account,
        region,
        api.api_id,
        stage.name,
        found.route_key,
        integration.integration_type,
        integration.integration_uri or "",
        "" if integration.integration_method in (None, "ANY") else integration.integration_method,
        timeout=(integration.timeout_in_millis or 30_000) / 1000,
        path_parameters=parameters,
        payload=integration.payload_format_version or "1.0",
        has_credentials=bool(integration.credentials_arn),
    )


def _host(api: Any, region: str) -> str:
    return f"{api.api_id}.execute-api.{region}.amazonaws.com"


def _write_access_log(
    account: Account, region: str, api: Any, stage: Any, begun: datetime, values: dict[str, str]
) -> None:
    destination = stage.access_log.get("DestinationArn", "")
    if ":log-group:" not in destination:
        return
    group = destination.split(":log-group:", 1)[1].removesuffix(":*")
    line = access_log_line(stage.access_log["Format"], values, Escaping(account.behaviour.access_log_escaping))
    if api.protocol_type == "HTTP":
        if log_delivery.reaches(account, region, group):
            deliverer = account.client("logs", region, invoked_by="delivery.logs.amazonaws.com")
            write_lines(deliverer, group, [(begun, line)], creates=False)
    elif (logs := client_of_log_role(account, region, group)) is not None:
        # It is not known whether API Gateway creates the group for a WebSocket API. For a REST API, users report it.
        write_lines(logs, group, [(begun, line)], creates=False)


def _connect(account: Account, region: str, api: Any, stage: Any, incoming: Incoming) -> Answer:
    """Accept the connection, and write its lines. The answer is 200, since the sandbox speaks no WebSocket."""
    connection, request_id = f"{incoming.extended_id[:15]}=", incoming.extended_id
    values = {
        "accountId": account.account_id,
        "apiId": api.api_id,
        "stage": stage.name,
        "requestId": request_id,
        "extendedRequestId": request_id,
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "connectionId": connection,
        "connectedAt": str(int(incoming.started.timestamp() * 1000)),
        "domainName": _host(api, region),
        "requestTime": f"{incoming.started:%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": str(int(incoming.started.timestamp() * 1000)),
        "status": "200",
        "identity.sourceIp": incoming.source_ip,
        "identity.userAgent": incoming.user_agent,
    }
    _write_access_log(account, region, api, stage, incoming.started, values)
    settings = stage.route_settings.get("$connect", stage.default_route_settings)
    if settings.get("LoggingLevel", "OFF") == "INFO":
        agent = f"UserAgent: {incoming.user_agent}, SourceIp: {incoming.source_ip}"
        texts = (
            f"Extended Request Id: {request_id}",
            f"Starting execution for request: {request_id}",
            "WebSocket Request Route: [$connect]",
            f"Client [{agent}] is connecting to WebSocket API [{api.api_id}].",
            f"Client [Connection Id: {connection}] connected to API [{api.api_id}] successfully.",
        )
        group = f"/aws/apigateway/{api.api_id}/{stage.name}"
        if (logs := client_of_log_role(account, region, group)) is not None:
            lines = [(incoming.started, f"({request_id}) {text}") for text in texts[:-1]]
            lines.append((account.now(), f"({request_id}) {texts[-1]}"))
            write_lines(logs, group, lines, creates=True, stream=execution_stream())
    return Answer(200, [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)], b"{}")
