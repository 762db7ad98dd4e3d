"""Connections to WebSocket APIs: their opening, messages and end, with the lines of both logs.

The sandbox speaks no WebSocket. A GET of the stage opens a connection, and the answer has its id in the header
``x-sandbox-connection-id``; a POST with the query ``connectionId`` sends a message; a DELETE with it ends the
connection. The answer is the status and the body that the integration gave, also where the route has no response.

*Source* of the lines and of the events: recordings of 2026-09 in radkawar/stackd,
testdata/aws/apigateway/rest_websocket_logs.json, for Lambda proxies at INFO with and without data trace. Not recorded
there: mock integrations, routes without an integration, and a message that fits no route; see docs/sandbox.md.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.core.call import Answer
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.apigateway.request_logs import client_of_log_role, cut, execution_stream, write_lines
from sandbox.services.execute_api import integrations
from sandbox.services.execute_api.exchanges import Incoming, Outcome, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sandbox.core.account import Account

_NO_KEY = "Request will not contribute to throttle or quota limits"
_EVENTS = {"GET": "CONNECT", "POST": "MESSAGE", "DELETE": "DISCONNECT"}


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection. Messages have the address and the agent of its opening."""

    connection_id: str
    connected_at: datetime
    source_ip: str
    user_agent: str


class Connections(dict[tuple[str, str, str], Connection]):
    """The open connections of a region by API, stage and id."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One event of a connection: it is opened, sends a message, or is ended."""

    account: Account
    region: str
    api: Any
    stage: Any
    incoming: Incoming
    connection: Connection
    route_key: str
    message_id: str | None

    @property
    def event_type(self) -> str:
        return _EVENTS[self.incoming.method]

    @property
    def request_id(self) -> str:
        return self.incoming.extended_id

    @property
    def host(self) -> str:
        return f"{self.api.api_id}.execute-api.{self.region}.amazonaws.com"

    @property
    def group(self) -> str:
        return f"/aws/apigateway/{self.api.api_id}/{self.stage.name}"


def serve(account: Account, region: str, api: Any, stage: Any, incoming: Incoming) -> Answer:
    """Answer one event of a connection, and write its lines. An unknown connection is refused (410)."""
    known, name = account.state(Connections, region), incoming.parameters.get("connectionId", "")
    connection = known.get((api.api_id, stage.name, name))
    if incoming.method == "GET":
        connection = Connection(_identifier(), account.now(), incoming.source_ip, incoming.user_agent)
    if connection is None or incoming.method not in _EVENTS:
        return Answer(410, [("x-amzn-ErrorType", "GoneException")], b"")
    route_key = _route_key(api, incoming)
    key = api.api_id, stage.name, connection.connection_id
    message_id = _identifier() if incoming.method == "POST" else None
    turn = _Turn(account, region, api, stage, incoming, connection, route_key or "", message_id)
    if route_key is None:
        body = {"message": "Forbidden", "connectionId": connection.connection_id, "requestId": turn.request_id}
        return _answer(turn, Outcome(403, json.dumps(body).encode()))
    begun = account.now()
    route = next((each for each in api.routes.values() if each.route_key == route_key), None)
    outcome = Outcome(200) if route is None or not route.target else integrations.run(_target(turn, route), incoming)
    if incoming.method == "GET" and 200 <= outcome.status < 300:
        known[key] = connection
    if incoming.method == "DELETE":
        del known[key]
    _write_access_log(turn, outcome)
    _write_execution_log(turn, outcome, begun)
    return _answer(turn, outcome)


def _identifier() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(13)).decode()


def _route_key(api: Any, incoming: Incoming) -> str | None:
    """Return the key of the route: the member of the message that the API's expression names, or ``$default``.

    Return None for a message that fits no route. $connect and $disconnect need no route.
    """
    if incoming.method != "POST":
        return "$connect" if incoming.method == "GET" else "$disconnect"
    keys = {route.route_key for route in api.routes.values()}
    member = (api.route_selection_expression or "").removeprefix("$request.body.")
    try:
        message = json.loads(incoming.body)
    except ValueError:
        message = None
    found = message.get(member) if isinstance(message, dict) else None
    return found if found in keys else "$default" if "$default" in keys else None


def _target(turn: _Turn, route: Any) -> Target:
    integration = turn.api.integrations.get(route.target.removeprefix("integrations/"))
    if integration is None:
        return Target(turn.account, turn.region, turn.api.api_id, turn.stage.name, route.route_key, "without a target")
    return Target(
        turn.account,
        turn.region,
        turn.api.api_id,
        turn.stage.name,
        route.route_key,
        integration.integration_type,
        integration.integration_uri or "",
        "",
        integration.request_templates or {},
        (integration.timeout_in_millis or 29_000) / 1000,
        has_credentials=bool(integration.credentials_arn),
        event=_event(turn),
        resource=route.route_key,
    )


def _event(turn: _Turn) -> dict[str, Any]:
    """Return the event of a function behind the route."""
    incoming, connection = turn.incoming, turn.connection
    context: dict[str, Any] = {
        "routeKey": turn.route_key,
        "eventType": turn.event_type,
        "extendedRequestId": turn.request_id,
        "requestTime": f"{incoming.started:%d/%b/%Y:%H:%M:%S +0000}",
        "messageDirection": "IN",
        "stage": turn.stage.name,
        "connectedAt": _milliseconds(connection.connected_at),
        "requestTimeEpoch": _milliseconds(incoming.started),
        "identity": {"userAgent": connection.user_agent, "sourceIp": connection.source_ip},
        "requestId": turn.request_id,
        "domainName": turn.host,
        "connectionId": connection.connection_id,
        "apiId": turn.api.api_id,
    }
    if turn.message_id is not None:
        body = incoming.body.decode(errors="replace")
        return {"requestContext": context | {"messageId": turn.message_id}, "body": body, "isBase64Encoded": False}
    if turn.event_type == "DISCONNECT":
        context |= {"disconnectStatusCode": 1000, "disconnectReason": ""}
    return {"headers": dict(incoming.headers), "requestContext": context, "isBase64Encoded": False}


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


