"""Messages that somebody else sends to the queues change nothing but the logging of stages of this account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from handlers import sweep as sweep_handler
from log_keeper.events.cloudtrail import LOG_ROLE_EVENTS
from log_keeper.events.own_events import STAGE_TO_EVALUATE
from log_keeper.events.sweep_work import UnreadableWorkError
from sandbox.assembly import Sandbox
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, MADE_ROLE, REGION, record, updated
from testing.deliveries import Context, Deliver
from testing.hostile import NAMES, OTHERS, TEXTS
from testing.snapshots import changed, is_of_logging, made_by_program, snapshot, writes

LOGS = {"eventSource": "logs.amazonaws.com"}
IAM = {"eventSource": "iam.amazonaws.com"}
TRUSTS_SCHEDULER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TRUSTS_ANOTHER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OURS = re.compile(r"/(v2/)?(restapis|apis)/[a-z0-9]+(/stages(/([A-Za-z0-9_-]+|\$default))?)?|/account")


@pytest.fixture(autouse=True)
def _unhurried(environment: pytest.MonkeyPatch) -> None:
    """Let calls be as frequent as they are: the account's quota is not the subject of these tests."""
    environment.setenv("SWEEP_RATE", "1000")


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    """Create non-compliant stages in two regions and a valid log role. Return the id of the first stage's API."""
    make_rest_stage(sandbox, region="eu-west-1")
    make_websocket_stage(sandbox)
    make_http_stage(sandbox)
    for region in ("us-east-1", "eu-west-1"):
        set_log_role(sandbox, make_role(sandbox, f"Logs-{region}"), region)
    make_role(sandbox, "Admin", TRUSTS_ANOTHER, "arn:aws:iam::aws:policy/AdministratorAccess")
    return make_rest_stage(sandbox)


def stage_to_evaluate(
    version: object = "apigateway", api_id: object = "a1b2c3d4e5", stage_name: object = "prod"
) -> Any:
    """The event that only a sweep and a schedule put on the queue."""
    detail = {"version": version, "apiId": api_id, "stageName": stage_name}
    return {"detail-type": "Stage To Evaluate", "account": ACCOUNT, "region": "us-east-1", "detail": detail}


def with_name(name: Any, api_id: str) -> list[Any]:
    """Return a message for each place of a name. The other names are those of an existing stage."""
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    messages = [
        record("UpdateStage", {"restApiId": name, "stageName": "prod"}),
        record("UpdateStage", {"restApiId": api_id, "stageName": name}),
        record("UpdateStage", {"apiId": name, "stageName": "prod"}),
        record("UpdateStage", {"apiId": api_id, "stageName": name}),
        record("UpdateStage", {"restApiId": api_id, "stageName": "$default"}),
        record("CreateStage", {"restApiId": api_id, "createStageInput": {"stageName": name}}),
        record("CreateDeployment", {"restApiId": api_id, "createDeploymentInput": {"stageName": name}}),
        record("CreateApi", {}, responseElements={"apiId": name}),
        record("TagResource", {"resourceArn": name}),
        record("TagResource", {"resource-arn": name}),
        record("DeleteLogGroup", {"logGroupName": name}, **LOGS),
        record(name, {"restApiId": api_id, "stageName": "prod"}),
        record("UpdateStage", {"restApiId": api_id, "stageName": "prod"}, eventSource=name),
        updated(api_id) | {"account": name},
        updated(api_id) | {"region": name},
        updated(api_id) | {"detail": name},
        stage_to_evaluate(version=name, api_id=api_id),
        stage_to_evaluate(api_id=name),
        stage_to_evaluate(api_id=api_id, stage_name=name),
        stage_to_evaluate("apigatewayv2", api_id, name),
    ]
    if isinstance(name, str):
        messages += [
            record("TagResource", {"resourceArn": arn.replace(replaced, name)})
            for replaced in ("prod", api_id, "apigateway", "restapis", "::")
        ]
        messages += [
            record(
                "UntagResource", {"resource-arn": quote(arn.replace("prod", name), safe="", errors="surrogatepass")}
            ),
            *(
                record("DeleteLogGroup", {"logGroupName": group}, **LOGS)
                for group in (
                    f"/aws/vendedlogs/apigateway/{name}/prod",
                    f"/aws/vendedlogs/apigateway/{api_id}/{name}",
                    f"API-Gateway-Execution-Logs_{api_id}/{name}",
                    f"/aws/apigateway/{api_id}/prod/Canary/{name}",
                )
            ),
        ]
    return messages


