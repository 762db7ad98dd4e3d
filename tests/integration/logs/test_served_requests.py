"""``make logs`` shows requests that the sandbox has served, with the lines that it wrote about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_http_stage, make_rest_stage, make_websocket_stage, patch_stage
from testing.functions import function
from testing.logged_requests import ACCESS, FORMAT
from testing.served_apis import add_rest_method, lambda_uri

ROOT = Path(__file__).resolve().parents[3]
CODE = """
def handler(event, context):
    if event["path"] == "/raises":
        raise ValueError("no such pet")
    return {"statusCode": 200, "body": "fine"}
"""


def ask(sandbox: Sandbox, api_id: str, path: str) -> int:
    """Send a request and return the status of the answer."""
    try:
        with urlopen(Request(f"{sandbox.endpoint}/_aws/execute-api/{api_id}/{path}"), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as refused:
        refused.close()
        return refused.code


def found(sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    """Run the command in a process of its own, and return its JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "logs", *arguments, "--json"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src:{ROOT}"} | sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def access(sandbox: Sandbox) -> str:
    """Return the ARN of a log group for access logs."""
    give_log_role(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=ACCESS)
    return f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{ACCESS}"


def test_requests_to_a_function(sandbox: Sandbox, access: str) -> None:
    api_id = make_rest_stage(sandbox)
    uri = lambda_uri(function(sandbox, CODE))
    add_rest_method(sandbox, api_id, "{proxy+}", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", access),
        ("replace", "/accessLogSettings/format", FORMAT),
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    assert ask(sandbox, api_id, "prod/pets") == 500
    sandbox.client("lambda").add_permission(
        FunctionName="greeter", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    assert [ask(sandbox, api_id, f"prod/{path}") for path in ("pets", "raises")] == [200, 502]

    requests = found(sandbox, "--api", api_id)["requests"]
    assert [(each["path"], each["status"]) for each in requests] == [
        ("/prod/pets", 500),
        ("/prod/pets", 200),
        ("/prod/raises", 502),
    ]
    refused, fine, raised = requests
    assert refused["errors"][0].startswith("API Gateway is not allowed to invoke the Lambda function")
    assert raised["errors"] == ["The Lambda function raised an error: no such pet."]
    assert fine["errors"] == []
    assert fine["endpoint"].startswith("https://lambda.us-east-1.amazonaws.com/")
    assert not {step["part"] for each in requests for step in each["executionLog"]} & {"other"}
    assert [step["milliseconds"] for step in fine["executionLog"]] == sorted(
        step["milliseconds"] for step in fine["executionLog"]
    )
    assert all(step["milliseconds"] >= 0 for step in fine["executionLog"])
    errors = found(sandbox, "--api", api_id, "--errors")["requests"]
    assert [each["requestId"] for each in errors] == [refused["requestId"], raised["requestId"]]
    (one,) = found(sandbox, "--api", api_id, "--request-id", raised["requestId"])["requests"]
    assert one == raised


def test_requests_to_http_and_websocket_apis(sandbox: Sandbox, access: str) -> None:
    sandbox.turn(log_delivery_policy="group")
    web = make_http_stage(sandbox)
    settings = {"DestinationArn": access, "Format": "$context.requestId $context.status $context.error.responseType"}
    sandbox.client("apigatewayv2").update_stage(ApiId=web, StageName="$default", AccessLogSettings=settings)
    assert ask(sandbox, web, "$default/none") == 404
    document = found(sandbox, "--api", "web")
    (request,) = document["requests"]
    assert (request["status"], request["isFailed"], request["executionLog"]) == (404, True, [])
    assert any("HTTP APIs have no execution logs" in note for note in document["notes"])

    chat = make_websocket_stage(sandbox, DefaultRouteSettings={"LoggingLevel": "INFO"})
    assert ask(sandbox, chat, "prod/") == 200
    (request,) = found(sandbox, "--api", "chat")["requests"]
    assert (request["path"], request["accessLog"], len(request["executionLog"])) == ("$connect", None, 8)
