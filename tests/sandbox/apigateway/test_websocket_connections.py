"""Connections to WebSocket APIs of the sandbox run integrations and write the lines that AWS was recorded to write."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_websocket_stage
from testing.functions import function
from testing.served_apis import ACCESS, Answer, ask, execution_lines, lambda_uri, log_lines

#: The beginning of the names of execution log groups.
EXECUTION = "/aws/apigateway/"
FORMAT = "$context.requestId $context.eventType $context.routeKey $context.status $context.integrationLatency"
NO_KEY = "Request will not contribute to throttle or quota limits"
CODE = """
def handler(event, context):
    if "fail" in event.get("body", ""):
        raise ValueError("owned-backend-failure")
    return {"statusCode": 200, "body": event["requestContext"]["eventType"]}
"""


def talk(sandbox: Sandbox, api_id: str, method: str = "GET", connection: str = "", body: str | None = None) -> Answer:
    """Open a connection, send a message (POST) or end the connection (DELETE)."""
    query = f"?connectionId={quote(connection)}" if connection else ""
    return ask(sandbox, api_id, f"prod/{query}", method, body)


def chat(sandbox: Sandbox, **settings: Any) -> str:
    """Create a WebSocket API, all of whose routes a function answers, with both logs. Return its id."""
    give_log_role(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=ACCESS)
    arn = f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{ACCESS}"
    api_id = make_websocket_stage(
        sandbox, AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}, DefaultRouteSettings=settings
    )
    client, backend = sandbox.client("apigatewayv2"), function(sandbox, CODE)
    sandbox.client("lambda").add_permission(
        FunctionName=backend,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{sandbox.account_id}:{api_id}/*",
    )
    integration = client.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=lambda_uri(backend), IntegrationMethod="POST"
    )["IntegrationId"]
    target = f"integrations/{integration}"
    for route in client.get_routes(ApiId=api_id)["Items"]:
        client.update_route(ApiId=api_id, RouteId=route["RouteId"], Target=target)
    client.create_route(ApiId=api_id, RouteKey="$disconnect", Target=target)
    return api_id


def admitted(api_id: str, answer: Answer, route: str) -> list[str]:
    return [
        f"Extended Request Id: {answer.request_id}",
        f"Verifying Usage Plan for request: {answer.request_id}. API Key:  API Stage: {api_id}/prod",
        f"API Key  authorized because route '{route}' does not require API Key. {NO_KEY}",
        f"Usage Plan check succeeded for API Key  and API Stage {api_id}/prod",
        f"Starting execution for request: {answer.request_id}",
        f"WebSocket Request Route: [{route}]",
    ]


def test_connection_message_and_end_are_in_both_logs(sandbox: Sandbox) -> None:
    api_id = chat(sandbox, LoggingLevel="INFO")
    opened = talk(sandbox, api_id)
    sent = talk(sandbox, api_id, "POST", opened.connection, json.dumps({"action": "send"}))
    ended = talk(sandbox, api_id, "DELETE", opened.connection)
    assert [each.body for each in (opened, sent, ended)] == [b"CONNECT", b"MESSAGE", b"DISCONNECT"]
    written = [line.rsplit(" ", 1) for line in log_lines(sandbox)]
    assert [line for line, _ in written] == [
        f"{opened.request_id} CONNECT $connect 200",
        f"{sent.request_id} MESSAGE send 200",
        f"{ended.request_id} DISCONNECT $disconnect 200",
    ]
    assert all(latency.isdecimal() for _, latency in written)

    client = f"Client [Connection Id: {opened.connection}]"
    *before, endpoint, last = execution_lines(sandbox, api_id, opened, prefix=EXECUTION)
    connecting = f"Client [UserAgent: me, SourceIp: 127.0.0.1] is connecting to WebSocket API [{api_id}]."
    assert before == [*admitted(api_id, opened, "$connect"), connecting]
    assert endpoint.startswith("AWS Integration Endpoint RequestId : ")
    assert last == f"{client} connected to API [{api_id}] successfully."

    *before, endpoint, last = execution_lines(sandbox, api_id, sent, prefix=EXECUTION)
    received = f"WebSocket API [{api_id}] received message from client [Connection Id: {opened.connection}]."
    assert before == [*admitted(api_id, sent, "send"), received]
    message = f"Message from client [Connection Id: {opened.connection}]"
    assert last == f"{message} sent to API [{api_id}] with response status code [200]."

    *before, endpoint, last = execution_lines(sandbox, api_id, ended, prefix=EXECUTION)
    assert before == admitted(api_id, ended, "$disconnect")
    reason = "with integration response status code [200]. Close reason: [1000: ]"
    assert last == f"{client} disconnected from API [{api_id}] {reason}"


def test_data_trace_adds_the_message_and_what_was_sent(sandbox: Sandbox) -> None:
    api_id = chat(sandbox, LoggingLevel="INFO", DataTraceEnabled=True)
    opened = talk(sandbox, api_id)
    sent = talk(sandbox, api_id, "POST", opened.connection, json.dumps({"action": "send"}))
    beginnings = [line.split(":")[0] for line in execution_lines(sandbox, api_id, sent, prefix=EXECUTION)[6:]]
    assert beginnings == [
        f"WebSocket API [{api_id}] received message from client [Connection Id",
        f"WebSocket API [{api_id}] received message from client [{opened.connection}]. Message",
        "Endpoint request URI",
        "Endpoint request headers",
        "Endpoint request body after transformations",
        "Sending request to https",
        "Received response. Status",
        "Endpoint response headers",
        "Endpoint response body before transformations",
        "AWS Integration Endpoint RequestId ",
        "Message from client [Connection Id",
    ]


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_failure_of_the_function_is_a_line_at_either_level(sandbox: Sandbox, level: str) -> None:
    api_id = chat(sandbox, LoggingLevel=level)
    opened = talk(sandbox, api_id)
    sent = talk(sandbox, api_id, "POST", opened.connection, json.dumps({"action": "send", "fail": True}))
    assert sent.status == 502
    found = execution_lines(sandbox, api_id, sent, prefix=EXECUTION)[0 if level == "ERROR" else 7 :]
    failure = "Lambda execution failed with status 200 due to customer function error: owned-backend-failure."
    assert found[0].startswith(failure)
    assert found[1].startswith("AWS Integration Endpoint RequestId : ")
    assert len(found) == (2 if level == "ERROR" else 3)


def test_message_that_fits_no_route_is_forbidden(sandbox: Sandbox) -> None:
    api_id = chat(sandbox)
    opened = talk(sandbox, api_id)
    sent = talk(sandbox, api_id, "POST", opened.connection, "no JSON")
    answer = {"message": "Forbidden", "connectionId": opened.connection, "requestId": sent.request_id}
    assert (sent.status, json.loads(sent.body)) == (403, answer)


def test_message_of_an_ended_connection_is_refused(sandbox: Sandbox) -> None:
    api_id = chat(sandbox)
    opened = talk(sandbox, api_id)
    assert talk(sandbox, api_id, "DELETE", opened.connection).status == 200
    assert talk(sandbox, api_id, "POST", opened.connection, "{}").status == 410
