"""Requests to deployed APIs. Each is answered with 200 and logged in CloudWatch Logs.

The address is ``/_aws/execute-api/{api id}/{stage}/{path}``, as in LocalStack, since hosts such as
``{api id}.execute-api.{region}.amazonaws.com`` do not resolve to this machine. No integration runs. Methods, routes and
deployments are ignored. For a WebSocket API only the connection is handled.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.apigateway.models import apigateway_backends
from moto.apigatewayv2.models import apigatewayv2_backends

from sandbox.core.call import Answer
from sandbox.core.registry import SERVICES
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.apigateway.request_logs import (
    client_of_log_role,
    write_access_log,
    write_execution_log,
    write_line,
)
from sandbox.services.apigatewayv2 import log_delivery

if TYPE_CHECKING:
    from sandbox.core.account import Account

_PREFIX = "/_aws/execute-api/"


class ExecuteApi:
    """Serves the APIs of all regions."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def start(self) -> None:
        """Serve requests from now on."""
        self._account.servers[_PREFIX] = self._serve

    def stop(self) -> None:
        """Serve no more requests."""
        self._account.servers.pop(_PREFIX, None)

    def _serve(self, environ: dict[str, Any], _: bytes) -> Answer:
        """Write the lines and answer 200. If the API or the stage does not exist, answer 403 as AWS does."""
        api_id, _, rest = environ["PATH_INFO"].removeprefix(_PREFIX).partition("/")
        stage_name, _, path = rest.partition("/")
        stage_name = unquote(stage_name)
        request_id = str(uuid.uuid4())
        values = {
            "apiId": api_id,
            "stage": stage_name,
            "requestId": request_id,
            "extendedRequestId": request_id,
            "httpMethod": environ["REQUEST_METHOD"],
            "path": f"/{path}",
            "protocol": "HTTP/1.1",
            "status": "200",
            "identity.sourceIp": "127.0.0.1",
            "identity.userAgent": environ.get("HTTP_USER_AGENT", ""),
        }
        headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
        if not self._log(api_id, stage_name, values):
            return Answer(403, headers, b'{"message":"Forbidden"}')
        return Answer(200, headers, b"{}")

    def _log(self, api_id: str, stage_name: str, values: dict[str, str]) -> bool:
        """Write the log lines of the stage. Return False if the stage does not exist."""
        line = f"({values['requestId']}) Method completed with status: 200"
        for region, api in _apis(apigateway_backends[self._account.account_id]):
            if api.id == api_id and stage_name in api.stages:
                write_access_log(self._account, api_id, stage_name, region=region, **values)
                write_execution_log(self._account, api_id, stage_name, line, region=region)
                return True
        for region, api in _apis(apigatewayv2_backends[self._account.account_id]):
            if api.api_id == api_id and stage_name in api.stages:
                self._log_v2(region, api, api.stages[stage_name], values, line)
                return True
        return False

    def _log_v2(self, region: str, api: Any, stage: Any, values: dict[str, str], execution_line: str) -> None:
        account, destination = self._account, stage.access_log.get("DestinationArn", "")
        if ":log-group:" in destination:
            group = destination.split(":log-group:", 1)[1].removesuffix(":*")
            escaping = Escaping(account.behaviour.access_log_escaping)
            line = access_log_line(stage.access_log["Format"], values, escaping)
            if api.protocol_type == "HTTP":
                if log_delivery.reaches(account, region, group):
                    deliverer = account.client("logs", region, invoked_by="delivery.logs.amazonaws.com")
                    write_line(account, deliverer, group, line, creates=False)
            elif (logs := client_of_log_role(account, region, group)) is not None:
                # It is not known whether API Gateway creates the group for a WebSocket API. For a REST API, users
                # report it.
                write_line(account, logs, group, line, creates=False)
        settings = [stage.default_route_settings, *stage.route_settings.values()]
        if api.protocol_type == "WEBSOCKET" and any(each.get("LoggingLevel", "OFF") != "OFF" for each in settings):
            group = f"/aws/apigateway/{api.api_id}/{stage.name}"
            if (logs := client_of_log_role(account, region, group)) is not None:
                write_line(account, logs, group, execution_line, creates=True)


def _apis(backends: Any) -> Iterator[tuple[str, Any]]:
    """Return all APIs, each with its region."""
    for region in list(backends):
        yield from ((region, api) for api in list(backends[region].apis.values()))


SERVICES.append(ExecuteApi)
