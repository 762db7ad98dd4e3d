"""Requests to deployed APIs of the sandbox run integrations and write lines to their logs as AWS does."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import (
    give_log_role,
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
)
from testing.functions import function
from testing.served_apis import (
    ACCESS,
    add_http_route,
    add_rest_method,
    ask,
    execution_lines,
    lambda_uri,
    log_lines,
)

FORMAT = "$context.requestId $context.status $context.identity.userAgent"
NO_KEY = "Request will not contribute to throttle or quota limits"
CONFIGURATION = "Execution failed due to configuration error"
NO_STATUS = f"{CONFIGURATION}: statusCode should be an integer which defined in request template"


def group(sandbox: Sandbox, name: str = ACCESS) -> str:
    """Create a log group and return its ARN."""
    sandbox.client("logs").create_log_group(logGroupName=name)
    return f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{name}"


def logged(sandbox: Sandbox, level: str = "INFO", *more: tuple[str, ...], log_format: str = FORMAT) -> str:
    """Create a REST API whose GET / answers 200 by itself, with both logs. Return its id."""
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    add_rest_method(sandbox, api_id, "", type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", group(sandbox)),
        ("replace", "/accessLogSettings/format", log_format),
        ("replace", "/*/*/logging/loglevel", level),
        *more,
    )
    return api_id


DATA_TRACE = ("replace", "/*/*/logging/dataTrace", "true")


def test_request_to_a_rest_stage_is_a_line_of_the_access_log_and_a_timeline_of_the_execution_log(
    sandbox: Sandbox,
) -> None:
    api_id = logged(sandbox)
    answer = ask(sandbox, api_id, "prod/")
    assert answer.status == 200
    assert log_lines(sandbox) == [f"{answer.request_id} 200 me"]
    assert execution_lines(sandbox, api_id, answer) == [
        f"Extended Request Id: {answer.extended_id}",
        f"Verifying Usage Plan for request: {answer.request_id}. API Key:  API Stage: {api_id}/prod",
        f"API Key  authorized because method 'GET /' does not require API Key. {NO_KEY}",
        f"Usage Plan check succeeded for API Key  and API Stage {api_id}/prod",
        f"Starting execution for request: {answer.request_id}",
        "HTTP Method: GET, Resource Path: /",
        "Successfully completed execution",
        "Method completed with status: 200",
    ]


def test_data_trace_adds_what_was_sent_and_hides_credentials(sandbox: Sandbox) -> None:
    api_id = logged(sandbox, "INFO", DATA_TRACE)
    answer = ask(sandbox, api_id, "prod/?a=1&b=2", body="question", Authorization="Bearer abcdefghij")
    added = "\n".join(execution_lines(sandbox, api_id, answer))
    assert "Method request query string: {a=1, b=2}" in added
    assert "Method request body before transformations: question" in added
    assert "Authorization=***********efghij" in added
    assert "Method response headers: {Content-Type=application/json}" in added
    assert "Bearer" not in added


def test_error_keeps_the_lines_of_failures_alone(sandbox: Sandbox) -> None:
    api_id = logged(sandbox, "ERROR", DATA_TRACE)
    add_rest_method(sandbox, api_id, "broken", type="MOCK")
    fine, failed = ask(sandbox, api_id, "prod/"), ask(sandbox, api_id, "prod/broken")
    assert (fine.status, failed.status) == (200, 500)
    assert execution_lines(sandbox, api_id, fine) == []
    assert execution_lines(sandbox, api_id, failed) == [
        NO_STATUS,
        "Method completed with status: 500",
    ]
    assert log_lines(sandbox) == [f"{fine.request_id} 200 me", f"{failed.request_id} 500 me"]


def test_settings_of_a_method_count_under_either_spelling(sandbox: Sandbox) -> None:
    api_id = logged(sandbox, "ERROR", ("replace", "/~1quiet/GET/logging/loglevel", "OFF"))
    patch_stage(sandbox, api_id, ("replace", "/loud/{id}/GET/logging/loglevel", "INFO"))
    add_rest_method(sandbox, api_id, "quiet", type="MOCK")
    add_rest_method(sandbox, api_id, "loud/{id}", type="MOCK")
    assert execution_lines(sandbox, api_id, ask(sandbox, api_id, "prod/loud/7"))[5:] == [
        "HTTP Method: GET, Resource Path: /loud/7",
        NO_STATUS,
        "Method completed with status: 500",
    ]
    assert execution_lines(sandbox, api_id, ask(sandbox, api_id, "prod/quiet")) == []


def test_lines_of_a_request_are_in_one_of_300_streams(sandbox: Sandbox) -> None:
    api_id = logged(sandbox)
    for _ in range(3):
        ask(sandbox, api_id, "prod/")
    name = f"API-Gateway-Execution-Logs_{api_id}/prod"
    events = sandbox.client("logs").filter_log_events(logGroupName=name)["events"]
    known = {hashlib.md5(str(number).encode()).hexdigest() for number in range(300)}
    by_request: dict[str, set[str]] = {}
    for event in events:
        by_request.setdefault(event["message"].split()[0], set()).add(event["logStreamName"])
    assert len(by_request) == 3
    assert all(len(streams) == 1 and streams <= known for streams in by_request.values())


def test_lines_are_cut_except_in_a_delivery(sandbox: Sandbox) -> None:
    api_id, long = logged(sandbox, "INFO", DATA_TRACE), "ä" * 3000
    body = f"Method request body before transformations: {long}"
    answer = ask(sandbox, api_id, "prod/", body=long.encode().decode("latin-1"))
    mark, name = " [TRUNCATED]", f"API-Gateway-Execution-Logs_{api_id}/prod"
    assert [line for line in log_lines(sandbox, name) if len(line.encode()) > 1024] != []
    assert all(len(line.encode()) <= 1024 or line.endswith(mark) for line in log_lines(sandbox, name))
    assert max(len(line.removesuffix(mark).encode()) for line in log_lines(sandbox, name)) <= 1024
    make_delivery(sandbox, api_id, group(sandbox, "/delivered"))
    answer = ask(sandbox, api_id, "prod/", body=long.encode().decode("latin-1"))
    assert f"({answer.request_id}) {body}" in log_lines(sandbox, "/delivered")


def test_canary_writes_to_log_groups_of_its_own(sandbox: Sandbox) -> None:
    api_id = logged(sandbox)
    deployment = sandbox.client("apigateway").get_stage(restApiId=api_id, stageName="prod")["deploymentId"]
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/canarySettings/percentTraffic", "100"),
        ("replace", "/canarySettings/deploymentId", deployment),
    )
    answer = ask(sandbox, api_id, "prod/")
    assert log_lines(sandbox, f"{ACCESS}/Canary") == [f"{answer.request_id} 200 me"]
    assert log_lines(sandbox, f"API-Gateway-Execution-Logs_{api_id}/prod/Canary")


def test_client_can_choose_a_uuid_as_request_id(sandbox: Sandbox) -> None:
    api_id, chosen = logged(sandbox), "286364ab-3a83-11e9-8dc8-db3cf4c83204"
    assert ask(sandbox, api_id, "prod/", **{"x-amzn-RequestId": chosen}).request_id == chosen
    replaced = ask(sandbox, api_id, "prod/", **{"x-amzn-RequestId": "mine"}).request_id
    assert replaced.endswith("_REPLACED_INVALID_REQUEST_ID")


def test_request_for_no_method_is_forbidden(sandbox: Sandbox) -> None:
    api_id = logged(sandbox, log_format="$context.requestId $context.status $context.error.responseType")
    answer = ask(sandbox, api_id, "prod/none")
    assert (answer.status, json.loads(answer.body)) == (403, {"message": "Missing Authentication Token"})
    assert log_lines(sandbox) == [f"{answer.request_id} 403 MISSING_AUTHENTICATION_TOKEN"]


def test_most_exact_resource_answers(sandbox: Sandbox) -> None:
    api_id = logged(sandbox)
    for path, status in (("pets/{id}", 201), ("pets/mine", 202), ("{proxy+}", 203)):
        template = {"application/json": f'{{"statusCode": {status}}}'}
        add_rest_method(sandbox, api_id, path, type="MOCK", requestTemplates=template)
    assert [ask(sandbox, api_id, f"prod/{path}").status for path in ("pets/7", "pets/mine", "pets/7/8", "x")] == [
        201,
        202,
        203,
        203,
    ]


# ---- HTTP proxies


def test_http_proxy_is_asked_on_this_machine_alone(sandbox: Sandbox) -> None:
    api_id = logged(sandbox, "INFO", DATA_TRACE, log_format=f"{FORMAT} $context.integrationStatus")
    uri = f"https://{api_id}.execute-api.us-east-1.amazonaws.com/prod/"
    add_rest_method(sandbox, api_id, "self", type="HTTP_PROXY", integrationHttpMethod="GET", uri=uri)
    add_rest_method(sandbox, api_id, "out", type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://example.com/")
    add_rest_method(sandbox, api_id, "shut", type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://127.0.0.1:1/")
    answer = ask(sandbox, api_id, "prod/self")
    assert answer.status == 200
    assert f"{answer.request_id} 200 me 200" in log_lines(sandbox)
    said = execution_lines(sandbox, api_id, answer)
    assert f"Endpoint request URI: {uri}" in said
    assert any(line.startswith("Received response. Status: 200, Integration latency: ") for line in said)
    for path, status, error in (
        ("out", 500, "Execution failed due to configuration error: Invalid endpoint address"),
        ("shut", 504, "Execution failed due to a network error communicating with endpoint"),
    ):
        answer = ask(sandbox, api_id, f"prod/{path}")
        assert answer.status == status
        assert execution_lines(sandbox, api_id, answer)[-2:] == [error, f"Method completed with status: {status}"]


# ---- Lambda

CODE = """
def handler(event, context):
    path = event.get("path") or event["rawPath"]
    if "raises" in path:
        raise ValueError("no such pet")
    if "odd" in path:
        return ["odd"]
    return {"statusCode": 418, "headers": {"X-Own": "1"}, "body": path}
