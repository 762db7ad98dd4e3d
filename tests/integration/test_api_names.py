"""``${apiName}`` in ``AccessLogGroupName``: where the name comes from, what it costs, and what a new name changes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from handlers import enforce
from log_keeper.events.own_events import api_to_evaluate
from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.findings import Problem
from log_keeper.stages import ApiVersion, StageRef
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import Call
from sandbox.services.apigateway.request_logs import write_access_log
from testing.accounts import (
    get_stage,
    log_groups,
    make_http_stage,
    make_leaking_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, REGION, record, updated
from testing.deliveries import Deliver
from testing.previews import Preview
from testing.published import Refusal, findings
from testing.world import World, world

PATTERN = "/access-logs/${apiName}/${apiId}/${stage}"
LOG_GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"


@pytest.fixture
def named(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACCESS_LOG_GROUP_NAME", PATTERN)
    set_log_role(sandbox, make_role(sandbox))


def rename(sandbox: Account, api_id: str, name: str) -> None:
    client = sandbox.client("apigateway")
    client.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/name", "value": name}])


def destination(sandbox: Account, api_id: str, stage: str = "prod") -> str:
    found = get_stage(sandbox, api_id, stage)["accessLogSettings"]["destinationArn"]
    return str(found).partition(":log-group:")[2]


def add_stage(sandbox: Account, api_id: str, name: str) -> None:
    sandbox.client("apigateway").create_deployment(restApiId=api_id, stageName=name)


def calls_for(sandbox: Sandbox, deliver: Deliver, *events: object) -> Counter[str]:
    """Deliver each event by itself. Return the number of Log Keeper's calls, by operation."""
    since = len(sandbox.calls)
    for event in events:
        assert deliver(event) == []
    ours = [made.call for made in sandbox.calls[since:] if "log-keeper" in made.call.user_agent]
    return Counter(call.operation for call in ours)


# ---- events


