"""All regions from one stack, deployed where 60 stages in three of them exist, a sixth of them compliant."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from log_keeper.stages import Protocol
from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import get_stage, levels, log_role, make_rest_api, make_rest_stage, make_role, set_log_role
from testing.builders import FORMATS
from testing.stacks import Deployed

#: As long as it may be; CloudFormation cuts the names that it makes of it.
STACK: dict[str, Any] = {
    "stack_name": "platform-team-log-keeper-of-all-regions-of-production-eu",
    "tags": {"team": "platform"},
}
HOME, *FURTHER = REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
STAGES = ("dev", "test", "live", "old")


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def account(clock: MovableClock) -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def apis(account: Sandbox) -> list[tuple[str, str, str]]:
    """Return region, API and stage of 60 stages, each sixth of which is compliant."""
    role, made = make_role(account), []
    for region in REGIONS:
        set_log_role(account, role, region)
        for _ in range(5):
            api_id = make_rest_api(account, region)
            for stage_name in STAGES:
                account.client("apigateway", region).create_deployment(restApiId=api_id, stageName=stage_name)
                made.append((region, api_id, stage_name))
    for region, api_id, stage_name in made[::6]:
        account.client("logs", region).create_log_group(logGroupName=f"team/{api_id}/{stage_name}")
        arn = f"arn:aws:logs:{region}:{account.account_id}:log-group:team/{api_id}/{stage_name}"
        account.client("apigateway", region).update_stage(
            restApiId=api_id,
            stageName=stage_name,
            patchOperations=[
                {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
                {"op": "replace", "path": "/accessLogSettings/format", "value": FORMATS[Protocol.REST]},
                {"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"},
            ],
        )
        group = f"API-Gateway-Execution-Logs_{api_id}/{stage_name}"
        account.client("logs", region).create_log_group(logGroupName=group)
        account.client("logs", region).put_retention_policy(logGroupName=group, retentionInDays=7)
    return made


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, apis: list[tuple[str, str, str]]) -> Deployed:
    parameters = {"SettleSeconds": "0", "SweepRate": "10", "Regions": ",".join(FURTHER)}
    deployed = Deployed(account, deployment.deploy(account, parameters, **STACK))
    deployed.begin_first_sweep()
    return deployed


def is_compliant(account: Sandbox, region: str, api_id: str, stage_name: str) -> bool:
    stage = get_stage(account, api_id, stage_name, region)
    return levels(stage) == {"*/*": "ERROR"} and "destinationArn" in stage.get("accessLogSettings", {})


def test_all_stages_of_all_regions_are_remediated(stack: Deployed, apis: list[tuple[str, str, str]]) -> None:
    stack.sandbox.wait_until(lambda: all(is_compliant(stack.sandbox, *stage) for stage in apis), timeout=120)
    assert stack.wait_until_quiet() == 0


def test_stages_that_were_compliant_were_not_written_to(stack: Deployed, apis: list[tuple[str, str, str]]) -> None:
    ours = [
        (made.call.region, made.call.params["restApiId"], made.call.params["stageName"])
        for made in stack.sandbox.calls
        if made.call.operation == "UpdateStage" and "log-keeper" in made.call.user_agent
    ]
    assert sorted(ours) == sorted(stage for number, stage in enumerate(apis) if number % 6)


@pytest.mark.parametrize("region", FURTHER)
def test_stage_made_in_a_further_region_is_compliant(stack: Deployed, region: str) -> None:
    api_id = make_rest_stage(stack.sandbox, region=region)
    stack.sandbox.wait_until(lambda: is_compliant(stack.sandbox, region, api_id, "prod"))


def test_region_that_is_closed_is_reported_and_stops_no_other(stack: Deployed) -> None:
    _, closed = FURTHER
    stack.sandbox.disabled_regions.add(closed)
    swept = log(stack).count('"message":"Swept"')
    sweep(stack)
    stack.sandbox.wait_until(lambda: "the region cannot be reached" in log(stack) and closed in log(stack))
    stack.sandbox.wait_until(lambda: log(stack).count('"message":"Swept"') >= swept + 2)
    stack.sandbox.disabled_regions.remove(closed)


def test_event_that_cannot_be_delivered_is_kept_and_reported(stack: Deployed) -> None:
    """And what it is about is found by the sweep."""
    region, _ = FURTHER
    iam = stack.sandbox.client("iam")
    [role] = [each["RoleName"] for each in iam.list_roles()["Roles"] if "-ForwardRole-" in each["RoleName"]]
    deny = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "events:*", "Resource": "*"}}
    iam.put_role_policy(RoleName=role, PolicyName="Deny", PolicyDocument=json.dumps(deny))
    stage = region, make_rest_stage(stack.sandbox, region=region), "prod"
    sqs, queue = stack.sandbox.client("sqs", region), f"{STACK['stack_name']}-undelivered"
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def count() -> int:
        name = "ApproximateNumberOfMessages"
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    assert stack.sandbox.wait_until(count) == 1
    assert not is_compliant(stack.sandbox, *stage)
    sweep(stack)
    [detail] = stack.sandbox.wait_until(lambda: findings(stack, "could not be delivered"))
    assert detail == f"{region}: 1 in the last two days, in queue {queue}"
    stack.sandbox.wait_until(lambda: is_compliant(stack.sandbox, *stage))
    iam.delete_role_policy(RoleName=role, PolicyName="Deny")
    sqs.purge_queue(QueueUrl=url)


def test_region_that_is_dropped_is_not_managed(stack: Deployed) -> None:
    """Adding or dropping a region is a stack update. What was changed there stays."""
    kept, dropped = FURTHER
    deployment.deploy(stack.sandbox, {"SettleSeconds": "0", "SweepRate": "10", "Regions": kept}, **STACK)
    assert stack.sandbox.client("events", dropped).list_rules()["Rules"] == []
    assert stack.sandbox.client("sqs", dropped).list_queues().get("QueueUrls", []) == []
    assert stack.sandbox.client("events", kept).list_rules()["Rules"] != []
    assert log_role(stack.sandbox, dropped) is not None


def test_region_whose_forwarder_cannot_be_deployed_is_reported(stack: Deployed, clock: MovableClock) -> None:
    """The stack is complete all the same. Once the cause is repaired, the command in the finding deploys the forwarder.

    It may take a minute after the failure, in which SQS does not give away the name of a queue that was deleted.
    """
    kept, failing = FURTHER
    clock.advance(timedelta(minutes=1))
    names = [f"{STACK['stack_name']}-{each}" for each in ("stages", "role", "groups", "policy", "sources")]
    events = stack.sandbox.client("events", failing)
    events.put_rule(Name=names[1], EventPattern='{"source": ["somebody.elses"]}', State="DISABLED")
    parameters = {"SettleSeconds": "0", "SweepRate": "10"}
    deployment.deploy(stack.sandbox, parameters | {"Regions": f"{kept},{failing}"}, **STACK)
    [detail] = stack.sandbox.wait_until(lambda: findings(stack, "the forwarder of the region is incomplete"))
    missing, command = detail.split(" To create them: ")
    assert missing == f"{failing}: {', '.join(names)}, {STACK['stack_name']}-undelivered."

    events.delete_rule(Name=names[1])
    clock.advance(timedelta(minutes=1))
    deployment.run(stack.sandbox, *shlex.split(command), region=kept)  # whatever region the shell has
    assert sorted(rule["Name"] for rule in events.list_rules()["Rules"]) == sorted(names)
    api_id = make_rest_stage(stack.sandbox, region=failing)
    stack.sandbox.wait_until(lambda: is_compliant(stack.sandbox, failing, api_id, "prod"))
    assert stack.wait_until_quiet() == 0
    swept = log(stack).count('"message":"Swept"')
    sweep(stack)
    stack.sandbox.wait_until(lambda: log(stack).count('"message":"Swept"') >= swept + 3)
    assert len(findings(stack, "the forwarder of the region is incomplete")) == 1


def sweep(stack: Deployed) -> None:
    stack.sandbox.client("sqs").send_message(QueueUrl=stack.outputs["SweepQueueUrl"], MessageBody='{"detail": {}}')


def log(stack: Deployed) -> str:
    """Everything that sweeps have logged so far."""
    pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
    found = [page["events"] for page in pages.paginate(logGroupName=stack.outputs["SweepLogGroup"])]
    return "\n".join(event["message"] for events in found for event in events)


def findings(stack: Deployed, problem: str) -> list[str]:
    """Details of the findings so far whose problem has these words."""
    pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=stack.outputs["SweepLogGroup"], filterPattern=f'"{problem}"')
    return [json.loads(event["message"])["detail"] for page in found for event in page["events"]]


def test_removal_leaves_no_rule_in_any_region(stack: Deployed) -> None:
    name = STACK["stack_name"]
    deployment.run(stack.sandbox, "sam", "delete", "--stack-name", name, "--no-prompts", "--region", HOME)
    for region in REGIONS:
        assert stack.sandbox.client("events", region).list_rules()["Rules"] == []
        assert stack.sandbox.client("sqs", region).list_queues().get("QueueUrls", []) == []
