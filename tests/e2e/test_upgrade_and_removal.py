"""The life of the stack: updated in mid-flood, deleted in mid-flood, deployed again."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.call import Call
from sandbox.core.clock import MovableClock
from sandbox.services.cloudformation import templates
from sandbox.services.lambda_.event_sources import EventSources
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_http_stage,
    make_rest_api,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import MADE_ROLE
from testing.stacks import Deployed

HOME, FURTHER = "us-east-1", "eu-west-1"
#: Everything that the stack can have.
PARAMETERS = {
    "SettleSeconds": "0",
    "SweepRate": "10",
    "Regions": FURTHER,
    "AlarmEmail": "ops@example.com",
    "CreateTrail": "Yes",
}
#: Another value of every parameter.
OTHERS = {
    "Mode": "Audit",
    "InfoTagKey": "level",
    "AllowDataTrace": "Yes",
    "AccessLogFormat": "CLF",
    "DetailedMetrics": "Yes",
    "ExemptTagKey": "exempt",
    "AccessLogRetentionDays": "1",
    "ExecutionLogRetentionDays": "1",
    "FunctionLogRetentionDays": "1",
    "LogGroupKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "MissingLogGroupMinutes": "1",
    "LogRoleName": "Other",
    "LogRoleArn": "arn:aws:iam::123456789012:role/Other",
    "LogRolePermissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/AdministratorAccess",
    "RolePath": "/platform/",
    "RoleNamePrefix": "org-",
    "Regions": "eu-west-2",
    "SettleSeconds": "7",
    "SweepSchedule": "rate(2 days)",
    "SweepRate": "3",
    "AlarmEmail": "others@example.com",
    "CreateTrail": "No",
}


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def account(clock: MovableClock) -> Iterator[Sandbox]:
    # Where everything shows: what API Gateway allows itself is in the account's own policies, and not in log groups.
    with Sandbox(iam_propagation_seconds=0, log_delivery_policy="account", clock=clock) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def empty(account: Sandbox) -> set[str]:
    """What there is before anything is deployed."""
    return inventory(account)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, empty: set[str]) -> Deployed:
    # As Log Keeper would make it, which takes ten seconds; that it sets it in the further region is left to it.
    set_log_role(account, make_role(account, "APIGatewayCloudWatchLogs"))
    deployed = Deployed(account, deployment.deploy(account, PARAMETERS))
    deployed.pass_second_sweep()
    return deployed


def pass_time_until_idle(sandbox: Sandbox, clock: MovableClock) -> None:
    """Nothing is under way any more. The pace of Log Keeper's calls lets that take its time, which passes quickly."""

    def is_idle() -> bool:
        clock.advance(timedelta(seconds=1))
        return sandbox.service(EventSources).is_idle()

    sandbox.wait_until(is_idle, timeout=120)


# ---- floods


class Flood:
    """Stages that a team makes, in threads of its own, from the moment a call arrives until ``stop``."""

    def __init__(self, sandbox: Sandbox, at_once: int, later: int) -> None:
        self._sandbox, self._at_once, self._later = sandbox, at_once, later
        self._apis: list[str] = []
        self._over = threading.Event()
        self.stages: list[tuple[str, str]] = []

    def make(self) -> None:
        """One stage more; twenty belong to one API, so that a sweep has less to read."""
        if len(self.stages) % 20 == 0:
            self._apis.append(make_rest_api(self._sandbox))
        stage = self._apis[-1], f"s{len(self.stages)}"
        self._sandbox.client("apigateway").create_deployment(restApiId=stage[0], stageName=stage[1])
        self.stages.append(stage)

    def go_on(self) -> None:
        """Stages are made until the flood is over, ``later`` at least."""
        while self._later > 0 or not self._over.is_set():
            self.make()
            self._later -= 1
            self._over.wait(0.05)

    @contextmanager
    def beside(self, operation: str) -> Iterator[None]:
        """``at_once`` stages are made as CloudFormation's *operation* is called, the others while it works."""
        with ThreadPoolExecutor(1) as team:
            team_at_work = []

            def begin(_: Sandbox, call: Call) -> None:
                if call.operation == operation and not team_at_work:
                    team_at_work.append(None)
                    for _number in range(self._at_once):
                        self.make()
                    team_at_work[0] = team.submit(self.go_on)

            self._sandbox.hooks.append(begin)
            try:
                yield
            finally:
                self._over.set()
                self._sandbox.hooks.remove(begin)
            [work] = team_at_work
            work.result()


