"""``make verify`` where Log Keeper is deployed: the new stages become compliant, and their requests are logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.stacks import Deployed
from verify.__main__ import main
from verify.probes_stack import POINTS
from verify.resource_types import PREFIX


def verify(account: Sandbox, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Try the points about the stack. Return the exit code and the points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", account.endpoint)
        code = main(["--yes", "--json", "--only", "stack-*", *arguments], account.session(), rate=1_000, patience=0.1)
    return code, json.loads(capsys.readouterr().out)["points"]


def left(account: Sandbox) -> list[str]:
    """Names of what is left of a run: log groups of its APIs have none of its name, so all but the stack's count."""
    apis = [api["name"] for api in account.client("apigateway").get_rest_apis()["items"]]
    apis += [api["Name"] for api in account.client("apigatewayv2").get_apis()["Items"]]
    pages = account.client("logs").get_paginator("describe_log_groups").paginate()
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    return [name for name in (*apis, *groups) if name.startswith((PREFIX, "API-Gateway-", "/aws/vendedlogs/"))]


def test_every_stage_becomes_compliant_and_logs_its_requests(
    account: Sandbox, deploy: Callable[..., Deployed], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = deploy()
    code, points = verify(account, capsys)
    assert {point["point"]: point["status"] for point in points} == {point.name: "same" for point in POINTS}
    assert code == 0
    assert stack.wait_until_quiet() == 0
    assert left(account) == []


def test_stack_that_does_nothing_differs_and_sends_no_request(
    account: Sandbox, deploy: Callable[..., Deployed], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its functions are deployed, and nothing invokes them."""
    mappings = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    for mapping in mappings:
        account.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    code, points = verify(account, capsys, "--minutes-for-stack", "0.2")
    for mapping in mappings:
        account.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert {point["status"] for point in points if point["point"].endswith("-compliant")} == {"different"}
    assert {point["status"] for point in points if point["point"].endswith("-log")} == {"could not tell"}
    assert code == 3
    assert left(account) == []


def test_stack_in_audit_mode_is_not_tried(
    account: Sandbox, deploy: Callable[..., Deployed], capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(Mode="Audit")
    code, points = verify(account, capsys)
    assert {point["status"] for point in points} == {"not tried"}
    assert code == 0