"""


def allow_invoke(sandbox: Sandbox) -> None:
    sandbox.client("lambda").add_permission(
        FunctionName="greeter", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )


def test_function_behind_a_rest_api(sandbox: Sandbox) -> None:
    log_format = f"{FORMAT} $context.integration.status $context.integration.requestId $context.integration.error"
    api_id = logged(sandbox, "ERROR", log_format=log_format)
    uri = lambda_uri(function(sandbox, CODE))
    add_rest_method(sandbox, api_id, "{proxy+}", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)

    refused = ask(sandbox, api_id, "prod/pets")
    assert refused.status == 500
    assert execution_lines(sandbox, api_id, refused)[0] == (
        "Execution failed due to configuration error: Invalid permissions on Lambda function"
    )
    allow_invoke(sandbox)

    # An answer of the function is no failure, whatever its status.
    answer = ask(sandbox, api_id, "prod/pets")
    assert (answer.status, answer.body) == (418, b"/pets")
    assert execution_lines(sandbox, api_id, answer) == []

    odd = ask(sandbox, api_id, "prod/odd")
    assert odd.status == 502
    error, status, integration = execution_lines(sandbox, api_id, odd)
    assert error == "Execution failed due to configuration error: Malformed Lambda proxy response"
    assert status == "Method completed with status: 502"
    assert integration.startswith("AWS Integration Endpoint RequestId : ")

    raised = ask(sandbox, api_id, "prod/raises")
    assert raised.status == 502
    error, _, integration = execution_lines(sandbox, api_id, raised)
    function_id = integration.removeprefix("AWS Integration Endpoint RequestId : ")
    assert error == (
        "Lambda execution failed with status 200 due to customer function error: no such pet. "
        f"Lambda request id: {function_id}"
    )
    assert f"{raised.request_id} 502 me - {function_id} Lambda Customer Function Error:no such pet" in log_lines(
        sandbox
    )


def test_function_behind_an_http_api(sandbox: Sandbox) -> None:
    sandbox.turn(log_delivery_policy="group")
    api_id = make_http_stage(sandbox)
    log_format = "$context.requestId $context.routeKey $context.status $context.requestTimeEpoch"
    sandbox.client("apigatewayv2").update_stage(
        ApiId=api_id, StageName="$default", AccessLogSettings={"DestinationArn": group(sandbox), "Format": log_format}
    )
    add_http_route(sandbox, api_id, "GET /pets/{id}", function(sandbox, CODE))
    allow_invoke(sandbox)
    answer = ask(sandbox, api_id, "$default/pets/7")
    assert (answer.status, answer.body) == (418, b"/pets/7")
    (line,) = [line for line in log_lines(sandbox) if line.startswith(answer.request_id)]
    *words, epoch = line.split()
    assert words == [answer.request_id, "GET", "/pets/{id}", "418"]
    assert len(epoch) == 10
    assert ask(sandbox, api_id, "$default/pets/raises").status == 500
    assert ask(sandbox, api_id, "$default/none").status == 404


def test_request_to_an_http_stage_is_a_line_only_while_log_delivery_is_allowed(sandbox: Sandbox) -> None:
    sandbox.turn(log_delivery_policy="group")
    api_id, arn = make_http_stage(sandbox), group(sandbox)
    sandbox.client("apigatewayv2").update_stage(
        ApiId=api_id, StageName="$default", AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}
    )
    answer = ask(sandbox, api_id, "$default/")
    assert f"{answer.request_id} 404 me" in log_lines(sandbox)
    logs = sandbox.client("logs")
    logs.delete_log_group(logGroupName=ACCESS)
    logs.create_log_group(logGroupName=ACCESS)
    ask(sandbox, api_id, "$default/")
    assert log_lines(sandbox) == []


@pytest.mark.parametrize(
    "settings", [{}, {"RouteSettings": {"$connect": {"LoggingLevel": "ERROR"}}}], ids=["all", "route"]
)
def test_connection_to_a_websocket_stage_is_in_both_logs(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    give_log_role(sandbox)
    api_id = make_websocket_stage(
        sandbox,
        AccessLogSettings={"DestinationArn": group(sandbox), "Format": FORMAT},
        DefaultRouteSettings={"LoggingLevel": "INFO"},
        **settings,
    )
    answer = ask(sandbox, api_id, "prod/")
    assert log_lines(sandbox) == [f"{answer.request_id} 200 me"]
    name = f"/aws/apigateway/{api_id}/prod"
    if settings:
        groups = sandbox.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert groups == []
        return
    said = log_lines(sandbox, name)
    assert said[5] == f"({answer.request_id}) WebSocket Request Route: [$connect]"
    assert "is connecting to WebSocket API" in said[6]
    assert said[7].endswith(f"connected to API [{api_id}] successfully.")


def test_request_to_no_stage_is_forbidden(sandbox: Sandbox) -> None:
    assert ask(sandbox, make_rest_stage(sandbox), "other/").status == 403


def test_history_has_write_calls_of_the_region_by_name_newest_first(sandbox: Sandbox) -> None:
    first, second = make_rest_stage(sandbox), make_rest_stage(sandbox)
    sandbox.client("apigateway", "eu-west-1").create_rest_api(name="elsewhere")
    found = sandbox.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateRestApi"}]
    )["Events"]
    assert [second in found[0]["CloudTrailEvent"], first in found[1]["CloudTrailEvent"]] == [True, True]
    assert [each["EventSource"] for each in found] == ["apigateway.amazonaws.com"] * 2


def test_line_of_a_rest_api_has_tls_version_and_cipher_and_no_principal(sandbox: Sandbox) -> None:
    names = ("tlsVersion", "cipherSuite", "authorizer.principalId", "identity.userArn")
    api_id = logged(sandbox, log_format="$context.requestId " + " ".join(f"$context.{name}" for name in names))
    answer = ask(sandbox, api_id, "prod/")
    assert log_lines(sandbox) == [f"{answer.request_id} TLSv1.3 TLS_AES_128_GCM_SHA256 - -"]
