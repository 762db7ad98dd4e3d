"""Stages are remediated whichever way CloudWatch Logs answers a read of log groups by their names."""

from __future__ import annotations

import itertools

import pytest

from log_keeper.aws.log_groups import read_log_groups
from log_keeper.policy.log_groups import LogGroup
from sandbox.assembly import Sandbox
from testing.accounts import log_groups, make_rest_stage
from testing.builders import updated
from testing.deliveries import Deliver


@pytest.fixture(params=list(itertools.product([False, True], repeat=2)), ids=str)
def answering(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    """An account with one of four ways to answer: it refuses missing groups or not, hides retentions or not."""
    refuses, hides = request.param
    sandbox.turn(refuses_missing_log_groups=refuses, identifiers_hide_retention=hides)
    return sandbox


def of_api(api_id: str) -> dict[str, str]:
    return {
        "access": f"/aws/vendedlogs/apigateway/{api_id}/prod",
        "execution": f"API-Gateway-Execution-Logs_{api_id}/prod",
    }


def test_new_stage_gets_its_log_groups(answering: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(answering)
    assert deliver(updated(api_id)) == []
    groups, found = of_api(api_id), log_groups(answering)
    assert (found[groups["access"]], found[groups["execution"]]) == (365, 30)


def test_missing_one_of_two_log_groups_is_created(answering: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(answering)
    deliver(updated(api_id))
    answering.client("logs").delete_log_group(logGroupName=of_api(api_id)["access"])
    assert deliver(updated(api_id)) == []
    assert log_groups(answering)[of_api(api_id)["access"]] == 365


def test_retention_of_an_owner_is_never_overwritten(answering: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(answering)
    logs = answering.client("logs")
    for name, days in zip(of_api(api_id).values(), (7, 3653), strict=True):
        logs.create_log_group(logGroupName=name)
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    before = len(answering.calls)
    assert deliver(updated(api_id)) == []
    found = log_groups(answering)
    assert [found[name] for name in of_api(api_id).values()] == [7, 3653]
    assert not [made for made in answering.calls[before:] if made.call.operation == "PutRetentionPolicy"]


def test_group_without_retention_gets_one(answering: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(answering)
    answering.client("logs").create_log_group(logGroupName=of_api(api_id)["execution"])
    deliver(updated(api_id))
    assert log_groups(answering)[of_api(api_id)["execution"]] == 30


def test_compliant_stage_costs_one_read_and_where_retentions_are_hidden_two_more(
    answering: Sandbox, deliver: Deliver
) -> None:
    api_id = make_rest_stage(answering)
    deliver(updated(api_id))
    before = len(answering.calls)
    deliver(updated(api_id))
    made = [made.call.operation for made in answering.calls[before:]]
    reads = 3 if answering.behaviour.identifiers_hide_retention else 1
    assert made == ["GetStage"] + ["DescribeLogGroups"] * reads


def test_groups_of_a_whole_region_are_read_in_few_calls(answering: Sandbox) -> None:
    """The call by names and at most two for each API, whose stages are many: not one call for each group."""
    logs = answering.client("logs")
    names = [f"{prefix}api{api}/stage{stage}"
             for prefix in ("API-Gateway-Execution-Logs_", "/aws/vendedlogs/apigateway/")
             for api in range(5) for stage in range(5)]  # fmt: skip
    for name in names[::2]:
        logs.create_log_group(logGroupName=name)
        logs.put_retention_policy(logGroupName=name, retentionInDays=7)
    before = len(answering.calls)
    facts = read_log_groups(logs, [LogGroup(name, 30, None) for name in names])
    assert sorted(facts) == sorted(names[::2])
    assert all(group.expires for group in facts.values())
    assert len(answering.calls) - before <= 1 + 2 * 5


def test_retentions_of_owners_groups_are_not_read(answering: Sandbox) -> None:
    """They do not matter: one call is enough, also where retentions are hidden."""
    logs = answering.client("logs")
    logs.create_log_group(logGroupName="/team/shop")
    before = len(answering.calls)
    assert list(read_log_groups(logs, [LogGroup("/team/shop", 365, None, is_owners=True)])) == ["/team/shop"]
    assert len(answering.calls) - before == 1