def next_version(folder: Path) -> Path:
    """The application as built, but for its own name in its calls, and the size of the batches that it takes."""
    build = folder / ".aws-sam" / "build"
    shutil.copytree(deployment.ROOT / ".aws-sam" / "build", build, copy_function=os.link)
    for name in ("samconfig.toml", "forwarders.yaml"):
        shutil.copy(deployment.ROOT / name, folder)

    def change(file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert text.count(old) == 1
        file.unlink()  # and not written through the link
        file.write_text(text.replace(old, new))

    change(build / "template.yaml", "BatchSize: 10", "BatchSize: 5")
    for function in ("EnforceFunction", "SweepFunction"):
        module = build / function / "log_keeper" / "aws" / "clients.py"
        change(module, '"log-keeper"', '"log-keeper-next"')
    return folder


def tag(stack: Deployed, api_id: str, **tags: str) -> None:
    stack.sandbox.client("apigateway").tag_resource(
        resourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod", tags=tags
    )


# ---- upgrade

#: Resources whose names the template gives: each name is unique in the account.
NAMED = {
    "Dashboard": "DashboardName",
    "EnforceLogGroup": "LogGroupName",
    "Forwarders": "StackSetName",
    "OptInScheduleGroup": "Name",
    "StagesRemediatedRule": "RuleName",
    "SweepLogGroup": "LogGroupName",
    "Trail": "TrailName",
}


def test_names_belong_to_the_same_resources_as_ever() -> None:
    """Under another logical id such a resource is made anew before the old one goes, and so no stack can be updated.

    Saved queries may be of one name.
    """
    resources = templates.parse_source((deployment.ROOT / "template.yaml").read_text())["Resources"]
    named = {
        logical_id: name
        for logical_id, resource in resources.items()
        for name in resource["Properties"]
        if re.fullmatch("[A-Za-z]*Name", name)
        and name not in ("PolicyName", "MetricName", "S3BucketName", "ExecutionRoleName", "RoleName", "GroupName")
        and resource["Type"] != "AWS::Logs::QueryDefinition"
    }
    assert named == NAMED


def test_no_parameter_replaces_what_holds_messages_or_has_a_name(stack: Deployed) -> None:
    """A queue that is replaced loses what lies in it; what has a name of its own cannot be made beside itself."""
    client = stack.sandbox.client("cloudformation")
    template = client.get_template_summary(StackName="log-keeper")
    assert {parameter["ParameterKey"] for parameter in template["Parameters"]} == set(OTHERS)
    client.create_change_set(
        StackName="log-keeper",
        ChangeSetName="all",
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in OTHERS.items()],
    )
    changes = client.describe_change_set(StackName="log-keeper", ChangeSetName="all")["Changes"]
    client.delete_change_set(StackName="log-keeper", ChangeSetName="all")
    found = [change["ResourceChange"] for change in changes]
    assert len(found) > 10
    replaced = {change["LogicalResourceId"]: change for change in found if change.get("Replacement") == "True"}
    # Roles get another name together with another path.
    assert {name for name, change in replaced.items() if change["ResourceType"] != "AWS::IAM::Role"} == {
        "AlarmSubscription"
    }


