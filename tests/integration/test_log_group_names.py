"""``AccessLogGroupName``: log groups with names by a pattern, and stages that logged before there was one."""

from __future__ import annotations

import json

import pytest

from handlers import enforce
from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.request_logs import write_access_log
from sandbox.services.apigatewayv2 import log_delivery
from testing.accounts import (
    get_stage,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, REGION, record, updated
from testing.deliveries import Deliver
from testing.limited_roles import allow, narrow
from testing.previews import Preview
from testing.published import findings, outcomes

PATTERN = "/access-logs/${accountId}/${apiId}/${stage}"


@pytest.fixture
def named(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACCESS_LOG_GROUP_NAME", PATTERN)
    set_log_role(sandbox, make_role(sandbox))


def group_of(api_id: str, stage: str = "prod") -> str:
    return f"/access-logs/{ACCOUNT}/{api_id}/{stage}"


def destination(sandbox: Sandbox, api_id: str) -> str:
    return str(get_stage(sandbox, api_id)["accessLogSettings"]["destinationArn"]).partition(":log-group:")[2]


def deleted(sandbox: Sandbox, group: str) -> dict[str, object]:
    """Delete the log group. Return the event about it."""
    sandbox.client("logs").delete_log_group(logGroupName=group)
    return record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com")


@pytest.mark.usefixtures("named")
def test_new_stages_of_each_protocol_log_to_their_names_and_lines_arrive(sandbox: Sandbox, deliver: Deliver) -> None:
    rest, http, websocket = make_rest_stage(sandbox), make_http_stage(sandbox), make_websocket_stage(sandbox)
    created = [
        record("CreateStage", {"apiId": http, "stageName": "%24default"}),
        record("CreateStage", {"apiId": websocket, "stageName": "prod"}),
    ]
    assert deliver(updated(rest), *created) == []
    names = [group_of(rest), group_of(http, ".default"), group_of(websocket)]
    assert {name: days for name, days in log_groups(sandbox).items() if "/access-logs/" in name} == dict.fromkeys(
        names, 365
    )
    assert not [name for name in log_groups(sandbox) if "vendedlogs" in name]
    assert write_access_log(sandbox, rest, "prod", requestId="one") == group_of(rest)
    assert log_delivery.reaches(sandbox, REGION, group_of(http, ".default"))
    assert v2_stage(sandbox, websocket)["AccessLogSettings"]["DestinationArn"].endswith(group_of(websocket))
    since = len(sandbox.calls)
    assert deliver(updated(rest), *created) == []
    writes = {"UpdateStage", "CreateLogGroup", "PutRetentionPolicy", "PutResourcePolicy"}
    assert not writes & {made.call.operation for made in sandbox.calls[since:]}


def test_stage_that_logs_already_keeps_its_log_group_whether_the_pattern_comes_or_goes(
    sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_log_role(sandbox, make_role(sandbox))
    before = make_rest_stage(sandbox)
    usual = f"/aws/vendedlogs/apigateway/{before}/prod"
    assert deliver(updated(before)) == []
    environment.setenv("ACCESS_LOG_GROUP_NAME", PATTERN)
    enforce.enforce_handler.cache_clear()
    sandbox.client("logs").delete_retention_policy(logGroupName=usual)
    assert deliver(updated(before)) == []
    assert (destination(sandbox, before), log_groups(sandbox)[usual]) == (usual, 365)
    # It is created again under its name, as before.
    assert deliver(deleted(sandbox, usual)) == []
    assert (destination(sandbox, before), log_groups(sandbox)[usual]) == (usual, 365)
    new = make_rest_stage(sandbox)
    assert deliver(updated(new)) == []
    environment.setenv("ACCESS_LOG_GROUP_NAME", "")
    enforce.enforce_handler.cache_clear()
    caplog.clear()
    assert deliver(updated(new)) == []
    assert outcomes(caplog) == ["compliant"]
    assert destination(sandbox, new) == group_of(new)


@pytest.mark.usefixtures("named")
def test_deleted_log_group_is_created_again_for_each_protocol(sandbox: Sandbox, deliver: Deliver) -> None:
    rest, http = make_rest_stage(sandbox), make_http_stage(sandbox, "prod")
    assert deliver(updated(rest), record("CreateStage", {"apiId": http, "stageName": "prod"})) == []
    for name in (group_of(rest), group_of(http)):
        since = len(sandbox.calls)
        assert deliver(deleted(sandbox, name)) == []
        assert log_groups(sandbox)[name] == 365
        assert findings(sandbox, since) == [(Problem.LOG_GROUP_DELETED, name)]
    assert log_delivery.reaches(sandbox, REGION, group_of(http))


@pytest.mark.usefixtures("named")
def test_deleted_policy_of_a_log_group_is_restored(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.turn(log_delivery_policy="group")
    http = make_http_stage(sandbox, "prod")
    assert deliver(record("CreateStage", {"apiId": http, "stageName": "prod"})) == []
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group_of(http)}"
    sandbox.client("logs").delete_resource_policy(resourceArn=arn, expectedRevisionId="1")
    assert not log_delivery.reaches(sandbox, REGION, group_of(http))
    event = record("DeleteResourcePolicy", {"resourceArn": arn}, eventSource="logs.amazonaws.com")
    assert deliver(event) == []
    assert log_delivery.reaches(sandbox, REGION, group_of(http))


@pytest.mark.usefixtures("named")
def test_log_role_that_may_not_write_to_the_names_is_a_finding(sandbox: Sandbox, deliver: Deliver) -> None:
    narrow(sandbox, allow("API-Gateway-Execution-Logs_*", "/aws/vendedlogs/*", "/aws/apigateway/*"))
    api_id, since = make_rest_stage(sandbox), len(sandbox.calls)
    deliver(updated(api_id))
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.LIMITED_LOG_ROLE
    assert group_of(api_id) in detail
    assert "Execution" not in detail


@pytest.mark.usefixtures("named")
def test_log_role_for_these_names_alone_is_enough(sandbox: Sandbox, deliver: Deliver) -> None:
    narrow(sandbox, allow("API-Gateway-Execution-Logs_*", "/access-logs/*", "/aws/apigateway/*"))
    api_id, since = make_rest_stage(sandbox), len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == []
    assert write_access_log(sandbox, api_id, "prod", requestId="one") == group_of(api_id)


@pytest.mark.usefixtures("named")
def test_simulation_of_the_names_is_made_once(sandbox: Sandbox, deliver: Deliver) -> None:
    first, second = make_rest_stage(sandbox), make_rest_stage(sandbox)
    assert deliver(updated(first)) == []
    since = len(sandbox.calls)
    assert deliver(updated(second)) == []
    assert "SimulatePrincipalPolicy" not in {made.call.operation for made in sandbox.calls[since:]}


@pytest.mark.usefixtures("named")
def test_log_groups_are_found_where_their_identifiers_are_refused(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.turn(refuses_missing_log_groups=True)
    api_id = make_rest_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=group_of(api_id))
    assert deliver(updated(api_id)) == []
    assert log_groups(sandbox)[group_of(api_id)] == 365


def test_preview_shows_the_name(sandbox: Sandbox, preview: Preview) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    code, output, _ = preview("--access-log-group-name", PATTERN, "--json")
    assert code == 3
    assert json.loads(output)["policy"]["AccessLogGroupName"] == PATTERN
    assert group_of(api_id) in output
    assert "/aws/vendedlogs" not in output
    code, _, error = preview("--access-log-group-name", "/${apiId}")
    assert (code, "is no pattern of names" in error) == (2, True)


def test_destination_of_an_owner_stays(sandbox: Sandbox, deliver: Deliver, named: None) -> None:
    api_id = make_rest_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName="/access-logs/theirs")
    patch_stage(
        sandbox,
        api_id,
        (
            "replace",
            "/accessLogSettings/destinationArn",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/access-logs/theirs",
        ),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    assert deliver(updated(api_id)) == []
    assert destination(sandbox, api_id) == "/access-logs/theirs"
    assert log_groups(sandbox)["/access-logs/theirs"] is None
