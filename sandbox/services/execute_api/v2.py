"""Serves requests to HTTP APIs, and writes their lines.

Not known: whether a request that fits no route is in the access log (here it is).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.call import Answer
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.apigateway.request_logs import write_lines
from sandbox.services.apigatewayv2 import log_delivery
from sandbox.services.execute_api import integrations
from sandbox.services.execute_api.exchanges import Incoming, Outcome, Target
from sandbox.services.execute_api.rest import HOP_BY_HOP, values_of

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.core.account import Account


def serve(account: Account, region: str, api: Any, stage: Any, incoming: Incoming) -> Answer:
    """Answer the request, and write its lines."""
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
    _write_access_log(account, region, stage, incoming.started, values)
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


def _write_access_log(account: Account, region: str, stage: Any, begun: datetime, values: dict[str, str]) -> None:
    destination = stage.access_log.get("DestinationArn", "")
    if ":log-group:" not in destination:
        return
    group = destination.split(":log-group:", 1)[1].removesuffix(":*")
    line = access_log_line(stage.access_log["Format"], values, Escaping(account.behaviour.access_log_escaping))
    if log_delivery.reaches(account, region, group):
        deliverer = account.client("logs", region, invoked_by="delivery.logs.amazonaws.com")
        write_lines(deliverer, group, [(begun, line)], creates=False)