def test_update_in_mid_flood_loses_nothing(stack: Deployed, clock: MovableClock, tmp_path: Path) -> None:
    """Of code, parameters, a queue and its mapping; what waits and what is in the functions' hands is all answered.

    And an opt-in by a tag that the policy knows no more is over: so one ends them all before a removal.
    """
    opted_in = make_rest_stage(stack.sandbox)
    tag(stack, opted_in, **{"execution-logs": "INFO"})
    stack.wait_until_compliant(opted_in, level="INFO")
    flood = Flood(stack.sandbox, at_once=50, later=50)
    with flood.beside("ExecuteChangeSet"):
        changed = PARAMETERS | {"InfoTagKey": "level", "AccessLogRetentionDays": "30", "SettleSeconds": "1"}
        outputs = deployment.deploy(stack.sandbox, changed, folder=next_version(tmp_path))
    assert outputs == stack.outputs
    mappings = stack.sandbox.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["BatchSize"] for mapping in mappings} == {1, 5}
    assert len(flood.stages) >= 100
    pass_time_until_idle(stack.sandbox, clock)
    assert all(stack.is_compliant(*stage) for stage in [*flood.stages, (opted_in, "prod")])
    assert letters(stack) == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}
    # Both versions were at work, and the second's retention shows in the groups.
    assert {
        "log-keeper-next" in made.call.user_agent
        for made in stack.sandbox.calls
        if made.call.operation == "UpdateStage"
        and (made.call.params["restApiId"], made.call.params["stageName"]) in flood.stages
    } == {False, True}
    groups = log_groups(stack.sandbox)
    assert {groups[f"/aws/vendedlogs/apigateway/{api}/{name}"] for api, name in flood.stages} == {365, 30}


def letters(stack: Deployed) -> dict[str, int]:
    """How many messages lie in each dead-letter queue."""
    sqs, name = stack.sandbox.client("sqs"), "ApproximateNumberOfMessages"
    return {
        queue: int(
            sqs.get_queue_attributes(QueueUrl=stack.outputs[f"{queue}Url"], AttributeNames=[name])["Attributes"][name]
        )
        for queue in ("StageDeadLetterQueue", "SweepDeadLetterQueue")
    }


# ---- removal