# ---- lines


def _write_access_log(turn: _Turn, outcome: Outcome) -> None:
    """Write the line of the access log. The variables of an integration stay empty except for its latency."""
    destination = turn.stage.access_log.get("DestinationArn", "")
    if ":log-group:" not in destination:
        return
    given: dict[str, object] = {
        "apiId": turn.api.api_id,
        "stage": turn.stage.name,
        "requestId": turn.request_id,
        "extendedRequestId": turn.request_id,
        "routeKey": turn.route_key,
        "eventType": turn.event_type,
        "connectionId": turn.connection.connection_id,
        "connectedAt": _milliseconds(turn.connection.connected_at),
        "messageId": turn.message_id,
        "domainName": turn.host,
        "requestTime": f"{turn.incoming.started:%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": _milliseconds(turn.incoming.started),
        "status": outcome.status,
        "integrationLatency": outcome.latency,
        "identity.sourceIp": turn.connection.source_ip,
        "identity.userAgent": turn.connection.user_agent,
        "error.message": outcome.message,
        "error.responseType": outcome.response_type,
    }
    values = {name: str(value) for name, value in given.items() if value is not None}
    group = destination.split(":log-group:", 1)[1].removesuffix(":*")
    escaping = Escaping(turn.account.behaviour.access_log_escaping)
    line = access_log_line(turn.stage.access_log["Format"], values, escaping)
    if (logs := client_of_log_role(turn.account, turn.region, group)) is not None:
        # It is not known whether API Gateway creates the group for a WebSocket API. For a REST API, users report it.
        write_lines(logs, group, [(turn.incoming.started, line)], creates=False)


def _write_execution_log(turn: _Turn, outcome: Outcome, begun: datetime) -> None:
    settings = turn.stage.route_settings.get(turn.route_key, turn.stage.default_route_settings)
    level, is_traced = settings.get("LoggingLevel", "OFF"), settings.get("DataTraceEnabled", False)
    lines: Sequence[tuple[datetime, str]] = []
    if level == "INFO":
        lines = _at_info(turn, outcome, begun, is_traced=is_traced)
    elif level == "ERROR" and outcome.error is not None:
        # Not recorded. Source: radkawar/stackd, internal/services/apigatewaywebsocket, logging of a failure.
        lines = [(turn.account.now(), text) for text in (outcome.error, *_endpoint(outcome))]
    if lines and (logs := client_of_log_role(turn.account, turn.region, turn.group)) is not None:
        texts = [(time, cut(f"({turn.request_id}) {text}")) for time, text in lines]
        write_lines(logs, turn.group, texts, creates=True, stream=execution_stream())


def _at_info(turn: _Turn, outcome: Outcome, begun: datetime, *, is_traced: bool) -> list[tuple[datetime, str]]:
    place, name, api_id = f"{turn.api.api_id}/{turn.stage.name}", turn.request_id, turn.api.api_id
    client = f"Connection Id: {turn.connection.connection_id}"
    before = [
        f"Extended Request Id: {name}",
        f"Verifying Usage Plan for request: {name}. API Key:  API Stage: {place}",
        f"API Key  authorized because route '{turn.route_key}' does not require API Key. {_NO_KEY}",
        f"Usage Plan check succeeded for API Key  and API Stage {place}",
        f"Starting execution for request: {name}",
        f"WebSocket Request Route: [{turn.route_key}]",
    ]
    match turn.event_type:
        case "CONNECT":
            agent = f"UserAgent: {turn.connection.user_agent}, SourceIp: {turn.connection.source_ip}"
            before.append(f"Client [{agent}] is connecting to WebSocket API [{api_id}].")
            is_open = 200 <= outcome.status < 300
            last = [f"Client [{client}] connected to API [{api_id}] successfully."] if is_open else []
        case "MESSAGE":
            received = f"WebSocket API [{api_id}] received message from client"
            before.append(f"{received} [{client}].")
            if is_traced:
                message = json.dumps(_event(turn), separators=(",", ":"))
                before.append(f"{received} [{turn.connection.connection_id}]. Message: [{message}].")
            status = f"with response status code [{outcome.status}]"
            last = [f"Message from client [{client}] sent to API [{api_id}] {status}."]
        case _:
            status = "" if outcome.latency is None else f" with integration response status code [{outcome.status}]"
            last = [f"Client [{client}] disconnected from API [{api_id}]{status}. Close reason: [1000: ]"]
    error = [] if outcome.error is None else [outcome.error]
    traced = outcome.trace if is_traced else []
    ending = [*error, *_endpoint(outcome), *last]
    return [*((begun, text) for text in before), *traced, *((turn.account.now(), text) for text in ending)]


def _endpoint(outcome: Outcome) -> list[str]:
    found = outcome.endpoint_request_id
    return [] if found is None else [f"AWS Integration Endpoint RequestId : {found}"]


def _answer(turn: _Turn, outcome: Outcome) -> Answer:
    body = outcome.body
    if turn.event_type == "CONNECT" and not body:
        body = json.dumps({"connectionId": turn.connection.connection_id}).encode()
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", turn.request_id)]
    return Answer(outcome.status, [*headers, ("x-sandbox-connection-id", turn.connection.connection_id)], body)
