"""Everyday work in every world that AWS could be: each behaviour switch of the sandbox in each other position.

The short form of ``make worlds``, which runs the product's integration and end-to-end tests in all of them.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.behaviour import DEFAULTS, POINTS, Behaviour, harshest, other_positions
from sandbox.services.apigateway.request_logs import write_access_log
from sandbox.services.apigatewayv2 import log_delivery
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
    v2_stage,
)
from testing.builders import REGION, record, updated
from testing.world import World, world
from tools import worlds

ROOT = Path(__file__).parent.parent.parent
#: Switches that only a deployment of the stack meets, and so only ``make worlds``.
OF_DEPLOYMENTS = {
    "automatic_deployment_keeps_account_filters",
    "cross_region_buses_elsewhere",
    "leaving_accounts_keep_stacks",
    "nested_stacks_need_auto_expand",
    "reads_of_stack_sets_list_administrators",
    "rules_see_their_stack_created",
    "stack_set_arn_of_administrator",
    "stack_sets_read_all_stacks",
    "tagging_api_shows_service_calls",
    "trails_send_source_account",
}
WORLDS = [each for each in worlds.worlds() if not each.switches.keys() <= OF_DEPLOYMENTS]
#: All that API Gateway's stages and CloudWatch Logs' groups can be changed by.
WRITES = ("UpdateStage", "UpdateAccount", "CreateLogGroup", "PutRetentionPolicy", "PutResourcePolicy")


def access_log_group(here: World, api_id: str) -> str:
    arn = get_stage(here.sandbox, api_id).get("accessLogSettings", {}).get("destinationArn", "")
    return str(arn).partition(":log-group:")[2]


def assert_rest_stage_logs(here: World, api_id: str, level: str) -> None:
    """Its settings are compliant, both of its log groups expire, and the line of a request arrives."""
    stage, group = get_stage(here.sandbox, api_id), access_log_group(here, api_id)
    assert set(levels(stage).values()) == {level}
    assert not any(settings["dataTraceEnabled"] for settings in stage["methodSettings"].values())
    kept = log_groups(here.sandbox)
    assert (kept[group], kept[f"API-Gateway-Execution-Logs_{api_id}/prod"]) == (365, 30)
    assert write_access_log(here.sandbox, api_id, "prod", requestId="one") == group


def assert_websocket_stage_logs(here: World, api_id: str) -> None:
    stage = v2_stage(here.sandbox, api_id)
    assert "DestinationArn" in stage["AccessLogSettings"]
    assert stage["DefaultRouteSettings"]["LoggingLevel"] == "ERROR"
    assert stage["RouteSettings"]["send"] == {
        "LoggingLevel": "ERROR",
        "DataTraceEnabled": False,
        "ThrottlingBurstLimit": 7,
    }


def is_delivered(here: World, api_id: str) -> bool:
    arn = v2_stage(here.sandbox, api_id, "$default").get("AccessLogSettings", {}).get("DestinationArn", "")
    return log_delivery.reaches(here.sandbox, REGION, arn.partition(":log-group:")[2])


def websocket_stage(here: World) -> str:
    api_id = make_websocket_stage(here.sandbox)
    route = {"ThrottlingBurstLimit": 7, "DataTraceEnabled": True}
    here.sandbox.client("apigatewayv2").update_stage(ApiId=api_id, StageName="prod", RouteSettings={"send": route})
    return api_id


def rest_stage(here: World) -> str:
    """Return the id of an API whose stage has data trace on and two methods with own settings, in two spellings."""
    api_id = make_rest_stage(here.sandbox)
    for path in ("/~1pets/GET", "/dogs/GET"):
        patch_stage(here.sandbox, api_id, ("replace", f"{path}/logging/dataTrace", "true"))
    return api_id


@pytest.mark.parametrize("each", WORLDS, ids=lambda each: each.name)
def test_everyday_work_is_done_in_every_world(each: worlds.World) -> None:
    with world(**each.switches) as here:
        account, gateway = here.sandbox, here.sandbox.client("apigateway")
        rest, http, websocket = rest_stage(here), make_http_stage(account), websocket_stage(here)
        quick = account.client("apigatewayv2").create_api(Name="quick", ProtocolType="HTTP", Target="https://e.org")
        account.quotas.are_on = True

        # New stages.
        for event in (
            updated(rest),
            record("CreateStage", {"apiId": http, "stageName": "%24default"}),
            record("CreateStage", {"apiId": websocket, "stageName": "prod"}),
            record("CreateApi", {"name": "quick"}, responseElements={"apiId": quick["ApiId"]}),
        ):
            here.send(event)
        here.settle()
        account.quotas.are_on = False
        assert_rest_stage_logs(here, rest, "ERROR")
        assert_websocket_stage_logs(here, websocket)
        assert is_delivered(here, http)
        assert is_delivered(here, quick["ApiId"]) is not account.behaviour.managed_stage_is_locked

        # A stage is opted in, and log groups are deleted.
        arn = f"arn:aws:apigateway:{REGION}::/restapis/{rest}/stages/prod"
        gateway.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO"})
        here.send(record("TagResource", {"resourceArn": arn}))
        for group in (access_log_group(here, rest), f"/aws/vendedlogs/apigatewayv2/{http}/.default"):
            account.client("logs").delete_log_group(logGroupName=group)
            here.send(record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com"))
        here.settle()
        assert_rest_stage_logs(here, rest, "INFO")
        assert is_delivered(here, http)

        # Stages that no record names.
        unseen = rest_stage(here), make_http_stage(account), websocket_stage(here)
        here.begin_sweep()
        here.settle()
        assert_rest_stage_logs(here, unseen[0], "ERROR")
        assert is_delivered(here, unseen[1])
        assert_websocket_stage_logs(here, unseen[2])

        # All is done.
        since = len(account.calls)
        here.begin_sweep()
        here.settle()
        assert [made.call.operation for made in here.calls(since) if made.call.operation in WRITES] == (
            ["UpdateStage"] if account.behaviour.managed_stage_is_locked else []
        )
        assert here.dead_letters() == 0


# ---- the switches


@cache
def keywords_of_tests() -> dict[str, set[Any]]:
    """The constant values of each keyword argument in the tests; a value that is none is None."""
    found: dict[str, set[Any]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg is not None:
                found.setdefault(node.arg, set()).add(
                    node.value.value if isinstance(node.value, ast.Constant) else None
                )
    return found


@cache
def rules() -> str:
    """The sandbox's code, but for the switches themselves."""
    return "".join(
        path.read_text() for path in (ROOT / "sandbox").rglob("*.py") if not path.name.startswith("behaviour")
    )


