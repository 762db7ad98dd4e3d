"""Requests to deployed APIs of the sandbox write lines to their logs, and the event history lists past calls."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import (
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
)

FORMAT = "$context.requestId $context.identity.userAgent"


def group(sandbox: Sandbox, name: str = "/theirs") -> str:
    """Create a log group and return its ARN."""
    sandbox.client("logs").create_log_group(logGroupName=name)
    return f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{name}"


def ask(sandbox: Sandbox, api_id: str, stage: str) -> str:
    """Send a request and return its id."""
    address = f"{sandbox.endpoint}/_aws/execute-api/{api_id}/{stage}/pets"
    with urlopen(Request(address, headers={"User-Agent": "me"}), timeout=10) as answer:
        return str(answer.headers["x-amzn-RequestId"])


def lines(sandbox: Sandbox, name: str) -> list[str]:
    return [each["message"] for each in sandbox.client("logs").filter_log_events(logGroupName=name)["events"]]


def test_request_to_a_rest_stage_is_a_line_of_both_logs(sandbox: Sandbox) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id, arn = make_rest_stage(sandbox), group(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", arn),
        ("replace", "/accessLogSettings/format", FORMAT),
        ("replace", "/*/*/logging/loglevel", "INFO"),
    )
    request_id = ask(sandbox, api_id, "prod")
    assert lines(sandbox, "/theirs") == [f"{request_id} me"]
    [line] = lines(sandbox, f"API-Gateway-Execution-Logs_{api_id}/prod")
    assert request_id in line


def test_request_to_an_http_stage_is_a_line_only_while_log_delivery_is_allowed(sandbox: Sandbox) -> None:
    sandbox.turn(log_delivery_policy="group")
    api_id, arn = make_http_stage(sandbox), group(sandbox)
    sandbox.client("apigatewayv2").update_stage(
        ApiId=api_id, StageName="$default", AccessLogSettings={"DestinationArn": arn, "Format": FORMAT}
    )
    request_id = ask(sandbox, api_id, "$default")
    assert f"{request_id} me" in lines(sandbox, "/theirs")
    logs = sandbox.client("logs")
    logs.delete_log_group(logGroupName="/theirs")
    logs.create_log_group(logGroupName="/theirs")
    ask(sandbox, api_id, "$default")
    assert lines(sandbox, "/theirs") == []


def test_connection_to_a_websocket_stage_is_a_line_of_both_logs(sandbox: Sandbox) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_websocket_stage(
        sandbox,
        AccessLogSettings={"DestinationArn": group(sandbox), "Format": FORMAT},
        DefaultRouteSettings={"LoggingLevel": "INFO"},
    )
    request_id = ask(sandbox, api_id, "prod")
    assert lines(sandbox, "/theirs") == [f"{request_id} me"]
    [line] = lines(sandbox, f"/aws/apigateway/{api_id}/prod")
    assert request_id in line


def test_request_to_no_stage_is_forbidden(sandbox: Sandbox) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(sandbox, make_rest_stage(sandbox), "other")
    refused.value.close()
    assert refused.value.code == 403


def test_history_has_write_calls_of_the_region_by_name_newest_first(sandbox: Sandbox) -> None:
    first, second = make_rest_stage(sandbox), make_rest_stage(sandbox)
    sandbox.client("apigateway", "eu-west-1").create_rest_api(name="elsewhere")
    found = sandbox.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateRestApi"}]
    )["Events"]
    assert [second in found[0]["CloudTrailEvent"], first in found[1]["CloudTrailEvent"]] == [True, True]
    assert [each["EventSource"] for each in found] == ["apigateway.amazonaws.com"] * 2
