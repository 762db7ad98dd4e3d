"""The values that the modules of this folder pass to each other: a request, its target, and the answer."""

from __future__ import annotations

import base64
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.core.account import Account


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request to a stage. ``path``: below the stage, with its first slash, decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    request_id: str
    extended_id: str
    started: datetime

    @classmethod
    def read(cls, environ: Mapping[str, Any], body: bytes, path: str, started: datetime) -> Incoming:
        """Return the request that the WSGI environment describes.

        A client of a REST API can choose the request id, if it is a UUID.
        *Source:* radkawar/stackd, internal/services/apigatewayexec/http_logging.go, after recordings of 2026-09.
        """
        names = {key[5:].replace("_", "-").title(): str(value) for key, value in environ.items() if key[:5] == "HTTP_"}
        if environ.get("CONTENT_TYPE"):
            names["Content-Type"] = environ["CONTENT_TYPE"]
        request_id, chosen = str(uuid.uuid4()), names.get("X-Amzn-Requestid")
        if chosen is not None:
            request_id = chosen if _is_uuid(chosen) else f"{request_id}_REPLACED_INVALID_REQUEST_ID"
        return cls(
            environ["REQUEST_METHOD"],
            path,
            environ.get("QUERY_STRING", ""),
            names,
            body,
            environ.get("REMOTE_ADDR", "127.0.0.1"),
            request_id,
            base64.urlsafe_b64encode(secrets.token_bytes(11)).decode(),
            started,
        )

    @property
    def user_agent(self) -> str:
        return self.headers.get("User-Agent", "")

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of the query string, of several values the last."""
        return {name: values[-1] for name, values in parse_qs(self.query, keep_blank_values=True).items()}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is sent to. ``route``: the path of the resource, or the key of the route.

    ``uri``: of the integration. ``timeout``: in seconds. ``event``: of a function; None for that of a proxy of the REST
    or HTTP API. ``resource``: the end of the ARN with which the API invokes a function; None for method and path.
    """

    account: Account
    region: str
    api_id: str
    stage: str
    route: str
    integration: str
    uri: str = ""
    method: str = ""
    templates: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 29
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    payload: str = "1.0"
    has_credentials: bool = False
    event: Mapping[str, Any] | None = None
    resource: str | None = None

    def now(self) -> datetime:
        return self.account.now()

    @property
    def host(self) -> str:
        return f"{self.api_id}.execute-api.{self.region}.amazonaws.com"


@dataclass(slots=True)
class Outcome:
    """How a request ended.

    ``error``: the text of the execution log about a failure of API Gateway or of the integration; None without one. A
    proxy integration that answers 4xx or 5xx itself is no failure.
    ``message``, ``response_type``: of the answer that the client gets.
    ``trace``: execution log lines about the integration, which only data trace writes.
    ``latency``: milliseconds of the integration; None if none was called.
    ``integration_status``: with which the service behind it answered; for Lambda this is not the function's own status.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    message: str | None = None
    response_type: str | None = None
    integration_error: str | None = None
    integration_status: int | None = None
    backend_status: int | None = None
    latency: int | None = None
    endpoint_request_id: str | None = None
    trace: list[tuple[datetime, str]] = field(default_factory=list)

    def fail(self, status: int, error: str, message: str, response_type: str, integration_error: str = "") -> Outcome:
        """Make this the outcome of a failure, and return it."""
        self.status, self.error, self.message, self.response_type = status, error, message, response_type
        self.integration_error = integration_error or error
        self.headers = {"Content-Type": "application/json"}
        self.body = b'{"message": "' + message.encode() + b'"}'
        return self


def in_braces(values: Mapping[str, str]) -> str:
    """Return headers or parameters as execution logs have them, with the values of credentials hidden.

    *Source:* a recording of 2019-02 (API-Gateway-Execution-Logs_uwe3g5jm54/Prod): asterisks, and six characters.
    """
    return "{" + ", ".join(f"{name}={_hidden(name, value)}" for name, value in values.items()) + "}"


def _hidden(name: str, value: str) -> str:
    if name.lower() not in ("authorization", "x-api-key"):
        return value
    return "*" * max(0, len(value) - 6) + value[-6:]
