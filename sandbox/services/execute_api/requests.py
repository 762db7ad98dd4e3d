"""Requests to deployed APIs: each goes to its integration, is answered, and is logged in CloudWatch Logs.

The address is ``/_aws/execute-api/{api id}/{stage}/{path}``, as in LocalStack, since hosts such as
``{api id}.execute-api.{region}.amazonaws.com`` do not resolve to this machine. Deployments are ignored: a change of a
method counts at once. docs/sandbox.md says what is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.apigateway.models import apigateway_backends
from moto.apigatewayv2.models import apigatewayv2_backends

from sandbox.core.call import Answer
from sandbox.core.registry import SERVICES
from sandbox.services.execute_api import rest, v2, websocket
from sandbox.services.execute_api.exchanges import Incoming

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

    def _serve(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer the request. If the API or the stage does not exist, answer 403 as AWS does."""
        account = self._account
        api_id, _, rest_of_path = environ["PATH_INFO"].removeprefix(_PREFIX).partition("/")
        stage_name, _, path = rest_of_path.partition("/")
        stage_name = unquote(stage_name)
        incoming = Incoming.read(environ, body, f"/{path}", account.now())
        for region, api in _apis(apigateway_backends[account.account_id]):
            if api.id == api_id and stage_name in api.stages:
                return rest.serve(account, region, api, api.stages[stage_name], incoming)
        for region, api in _apis(apigatewayv2_backends[account.account_id]):
            if api.api_id == api_id and stage_name in api.stages:
                serve = websocket.serve if api.protocol_type == "WEBSOCKET" else v2.serve
                return serve(account, region, api, api.stages[stage_name], incoming)
        headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", incoming.request_id)]
        return Answer(403, headers, b'{"message":"Forbidden"}')


def _apis(backends: Any) -> Iterator[tuple[str, Any]]:
    """Return all APIs, each with its region."""
    for region in list(backends):
        yield from ((region, api) for api in list(backends[region].apis.values()))


SERVICES.append(ExecuteApi)