def test_event_of_a_rest_stage_without_a_destination_costs_one_call_more(
    sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ACCESS_LOG_GROUP_NAME", "/access-logs/${apiId}/${stage}")
    set_log_role(sandbox, make_role(sandbox))
    first, second = make_rest_stage(sandbox), make_rest_stage(sandbox)
    other, third = make_rest_stage(sandbox), make_rest_stage(sandbox)
    calls_for(sandbox, deliver, updated(first))  # with the check of the log role
    without = calls_for(sandbox, deliver, updated(second))
    environment.setenv("ACCESS_LOG_GROUP_NAME", PATTERN)
    enforce.enforce_handler.cache_clear()
    calls_for(sandbox, deliver, updated(other))
    assert calls_for(sandbox, deliver, updated(third)) - without == Counter({"GetRestApi": 1})
    assert destination(sandbox, third) == f"/access-logs/shop/{third}/prod"
    assert log_groups(sandbox)[destination(sandbox, third)] == 365
    assert write_access_log(sandbox, third, "prod", requestId="one") == destination(sandbox, third)
    assert calls_for(sandbox, deliver, updated(third), updated(second))["GetRestApi"] == 0


@pytest.mark.usefixtures("named")
def test_event_of_a_stage_with_a_destination_of_its_owner_costs_no_call_more(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    api_id = make_rest_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName="theirs")
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", f"{LOG_GROUP}theirs"),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    made = calls_for(sandbox, deliver, updated(api_id))
    assert made["UpdateStage"] == 1
    assert made["GetRestApi"] == 0


@pytest.mark.usefixtures("named")
def test_name_of_an_http_or_websocket_api_comes_with_its_protocol_and_is_not_kept(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    client = sandbox.client("apigatewayv2")
    for api_id, name in ((make_http_stage(sandbox, "prod"), "web"), (make_websocket_stage(sandbox), "chat")):
        event = record("CreateStage", {"apiId": api_id, "stageName": "prod"})
        assert calls_for(sandbox, deliver, event)["GetApi"] == 1
        group = v2_stage(sandbox, api_id)["AccessLogSettings"]["DestinationArn"].partition(":log-group:")[2]
        assert group == f"/access-logs/{name}/{api_id}/prod"
        assert log_groups(sandbox)[group] == 365
        client.update_api(ApiId=api_id, Name="another name")
        client.create_stage(ApiId=api_id, StageName="qa")
        event = record("CreateStage", {"apiId": api_id, "stageName": "qa"})
        assert calls_for(sandbox, deliver, event)["GetApi"] == 1
        arn = v2_stage(sandbox, api_id, "qa")["AccessLogSettings"]["DestinationArn"]
        assert arn == f"{LOG_GROUP}/access-logs/another-name/{api_id}/qa"
        assert calls_for(sandbox, deliver, event)["GetApi"] == 0


@pytest.mark.usefixtures("named")
def test_characters_that_a_destination_cannot_have_are_replaced(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    rename(sandbox, api_id, "Orders / API #2 (\u00fc)")
    assert deliver(updated(api_id)) == []
    assert destination(sandbox, api_id) == f"/access-logs/Orders---API--2----/{api_id}/prod"


@pytest.mark.usefixtures("named")
def test_log_group_with_an_earlier_name_of_the_api_stays_and_a_new_stage_gets_the_new_name(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    api_id, logs = make_rest_stage(sandbox), sandbox.client("logs")
    assert deliver(updated(api_id)) == []
    earlier = f"/access-logs/shop/{api_id}/prod"
    rename(sandbox, api_id, "store")
    logs.delete_retention_policy(logGroupName=earlier)
    assert deliver(updated(api_id)) == []
    assert (destination(sandbox, api_id), log_groups(sandbox)[earlier]) == (earlier, 365)
    add_stage(sandbox, api_id, "qa")
    assert deliver(updated(api_id, stage_name="qa")) == []
    assert destination(sandbox, api_id, "qa") == f"/access-logs/store/{api_id}/qa"
    # The name in the event tells the stage, and the log group is created again under its name.
    logs.delete_log_group(logGroupName=earlier)
    since = len(sandbox.calls)
    event = record("DeleteLogGroup", {"logGroupName": earlier}, eventSource="logs.amazonaws.com")
    assert deliver(event) == []
    assert (destination(sandbox, api_id), log_groups(sandbox)[earlier]) == (earlier, 365)
    assert findings(sandbox, since) == [(Problem.LOG_GROUP_DELETED, earlier)]
    assert f"/access-logs/store/{api_id}/prod" not in log_groups(sandbox)


def test_where_the_name_cannot_be_read_data_trace_is_switched_off_and_the_rest_waits(
    sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ACCESS_LOG_GROUP_NAME", PATTERN)
    api_id = make_leaking_stage(sandbox)
    refusal, since = Refusal(sandbox, "GetRestApi"), len(sandbox.calls)
    assert deliver(updated(api_id)) == ["0"]
    stage = get_stage(sandbox, api_id)
    assert not any(each.get("dataTraceEnabled") for each in stage["methodSettings"].values())
    assert "accessLogSettings" not in stage
    assert not [name for name in log_groups(sandbox) if "access-logs" in name]
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.CHANGE_FAILED
    assert "GetRestApi" in detail
    refusal.end()
    assert deliver(updated(api_id)) == []
    assert destination(sandbox, api_id) == f"/access-logs/shop/{api_id}/prod"


@pytest.mark.usefixtures("named")
def test_api_that_is_deleted_before_its_name_is_read_has_no_stage_to_remediate(
    sandbox: Sandbox, deliver: Deliver
) -> None:
    api_id = make_rest_stage(sandbox)

    def delete(_: Account, call: Call) -> None:
        if call.operation == "GetRestApi" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(delete)
            sandbox.client("apigateway").delete_rest_api(restApiId=api_id)

    sandbox.hooks.append(delete)
    deliver(updated(api_id))
    assert deliver(updated(api_id)) == []
    assert not [name for name in log_groups(sandbox) if api_id in name]


def test_preview_shows_the_name(sandbox: Sandbox, preview: Preview) -> None:
    set_log_role(sandbox, make_role(sandbox))
    rest, http = make_rest_stage(sandbox), make_http_stage(sandbox)
    code, output, _ = preview("--access-log-group-name", PATTERN, "--json")
    assert code == 3
    assert json.loads(output)["policy"]["AccessLogGroupName"] == PATTERN
    assert f"/access-logs/shop/{rest}/prod" in output
    assert f"/access-logs/web/{http}/.default" in output
    assert not [made for made in sandbox.calls if made.call.operation == "GetRestApi"]


# ---- sweeps


def many(here: World) -> str:
    """Create a log role and a REST API with three stages. Return the API's id."""
    arn = make_role(here.sandbox, "Logs")
    here.time.sleep(60)
    set_log_role(here.sandbox, arn)
    api_id = make_rest_stage(here.sandbox)
    for name in ("dev", "qa"):
        add_stage(here.sandbox, api_id, name)
    here.sandbox.calls.clear()
    return api_id


def are_named(here: World, api_id: str) -> bool:
    expected = [f"/access-logs/shop/{api_id}/{stage}" for stage in ("prod", "dev", "qa")]
    return [destination(here.sandbox, api_id, stage) for stage in ("prod", "dev", "qa")] == expected


def test_sweep_gives_the_names_without_a_call() -> None:
    with world(policy={"access_log_names": AccessLogNames.read(PATTERN)}) as here:
        api_id, http = many(here), make_http_stage(here.sandbox)
        here.begin_sweep()
        here.settle()
        assert are_named(here, api_id)
        arn = v2_stage(here.sandbox, http, "$default")["AccessLogSettings"]["DestinationArn"]
        assert arn == f"{LOG_GROUP}/access-logs/web/{http}/.default"
        made = Counter(made.call.operation for made in here.calls())
        assert (made["GetRestApi"], made["GetApi"], made["GetStage"]) == (0, 0, 0)


def test_stages_of_an_api_that_are_read_together_cost_one_call_for_the_name() -> None:
    with world(policy={"access_log_names": AccessLogNames.read(PATTERN)}) as here:
        api_id = many(here)
        refs = [StageRef(ACCOUNT, REGION, ApiVersion.V1, api_id, stage) for stage in ("prod", "dev", "qa")]
        here.send(api_to_evaluate(refs, (), here.time()))
        here.settle()
        assert are_named(here, api_id)
        made = Counter(made.call.operation for made in here.calls())
        assert (made["GetRestApi"], made["GetStages"], made["GetStage"]) == (1, 1, 0)
        here.sandbox.calls.clear()
        here.send(api_to_evaluate(refs, (), here.time()))
        here.settle()
        assert "GetRestApi" not in [made.call.operation for made in here.calls()]