@pytest.mark.parametrize("name", POINTS)
def test_no_switch_exists_that_no_test_turns(name: str) -> None:
    """By name, that is, besides the tests above, which turn all of them."""
    assert keywords_of_tests().get(name, set()) - {DEFAULTS[name]}


@pytest.mark.parametrize("name", POINTS)
def test_no_switch_exists_that_no_rule_reads(name: str) -> None:
    assert f"behaviour.{name}" in rules()


def test_every_world_differs_from_the_default_in_its_switch_alone() -> None:
    names = {each.name for each in worlds.worlds()}
    assert len(names) == len(worlds.worlds()) == sum(len(other_positions(name)) for name in POINTS) + 1
    for each in worlds.worlds()[:-1]:
        [(switch, position)] = each.switches.items()
        assert Behaviour(**{switch: position}).positions() == DEFAULTS | {switch: position}  # type: ignore[arg-type]
        assert position != DEFAULTS[switch]


def test_point_has_its_default_and_its_harsher_position_among_its_positions() -> None:
    for name, point in POINTS.items():
        assert len(point.positions) > 1
        assert {DEFAULTS[name], point.harsher} <= set(point.positions)
    assert harshest() != Behaviour()


@pytest.mark.parametrize(
    "wrong", [{"log_delivery_policy": "elsewhere"}, {"resource_policy_limit": 0}, {"managed_stage_is_locked": 1}]
)
def test_position_that_a_switch_does_not_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="its positions are"):
        Sandbox(**wrong)


def test_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="is_on_fire"):
        Sandbox(is_on_fire=True)


def test_switch_that_is_set_as_an_attribute_is_refused() -> None:
    sandbox = Sandbox()
    with pytest.raises(AttributeError, match="turn"):
        sandbox.log_delivery_policy = "account"  # type: ignore[attr-defined]
    sandbox.turn(log_delivery_policy="account")
    assert sandbox.behaviour.log_delivery_policy == "account"
