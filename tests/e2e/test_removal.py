"""The stack is deleted while stages are created, and is deployed again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    set_log_role,
    tag_rest_stage,
    v2_stage,
)
from testing.builders import MADE_ROLE
from testing.floods import Flood
from testing.stacks import ALL_PARTS, FURTHER_REGION, Deployed, pass_time_until_idle

HOME = "us-east-1"


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def account(clock: MovableClock) -> Iterator[Sandbox]:
    # API Gateway's permission to deliver logs is a policy of the account here, so that the inventory shows it.
    with Sandbox(iam_propagation_seconds=0, log_delivery_policy="account", clock=clock) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def empty(account: Sandbox) -> set[str]:
    """Return the inventory of the account before anything is deployed."""
    return inventory(account)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, empty: set[str]) -> Deployed:
    # Log Keeper would need ten seconds to create the role. It sets the role in the further region itself.
    set_log_role(account, make_role(account, "APIGatewayCloudWatchLogs"))
    deployed = Deployed(account, deployment.deploy(account, ALL_PARTS))
    deployed.pass_second_sweep()
    return deployed


#: Types of resources that the stack can create in a region: type, service, operation that lists them, field of its
#: answer with the list, field with the name (None: the list contains names).
TYPES = (
    ("queue", "sqs", "list_queues", "QueueUrls", None),
    ("function", "lambda", "list_functions", "Functions", "FunctionName"),
    ("event source mapping", "lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("rule", "events", "list_rules", "Rules", "Name"),
    ("log group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("resource policy", "logs", "describe_resource_policies", "resourcePolicies", "policyName"),
    ("saved query", "logs", "describe_query_definitions", "queryDefinitions", "name"),
    ("schedule group", "scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    ("schedule", "scheduler", "list_schedules", "Schedules", "Name"),
    ("alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("insight rule", "cloudwatch", "describe_insight_rules", "InsightRules", "Name"),
    ("topic", "sns", "list_topics", "Topics", "TopicArn"),
    ("subscription", "sns", "list_subscriptions", "Subscriptions", "Endpoint"),
    ("trail", "cloudtrail", "list_trails", "Trails", "Name"),
    ("stack set", "cloudformation", "list_stack_sets", "Summaries", "StackSetName"),
    ("stack", "cloudformation", "describe_stacks", "Stacks", "StackName"),
)


def inventory(sandbox: Sandbox) -> set[str]:
    """Return the type and name of everything in the account, except its APIs."""
    iam, kms = sandbox.client("iam"), sandbox.client("kms")
    found = {f"role {role['RoleName']}" for role in iam.list_roles()["Roles"]}
    found |= {f"policy {policy['PolicyName']}" for policy in iam.list_policies(Scope="Local")["Policies"]}
    found |= {f"bucket {bucket['Name']}" for bucket in sandbox.client("s3").list_buckets()["Buckets"]}
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    found |= {f"key {key['KeyState']}" for key in keys}
    for region in (HOME, FURTHER_REGION):
        for type_name, service, operation, key, name in TYPES:
            client = sandbox.client(service, region)
            pages = client.get_paginator(operation).paginate() if client.can_paginate(operation) else None
            for page in pages or [getattr(client, operation)()]:
                found |= {f"{type_name} {each if name is None else each[name]}" for each in page.get(key, [])}
    return found


def documented_remains() -> dict[str, str]:
    """Return the patterns of names in the table of docs/removal.md, each with the text of its row."""
    page = (deployment.ROOT / "docs" / "removal.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    return {name: row for row in rows for name in re.findall("`([^`]+)`", row)}


def persistent_state(sandbox: Sandbox, rest: list[str], http: str, websocket: str, away: str) -> list[Any]:
    """Return all that Log Keeper could change of the stages and of the account's log role."""
    return [
        *({**get_stage(sandbox, api_id), "ResponseMetadata": None} for api_id in rest),
        {**v2_stage(sandbox, http, "$default"), "ResponseMetadata": None},
        {**v2_stage(sandbox, websocket), "ResponseMetadata": None},
        {**get_stage(sandbox, away, region=FURTHER_REGION), "ResponseMetadata": None},
        log_role(sandbox),
        log_role(sandbox, FURTHER_REGION),
        sandbox.client("iam").get_role(RoleName="APIGatewayCloudWatchLogs")["Role"],
    ]


def writes(stack: Deployed, since: int) -> list[str]:
    """Return the path of each update of a REST stage by Log Keeper, after the first ``since`` calls in the account."""
    return [
        made.call.http_path
        for made in stack.sandbox.calls[since:]
        if made.call.http_method == "PATCH" and "log-keeper" in made.call.user_agent
    ]


