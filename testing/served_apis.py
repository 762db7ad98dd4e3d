"""Methods and routes with integrations, for APIs that the sandbox serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.assembly import Sandbox
from sandbox.core.account import Account

#: The log group of access logs in the tests.
ACCESS = "/theirs"


@dataclass(frozen=True)
class Answer:
    """The answer to a request to a served API. ``ids``: the values of its headers with ids, by name; empty: none."""

    status: int
    body: bytes
    ids: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """Return the id of the request; HTTP APIs send it in a header of another name."""
        return self.ids["x-amzn-RequestId"] or self.ids["apigw-requestid"]

    @property
    def extended_id(self) -> str:
        """Return the extended id of the request, which of HTTP APIs is the same as the id."""
        return self.ids["x-amz-apigw-id"] or self.ids["apigw-requestid"]

    @property
    def message(self) -> str | None:
        """Return the message of an answer that API Gateway itself gives; empty for an answer without a body."""
        message: str | None = json.loads(self.body)["message"] if self.body else ""
        return message

    @property
    def connection(self) -> str:
        """Return the id of the connection to a WebSocket API."""
        return self.ids["x-sandbox-connection-id"]


def ask(
    sandbox: Sandbox, api_id: str, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> Answer:
    """Send a request to a served API and return its answer. ``path``: with the stage, such as ``prod/pets``."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.endpoint).netloc, timeout=30)
    try:
        connection.request(method, f"/_aws/execute-api/{api_id}/{path}", body, {"User-Agent": "me"} | headers)
        answer = connection.getresponse()
        names = ("x-amzn-RequestId", "x-amz-apigw-id", "apigw-requestid", "x-sandbox-connection-id")
        return Answer(answer.status, answer.read(), {name: answer.getheader(name) or "" for name in names})
    finally:
        connection.close()


def log_lines(account: Account, log_group: str = ACCESS) -> list[str]:
    """Return the messages of the log group."""
    return [each["message"] for each in account.client("logs").filter_log_events(logGroupName=log_group)["events"]]


def execution_lines(
    account: Account, api_id: str, answer: Answer, prefix: str = "API-Gateway-Execution-Logs_"
) -> list[str]:
    """Return the texts of the execution log lines of a request to stage ``prod``, which all begin with its id.

    ``prefix``: of the log group's name; for a WebSocket API ``/aws/apigateway/``.
    """
    begin = f"({answer.request_id}) "
    found = log_lines(account, f"{prefix}{api_id}/prod")
    return [line.removeprefix(begin) for line in found if line.startswith(begin)]


def add_rest_method(
    account: Account,
    api_id: str,
    path: str,
    *,
    authorization_type: str = "NONE",
    authorizer: str | None = None,
    **integration: Any,
) -> None:
    """Add GET on a path, such as ``pets/{id}`` or the empty path of the root, with the integration.

    ``authorizer``: id of a Lambda authorizer. The sandbox serves the method without a new deployment.
    """
    client = account.client("apigateway")
    known = {each["path"]: each["id"] for each in client.get_resources(restApiId=api_id, limit=500)["items"]}
    resource, at = known["/"], ""
    for part in filter(None, path.split("/")):
        at += f"/{part}"
        parent = resource
        resource = known.get(at) or client.create_resource(restApiId=api_id, parentId=parent, pathPart=part)["id"]
    where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "GET"}
    authorized = {} if authorizer is None else {"authorizerId": authorizer}
    client.put_method(**where, authorizationType=authorization_type, **authorized)
    client.put_integration(**where, **integration)


def add_http_route(account: Account, api_id: str, route_key: str, function_arn: str, payload: str = "2.0") -> None:
    """Add a route of an HTTP API that a function answers."""
    client = account.client("apigatewayv2")
    integration = client.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn, PayloadFormatVersion=payload
    )["IntegrationId"]
    client.create_route(ApiId=api_id, RouteKey=route_key, Target=f"integrations/{integration}")


def lambda_uri(function_arn: str, region: str = "us-east-1") -> str:
    """Return the URI of an integration that invokes the function."""
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