#: What a region can have that the stack could have made: how it is listed, and what each is known by.
KINDS = (
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
    for region in (HOME, FURTHER):
        for kind, service, operation, key, name in KINDS:
            client = sandbox.client(service, region)
            pages = client.get_paginator(operation).paginate() if client.can_paginate(operation) else None
            for page in pages or [getattr(client, operation)()]:
                found |= {f"{kind} {each if name is None else each[name]}" for each in page.get(key, [])}
    return found


def remaining() -> dict[str, str]:
    """Return each pattern of names with the row that has it, of the table in docs/removal.md."""
    page = (deployment.ROOT / "docs" / "removal.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    return {name: row for row in rows for name in re.findall("`([^`]+)`", row)}


def settled(sandbox: Sandbox, rest: list[str], http: str, websocket: str, away: str) -> list[Any]:
    """Everything about the stages and the account's log role that Log Keeper could change."""
    return [
        *({**get_stage(sandbox, api_id), "ResponseMetadata": None} for api_id in rest),
        {**v2_stage(sandbox, http, "$default"), "ResponseMetadata": None},
        {**v2_stage(sandbox, websocket), "ResponseMetadata": None},
        {**get_stage(sandbox, away, region=FURTHER), "ResponseMetadata": None},
        log_role(sandbox),
        log_role(sandbox, FURTHER),
        sandbox.client("iam").get_role(RoleName="APIGatewayCloudWatchLogs")["Role"],
    ]


def writes(stack: Deployed, since: int) -> list[str]:
    """API Gateway's changes by Log Keeper since so many calls were made in all."""
    return [
        made.call.http_path
        for made in stack.sandbox.calls[since:]
        if made.call.http_method == "PATCH" and "log-keeper" in made.call.user_agent
    ]


def test_what_a_removal_in_mid_flood_leaves(stack: Deployed, clock: MovableClock, empty: set[str]) -> None:
    """Every stage and what docs/removal.md lists stay as they are; each stage is remediated wholly or not at all."""
    sandbox = stack.sandbox
    opted_in, plain, away = make_rest_stage(sandbox), make_rest_stage(sandbox), make_rest_stage(sandbox, region=FURTHER)
    http, websocket = make_http_stage(sandbox), make_websocket_stage(sandbox)
    end = (clock.now() + timedelta(days=3)).date().isoformat()
    tag(stack, opted_in, **{"level": "INFO", "level-until": end})
    stack.wait_until_compliant(opted_in, level="INFO")
    stack.wait_until_compliant(plain)
    pass_time_until_idle(sandbox, clock)
    stages = [opted_in, plain], http, websocket, away
    before, groups, had = settled(sandbox, *stages), log_groups(sandbox), inventory(sandbox)
    for kind in {name for name, *_ in KINDS} - {"policy"}:
        assert any(thing.startswith(f"{kind} ") for thing in had), kind  # so that its absence means something
    assert any(thing.startswith(f"schedule {opted_in}") for thing in had)

    flood = Flood(sandbox, at_once=10, later=0)
    with flood.beside("DeleteStack"):
        deployment.run(sandbox, "sam", "delete", "--stack-name", "log-keeper", "--no-prompts", "--region", HOME)
    pass_time_until_idle(sandbox, clock)

    assert settled(sandbox, *stages) == before
    assert levels(get_stage(sandbox, opted_in)) == {"*/*": "INFO"}
    for api_id, stage_name in flood.stages:
        stage = get_stage(sandbox, api_id, stage_name)
        assert ("accessLogSettings" in stage) is (levels(stage) == {"*/*": "ERROR"})
    after = log_groups(sandbox)
    assert {name: after.get(name) for name in groups if not name.startswith("/aws/lambda/log-keeper-")} == {
        name: days for name, days in groups.items() if not name.startswith("/aws/lambda/log-keeper-")
    }
    left, listed = inventory(sandbox) - empty, remaining()
    named = {thing: [pattern for pattern in listed if fnmatchcase(thing.split()[-1], pattern)] for thing in left}
    assert {thing for thing, patterns in named.items() if not patterns} == {"key PendingDeletion"}
    assert "key of `AlarmEmail`" in " ".join(listed.values())
    # And the page lists nothing that does not remain, but for names that are no thing's.
    used = {pattern for patterns in named.values() for pattern in patterns}
    assert listed.keys() - used == {"AlarmEmail", "CreateTrail", "LogRoleName", "LogKeeper"}
    calls = len(sandbox.calls)
    make_rest_stage(sandbox)
    assert writes(stack, calls) == []


def test_deployed_again(stack: Deployed, account: Sandbox, clock: MovableClock) -> None:
    """Nothing that remained prevents it, and compliant stages are left as they are."""
    compliant = [path(api_id, name) for api_id, name in every_stage(account) if is_compliant(account, api_id, name)]
    waiting = [(api_id, name) for api_id, name in every_stage(account) if path(api_id, name) not in compliant]
    assert compliant
    assert waiting
    calls = len(account.calls)
    again = Deployed(account, deployment.deploy(account, PARAMETERS | {"InfoTagKey": "nobodys"}))
    # Of two messages about one stage at the same time each may lead to a write: the second sweep comes later.
    pass_time_until_idle(account, clock)
    again.pass_second_sweep()
    pass_time_until_idle(account, clock)
    assert all(is_compliant(account, *stage) for stage in waiting)
    assert letters(again) == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}
    assert sorted(writes(again, calls)) == sorted(path(*stage) for stage in waiting)
    assert log_role(account) == MADE_ROLE


def every_stage(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Of REST APIs."""
    client = sandbox.client("apigateway")
    return [
        (api["id"], stage["stageName"])
        for page in client.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
        for stage in client.get_stages(restApiId=api["id"])["item"]
    ]


def is_compliant(sandbox: Sandbox, api_id: str, stage_name: str) -> bool:
    """At ERROR: nobody is opted in."""
    stage = get_stage(sandbox, api_id, stage_name)
    return "accessLogSettings" in stage and levels(stage) == {"*/*": "ERROR"}


def path(api_id: str, stage_name: str) -> str:
    return f"/restapis/{api_id}/stages/{stage_name}"