def test_removal_while_stages_are_created_leaves_what_the_page_lists(
    stack: Deployed, clock: MovableClock, empty: set[str]
) -> None:
    """Every stage and everything that docs/removal.md lists stays as it was. No stage is remediated in part only."""
    sandbox = stack.sandbox
    opted_in, plain, away = (
        make_rest_stage(sandbox),
        make_rest_stage(sandbox),
        make_rest_stage(sandbox, region=FURTHER_REGION),
    )
    http, websocket = make_http_stage(sandbox), make_websocket_stage(sandbox)
    end = (clock.now() + timedelta(days=3)).date().isoformat()
    tag_rest_stage(sandbox, opted_in, {"execution-logs": "INFO", "execution-logs-until": end})
    stack.wait_until_compliant(opted_in, level="INFO")
    stack.wait_until_compliant(plain)
    pass_time_until_idle(sandbox)
    stages = [opted_in, plain], http, websocket, away
    before, groups, had = persistent_state(sandbox, *stages), log_groups(sandbox), inventory(sandbox)
    for type_name in {name for name, *_ in TYPES} - {"policy"}:
        assert any(thing.startswith(f"{type_name} ") for thing in had), type_name  # so that its absence means something
    assert any(thing.startswith(f"schedule {opted_in}") for thing in had)

    flood = Flood(sandbox, at_once=10, later=0)
    with flood.during("DeleteStack"):
        deployment.run(sandbox, "sam", "delete", "--stack-name", "log-keeper", "--no-prompts", "--region", HOME)
    pass_time_until_idle(sandbox)

    assert persistent_state(sandbox, *stages) == before
    assert levels(get_stage(sandbox, opted_in)) == {"*/*": "INFO"}
    for api_id, stage_name in flood.stages:
        stage = get_stage(sandbox, api_id, stage_name)
        assert ("accessLogSettings" in stage) is (levels(stage) == {"*/*": "ERROR"})
    after = log_groups(sandbox)
    assert {name: after.get(name) for name in groups if not name.startswith("/aws/lambda/log-keeper-")} == {
        name: days for name, days in groups.items() if not name.startswith("/aws/lambda/log-keeper-")
    }
    left, listed = inventory(sandbox) - empty, documented_remains()
    named = {thing: [pattern for pattern in listed if fnmatchcase(thing.split()[-1], pattern)] for thing in left}
    assert {thing for thing, patterns in named.items() if not patterns} == {"key PendingDeletion"}
    assert "key of `AlarmEmail`" in " ".join(listed.values())
    # Everything that the page lists remains. These names of the page are not names of resources.
    used = {pattern for patterns in named.values() for pattern in patterns}
    assert listed.keys() - used == {"AccessLogGroupName", "AlarmEmail", "CreateTrail", "LogRoleName", "LogKeeper"}
    calls = len(sandbox.calls)
    make_rest_stage(sandbox)
    assert writes(stack, calls) == []


def test_second_deployment_changes_no_compliant_stage(stack: Deployed, account: Sandbox) -> None:
    """Nothing that remained prevents the second deployment, which remediates each non-compliant stage once.

    The test before this one has deleted the stack.
    """
    compliant = [path(api_id, name) for api_id, name in every_stage(account) if is_compliant(account, api_id, name)]
    waiting = [(api_id, name) for api_id, name in every_stage(account) if path(api_id, name) not in compliant]
    assert compliant
    assert waiting
    calls = len(account.calls)
    again = Deployed(account, deployment.deploy(account, ALL_PARTS | {"InfoTagKey": "nobodys"}))
    # Two messages about one stage that are processed at the same time may both cause a write. So the second sweep
    # starts after the first has ended.
    pass_time_until_idle(account)
    again.pass_second_sweep()
    pass_time_until_idle(account)
    assert all(is_compliant(account, *stage) for stage in waiting)
    assert again.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}
    assert sorted(writes(again, calls)) == sorted(path(*stage) for stage in waiting)
    assert log_role(account) == MADE_ROLE


def every_stage(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the API id and the name of every stage of the REST APIs in the home region."""
    client = sandbox.client("apigateway")
    return [
        (api["id"], stage["stageName"])
        for page in client.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
        for stage in client.get_stages(restApiId=api["id"])["item"]
    ]


def is_compliant(sandbox: Sandbox, api_id: str, stage_name: str) -> bool:
    """Tell whether the stage has access logs, and execution logs at ERROR."""
    stage = get_stage(sandbox, api_id, stage_name)
    return "accessLogSettings" in stage and levels(stage) == {"*/*": "ERROR"}


def path(api_id: str, stage_name: str) -> str:
    return f"/restapis/{api_id}/stages/{stage_name}"