def test_name_that_aws_never_gives_leads_to_no_call(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    before, calls = snapshot(sandbox), len(sandbox.calls)
    messages = [message for name in NAMES for message in with_name(name, api_id)]
    failed = deliver(*messages)
    assert [f"{made.call.operation} {made.call.http_path}" for made in made_by_program(sandbox, calls)] == []
    assert snapshot(sandbox) == before
    assert len(failed) > len(messages) / 2  # the other messages name no stage


@pytest.mark.parametrize("place", ["another account", "another region"])
def test_message_about_another_account_or_region_is_refused(
    sandbox: Sandbox, api_id: str, deliver: Deliver, place: str
) -> None:
    calls = len(sandbox.calls)
    names: list[dict[str, Any]] = [{"account": "999999999999"}, {"account": int(ACCOUNT)}, {"account": None}]
    if place == "another region":
        names = [{"region": "eu-west-1"}, {"region": "us-east-1 "}, {"region": "aws-global"}, {"region": None}]
    group = record("DeleteLogGroup", {"logGroupName": f"/aws/apigateway/{api_id}/prod"}, **LOGS)
    events = [record("UpdateAccount"), updated(api_id), stage_to_evaluate(api_id=api_id), group]
    messages = [event | name for event in events for name in names]
    # Own events of another region are ignored: they come at the end of an opt-in in a region that is no longer managed.
    refused = [
        str(number)
        for number, message in enumerate(messages)
        if message["detail-type"] != STAGE_TO_EVALUATE or message["region"] in (None, REGION)
    ]
    assert deliver(*messages) == refused
    assert made_by_program(sandbox, calls) == []


def forged(api_id: str) -> dict[str, Any]:
    """Return messages from somebody without the right to send them, about a stage of this account."""
    elsewhere = f"arn:aws-cn:apigateway:cn-north-1::/restapis/{api_id}/stages/prod"
    body = json.dumps(updated(api_id))
    return {
        "a forged record": updated(api_id) | {"source": "evil", "resources": ["*"], "Records": []},
        "what it asks for besides": record(
            "UpdateStage",
            {
                "restApiId": api_id,
                "stageName": "prod",
                "updateStageInput": {"patchOperations": [{"op": "replace", "path": "/variables/x", "value": "y"}]},
                "logGroupName": "/aws/lambda/other",
                "cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/Admin",
            },
        ),
        "what our own event never holds": stage_to_evaluate(api_id=api_id)
        | {"level": "INFO", "settings": {"MODE": "Audit"}, "regions": ["eu-west-1"]},
        "an ARN of elsewhere": record("TagResource", {"resourceArn": elsewhere, "tags": {"execution-logs": "INFO"}}),
        "members twice": body.replace('"account":', '"account": "999999999999", "account":'),
        "an opt-in that no tag says": record("TagResource", {"resourceArn": elsewhere.replace("aws-cn", "aws")}),
    }


def test_forged_message_about_a_stage_remediates_it_and_nothing_else(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    for kind in forged(api_id):
        ours = make_rest_stage(sandbox)
        before, calls = snapshot(sandbox), len(sandbox.calls)
        assert deliver(forged(ours)[kind]) == []
        assert levels(get_stage(sandbox, ours)) == {"*/*": "ERROR"}
        made = writes(sandbox, calls)
        assert made
        assert all(is_of_logging(each, ours) for each in made), (kind, [each.call.params for each in made])
        groups = {f"/aws/vendedlogs/apigateway/{ours}/prod", f"API-Gateway-Execution-Logs_{ours}/prod"}
        assert changed(before, snapshot(sandbox)) == {f"us-east-1 {name}" for name in {ours, *groups}}


def log_role_messages() -> list[Any]:
    """Return messages about roles, which lead to nothing but a check of the log role."""
    names: list[Any] = ["Admin", f"arn:aws:iam::{ACCOUNT}:role/Admin", "*", "../Admin", ["Admin"], None, 7]
    return [
        record("UpdateAccount", {"patchOperations": [{"path": "/cloudwatchRoleArn", "value": "x"}]}),
        {
            "detail-type": "Log Role To Evaluate",
            "account": ACCOUNT,
            "region": "us-east-1",
            "detail": {"roleName": "Admin"},
        },
        *(
            record(event, {"roleName": name, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, **IAM)
            for event in sorted(LOG_ROLE_EVENTS)
            for name in names
        ),
    ]


def test_records_of_roles_lead_to_a_check_of_the_log_role(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    before, calls = snapshot(sandbox), len(sandbox.calls)
    assert deliver(*log_role_messages()) == []
    assert writes(sandbox, calls) == []
    assert snapshot(sandbox) == before


def test_records_of_roles_repair_the_one_role_of_the_parameter(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    """If the account settings name an invalid role, that one is left as it is, whatever the records say."""
    iam = sandbox.client("iam")
    iam.update_assume_role_policy(RoleName="Logs-us-east-1", PolicyDocument=json.dumps(TRUSTS_ANOTHER))
    before, calls = snapshot(sandbox), len(sandbox.calls)
    deliver(*log_role_messages())
    assert changed(before, snapshot(sandbox)) == {"us-east-1 account", "role APIGatewayCloudWatchLogs"}
    assert log_role(sandbox) == MADE_ROLE
    made = [made.call.operation for made in writes(sandbox, calls)]
    assert made == ["CreateRole", "AttachRolePolicy", "UpdateAccount"]


UNREADABLE = {
    "nothing": "",
    "no JSON": "<event/>",
    "nested lists": "[" * 100_000,
    "nested objects": '{"detail":' * 100_000,
    "nested and closed": '{"detail":' * 20_000 + "1" + "}" * 20_000,
    "a megabyte": json.dumps({"detail": "x" * 1_000_000}),
    "a million of nothing": json.dumps({"detail": [None] * 200_000}),
    "many members": json.dumps({"detail": {str(number): {} for number in range(50_000)}}),
    "a number too long": '{"account": ' + "9" * 100_000 + "}",
    "a number too large": '{"account": 1e999999999, "detail": {}}',
    "NaN": '{"account": NaN, "region": Infinity, "detail": -Infinity}',
    "half a character": '{"account": "\\ud800", "detail": {"eventName": "\\udfff"}}',
    "a byte order mark": "\ufeff{}",
    "zeroes": "\x00" * 1_000,
}


def test_unreadable_message_fails_alone(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    """The other messages of its batch are processed."""
    for unreadable in UNREADABLE.values():
        ours, calls = make_rest_stage(sandbox), len(sandbox.calls)
        assert deliver(unreadable, updated(ours), unreadable) == ["0", "2"], unreadable[:40]
        assert levels(get_stage(sandbox, ours)) == {"*/*": "ERROR"}
        assert all(is_of_logging(each, ours) for each in writes(sandbox, calls))


# ---- names that API Gateway answers


DESTINATIONS = [
    "arn:aws:logs:us-east-1:999999999999:log-group:theirs",
    f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:elsewhere",
    f"arn:aws-cn:logs:us-east-1:{ACCOUNT}:log-group:china",
    f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{'x' * 600}",
    f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:aws/reserved",
    f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/not-for-api-gateway",
    f"arn:aws:firehose:eu-west-1:999999999999:deliverystream/amazon-apigateway-{'x' * 100}",
]


def test_destination_of_the_owner_is_left_and_its_group_not_created(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    """The stage is remediated all the same."""
    for destination in DESTINATIONS:
        ours = make_rest_stage(sandbox)
        patch_stage(
            sandbox,
            ours,
            ("replace", "/accessLogSettings/destinationArn", destination),
            ("replace", "/accessLogSettings/format", "$context.requestId"),
        )
        before, calls = snapshot(sandbox), len(sandbox.calls)
        assert deliver(updated(ours)) == [], destination
        stage = get_stage(sandbox, ours)
        assert stage["accessLogSettings"]["destinationArn"] == destination
        assert levels(stage) == {"*/*": "ERROR"}
        group = f"us-east-1 API-Gateway-Execution-Logs_{ours}/prod"
        assert changed(before, snapshot(sandbox)) == {f"us-east-1 {ours}", group}
        assert all(is_of_logging(each, ours) for each in writes(sandbox, calls))


def test_group_that_a_stage_names_is_not_created(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    """Whoever may change the stage can choose its name, which another template may use for its own log group."""
    chosen = "/aws/lambda/somebody_elses.function-1"
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{chosen}"),
    )
    sandbox.client("scheduler").create_schedule_group(Name="opt-ins")
    make_role(sandbox, "Schedules", TRUSTS_SCHEDULER, policy=None)
    assert deliver(updated(api_id)) == []
    assert chosen not in log_groups(sandbox)


def test_resource_with_the_name_of_a_stage_member_is_a_resource(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    names = ["variables", "canarySettings", "accessLogSettings", "description", "{proxy+}"]
    for name in names:
        patch_stage(
            sandbox,
            api_id,
            ("replace", "/variables/colour", "blue"),
            ("replace", f"/~1{name}/GET/throttling/burstLimit", "7"),
            ("replace", f"/~1{name}/GET/logging/dataTrace", "true"),
        )
    before = get_stage(sandbox, api_id)
    assert deliver(updated(api_id)) == []
    after = get_stage(sandbox, api_id)
    assert levels(after) == {"*/*": "ERROR"} | {f"~1{name}/GET": "ERROR" for name in names}
    for name in names:
        settings = after["methodSettings"][f"~1{name}/GET"]
        assert (settings["throttlingBurstLimit"], settings["dataTraceEnabled"]) == (7, False)
    for member in ("variables", "canarySettings", "description", "deploymentId"):
        assert after.get(member) == before.get(member)


def test_route_of_any_name_is_remediated(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    client, odd = sandbox.client("apigatewayv2"), "../$default \"'{}\\~1%2F*"
    chat = make_websocket_stage(sandbox)
    client.create_route(ApiId=chat, RouteKey=odd)
    client.update_stage(ApiId=chat, StageName="prod", RouteSettings={odd: {"ThrottlingBurstLimit": 7}})
    assert deliver(record("UpdateStage", {"apiId": chat, "stageName": "prod"})) == []
    assert v2_stage(sandbox, chat)["RouteSettings"] == {odd: {"ThrottlingBurstLimit": 7, "LoggingLevel": "ERROR"}}


# ---- SweepQueue


@pytest.fixture
def sweep_queue(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("StageQueue", "SweepQueue"):
        sandbox.client("sqs").create_queue(QueueName=name)
    sweep_handler.sweep_handler.cache_clear()
    yield
    sweep_handler.sweep_handler.cache_clear()


def sweep(body: object) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    sweep_handler.handler({"Records": [{"body": text}]}, Context(remaining=900_000))  # type: ignore[arg-type]


def test_message_that_is_not_for_a_sweep_is_refused(sandbox: Sandbox, api_id: str, sweep_queue: None) -> None:
    calls = len(sandbox.calls)
    works: list[Any] = [
        *([unreadable for name, unreadable in UNREADABLE.items() if '"detail"' not in unreadable or "nested" in name]),
        *({"region": name, "apis": None} for name in ["eu-west-1", *NAMES]),
        *({"region": "us-east-1", "apis": [[name, "REST"]]} for name in NAMES),
        *({"region": "us-east-1", "apis": [[api_id, name]]} for name in NAMES),
        *({"region": "us-east-1", "apis": name} for name in [*TEXTS, *OTHERS]),
        {"region": "us-east-1", "apis": [[api_id, "REST"], ["../account", "HTTP"]]},
    ]
    works.remove(UNREADABLE["nested and closed"])  # an event as any other
    for work in works:
        with pytest.raises(UnreadableWorkError):
            sweep(work)
    assert made_by_program(sandbox, calls) == []


def test_forged_work_leads_to_reads_and_messages_about_stages(sandbox: Sandbox, api_id: str, sweep_queue: None) -> None:
    before, calls = snapshot(sandbox), len(sandbox.calls)
    sweep({"region": "us-east-1", "apis": [[api_id, "REST"], ["a1b2c3d4e5", "HTTP"], [api_id, "WEBSOCKET"]]})
    sweep({"region": "us-east-1", "apis": None, "account": "999999999999", "queue": "https://example.com"})
    sweep({"detail": {}, "region": "eu-west-1", "apis": [["../account", "REST"]]})  # any event starts a new sweep
    assert {made.call.operation for made in writes(sandbox, calls)} == {"SendMessageBatch"}
    paths = [made.call.http_path for made in made_by_program(sandbox, calls) if "apigateway" in made.call.service]
    assert all(OURS.fullmatch(path.rstrip("/")) or path in ("/restapis", "/v2/apis") for path in paths), paths
    assert snapshot(sandbox) == before
