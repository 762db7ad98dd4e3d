"""Runs integrations: mock, HTTP and Lambda proxies. A request leaves for no other machine.

*Source* of the execution log lines about an integration: recordings of Lambda proxies of 2019-02 and 2022-02
(API-Gateway-Execution-Logs_uwe3g5jm54/Prod; an article with "Malformed Lambda proxy response"). For HTTP proxies the
same lines are assumed, as localstack/localstack does. *Source* of the errors: "Execution failed due to a timeout error"
and "Invalid permissions on Lambda function" were recorded; "Invalid endpoint address" and "network error communicating
with endpoint" are in AWS's runbook AWSSupport-TroubleshootAPIGatewayHttpErrors.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from sandbox.core.call import AwsError
from sandbox.services.eventbridge.event_bus import Undeliverable
from sandbox.services.execute_api.exchanges import Incoming, Outcome, Target, in_braces
from sandbox.services.lambda_.function_operations import check_may_invoke
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime

if TYPE_CHECKING:
    from datetime import datetime

_CONFIGURATION = "Execution failed due to configuration error: "
_INTERNAL = "Internal server error"
_FUNCTION = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[^/]+")
_EXECUTE_API = re.compile(r"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com")


def run(target: Target, incoming: Incoming) -> Outcome:
    """Send the request to the integration and return how it ended."""
    match target.integration:
        case "MOCK":
            return _mock(target)
        case "HTTP" | "HTTP_PROXY":
            return _http(target, incoming)
        case "AWS_PROXY" if _FUNCTION.search(target.uri):
            return _function(target, incoming)
        case other:
            text = f"The sandbox runs no integration of type {other} to {target.uri or 'nothing'}."
            return Outcome(501).fail(501, text, text, "INTEGRATION_FAILURE")


def _mock(target: Target) -> Outcome:
    """Answer the status that the request template names.

    *Source* of the refusal: a comment in a Terraform module, from an AWS forum (threadID=248513).
    """
    # A WebSocket API chooses the template by an expression, such as the constant 200; here it is the first one.
    template = target.templates.get("application/json") or next(iter(target.templates.values()), "")
    match = re.search(r'"?statusCode"?\s*:\s*(\d{3})', template or "")
    if match is None:
        error = f"{_CONFIGURATION}statusCode should be an integer which defined in request template"
        return Outcome(500).fail(500, error, _INTERNAL, "API_CONFIGURATION_ERROR")
    return Outcome(int(match[1]), headers={"Content-Type": "application/json"})


# ---- HTTP


def _http(target: Target, incoming: Incoming) -> Outcome:
    """Send the request to a server of this machine, or to another API of the sandbox."""
    uri = re.sub(
        r"\{(\w+)\+?\}", lambda match: quote(target.path_parameters.get(match[1], match[0]), safe="/"), target.uri
    )
    address = _local_address(target, uri)
    outcome = Outcome(0)
    outcome.trace = _sent(target, uri, dict(incoming.headers), incoming.body)
    if address is None:
        return outcome.fail(500, f"{_CONFIGURATION}Invalid endpoint address", _INTERNAL, "API_CONFIGURATION_ERROR")
    begin = target.now()
    parts = urlsplit(address)
    path = (parts.path or "/") + (f"?{incoming.query}" if incoming.query else "")
    kept = {name: value for name, value in incoming.headers.items() if name.lower() not in ("host", "connection")}
    try:
        with closing(http.client.HTTPConnection(parts.netloc, timeout=target.timeout)) as connection:
            connection.request(target.method or incoming.method, path, incoming.body or None, kept)
            answer = connection.getresponse()
            outcome.status, outcome.body = answer.status, answer.read()
            outcome.headers = dict(answer.getheaders())
    except TimeoutError:
        error = "Execution failed due to a timeout error"
        return _timed(target, outcome, begin).fail(504, error, "Endpoint request timed out", "INTEGRATION_TIMEOUT")
    except (OSError, http.client.HTTPException):
        error = "Execution failed due to a network error communicating with endpoint"
        return _timed(target, outcome, begin).fail(
            504, error, "Network error communicating with endpoint", "INTEGRATION_FAILURE"
        )
    outcome.integration_status = outcome.backend_status = outcome.status
    _timed(target, outcome, begin).trace += _received(target, outcome, outcome.body)
    return outcome


def _local_address(target: Target, uri: str) -> str | None:
    """Return the address on this machine; None for any other."""
    parts = urlsplit(uri)
    if match := _EXECUTE_API.fullmatch(parts.hostname or ""):
        return f"{target.account.endpoint}/_aws/execute-api/{match[1]}{parts.path}"
    return uri if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost") else None


# ---- Lambda


def _function(target: Target, incoming: Incoming) -> Outcome:
    """Invoke the function, if its policy allows it, and read its answer."""
    match = _FUNCTION.search(target.uri)
    assert match is not None
    arn, outcome = match[0], Outcome(0)
    source = f"arn:aws:execute-api:{target.region}:{target.account.account_id}:{target.api_id}"
    address = f"https://lambda.{target.region}.amazonaws.com/2015-03-31/functions/{arn}/invocations"
    payload = json.dumps(target.event or _event(target, incoming), separators=(",", ":")).encode()
    resource = target.resource or f"{incoming.method}/{incoming.path.lstrip('/')}"
    headers = {"Accept": "application/json", "User-Agent": f"AmazonAPIGateway_{target.api_id}"}
    headers |= {"x-amzn-apigateway-api-id": target.api_id, "x-amzn-lambda-integration-tag": incoming.request_id}
    outcome.trace = _sent(target, address, headers, payload)
    begin = target.now()
    try:
        if not target.has_credentials:
            check_may_invoke(
                target.account,
                arn,
                "apigateway.amazonaws.com",
                f"{source}/{target.stage}/{resource}",
            )
        runtime = target.account.service(LambdaRuntime)
        ended = runtime.invoke(runtime.function(target.region, arn), payload)
    except (Undeliverable, AwsError):
        error = f"{_CONFIGURATION}Invalid permissions on Lambda function"
        return outcome.fail(500, error, _INTERNAL, "API_CONFIGURATION_ERROR")
    outcome.integration_status, outcome.endpoint_request_id = 200, ended.request_id
    outcome.headers = {"Content-Type": "application/json", "x-amzn-RequestId": ended.request_id}
    _timed(target, outcome, begin).trace += _received(target, outcome, ended.payload)
    if ended.error is not None:
        said = json.loads(ended.payload).get("errorMessage", "")
        error = f"Lambda execution failed with status 200 due to customer function error: {said}."
        error += f" Lambda request id: {ended.request_id}"
        return outcome.fail(502, error, _INTERNAL, "INTEGRATION_FAILURE", f"Lambda Customer Function Error:{said}")
    return _answer_of_function(target, outcome, ended.payload)


def _answer_of_function(target: Target, outcome: Outcome, payload: bytes) -> Outcome:
    """Read the status, headers and body that the function answered."""
    answer = json.loads(payload)
    if target.payload == "2.0" and not (isinstance(answer, dict) and "statusCode" in answer):
        answer = {"statusCode": 200, "body": answer if isinstance(answer, str) else json.dumps(answer)}
    body = answer.get("body") if isinstance(answer, dict) else None
    if (
        not isinstance(answer, dict)
        or not re.fullmatch(r"[1-5]\d\d", str(answer.get("statusCode")))
        or not isinstance(body, str | None)
    ):
        error = f"{_CONFIGURATION}Malformed Lambda proxy response"
        return outcome.fail(502, error, _INTERNAL, "INTEGRATION_FAILURE", "Malformed Lambda proxy response")
    outcome.status = outcome.backend_status = int(answer["statusCode"])
    outcome.headers = {"Content-Type": "application/json"} | {
        str(name): str(value) for name, value in (answer.get("headers") or {}).items()
    }
    text = (body or "").encode()
    outcome.body = base64.b64decode(text) if answer.get("isBase64Encoded") else text
    return outcome


def _event(target: Target, incoming: Incoming) -> dict[str, Any]:
    """Return the event of the function in its payload format. *Source:* "Create Lambda proxy integrations"."""
    body = incoming.body.decode(errors="replace") or None
    common = {"accountId": target.account.account_id, "apiId": target.api_id, "stage": target.stage}
    common |= {"requestId": incoming.request_id, "domainName": target.host}
    if target.payload == "2.0":
        request = {"method": incoming.method, "path": incoming.path, "protocol": "HTTP/1.1"}
        request |= {"sourceIp": incoming.source_ip, "userAgent": incoming.user_agent}
        return {
            "version": "2.0",
            "routeKey": target.route,
            "rawPath": incoming.path,
            "rawQueryString": incoming.query,
            "headers": {name.lower(): value for name, value in incoming.headers.items()},
            "pathParameters": dict(target.path_parameters),
            "requestContext": common | {"http": request, "routeKey": target.route},
            "body": body,
            "isBase64Encoded": False,
        }
    identity = {"sourceIp": incoming.source_ip, "userAgent": incoming.user_agent}
    return {
        "resource": target.route,
        "path": incoming.path,
        "httpMethod": incoming.method,
        "headers": dict(incoming.headers),
        "queryStringParameters": incoming.parameters or None,
        "pathParameters": dict(target.path_parameters) or None,
        "requestContext": common | {"identity": identity, "httpMethod": incoming.method, "resourcePath": target.route},
        "body": body,
        "isBase64Encoded": False,
    }


# ---- lines


def _sent(target: Target, uri: str, headers: dict[str, str], body: bytes) -> list[tuple[datetime, str]]:
    texts = (
        f"Endpoint request URI: {uri}",
        f"Endpoint request headers: {in_braces(headers)}",
        f"Endpoint request body after transformations: {body.decode(errors='replace')}",
        f"Sending request to {uri}",
    )
    return [(target.now(), text) for text in texts]


def _timed(target: Target, outcome: Outcome, begin: datetime) -> Outcome:
    outcome.latency = int((target.now() - begin).total_seconds() * 1000)
    return outcome


def _received(target: Target, outcome: Outcome, body: bytes) -> list[tuple[datetime, str]]:
    texts = (
        f"Received response. Status: {outcome.integration_status}, Integration latency: {outcome.latency} ms",
        f"Endpoint response headers: {in_braces(outcome.headers)}",
        f"Endpoint response body before transformations: {body.decode(errors='replace')}",
    )
    return [(target.now(), text) for text in texts]
