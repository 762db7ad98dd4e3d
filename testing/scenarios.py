"""Scenarios of the fault tests: prepare an account, send the events, and check that all stages are compliant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from log_keeper.events.hints import MissingLogGroup
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.stages import ApiVersion, StageRef
from sandbox.services.apigatewayv2 import log_delivery
from testing.accounts import (
    PUSH_POLICY,
    get_stage,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, DEPLOYMENT, REGION, record, updated
from testing.log_destinations import make_forward_role, make_siem_stream
from testing.world import World, trust_of

VALID_ROLE = "Logs"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prepare`` sets up the account, sends the events, and returns a check that all stages are compliant.

    ``policy``: fields of the policy that have other values.
    """

    name: str
    prepare: Callable[[World], Callable[[], bool]]
    policy: Mapping[str, str] = field(default_factory=dict, compare=False)


SCENARIOS: list[Scenario] = []


def scenario(prepare: Callable[[World], Callable[[], bool]]) -> Callable[[World], Callable[[], bool]]:
    """Add the function to SCENARIOS; its name with spaces is the scenario's name."""
    SCENARIOS.append(Scenario(prepare.__name__.replace("_", " "), prepare))
    return prepare


#: Lines of all log groups are forwarded to a stream.
_FORWARDING = {
    "forward_access_logs_to": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/siem",
    "forward_execution_logs_to": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/siem",
    "forward_role_arn": f"arn:aws:iam::{ACCOUNT}:role/ForwardLogs",
}


def _rest_is_compliant(world: World, api_id: str, level: str = "ERROR") -> Callable[[], bool]:
    """Return a check of stage ``prod``: it logs at the level, without data trace, to log groups that expire."""
    groups = [f"API-Gateway-Execution-Logs_{api_id}/prod", f"/aws/vendedlogs/apigateway/{api_id}/prod"]

    def is_compliant() -> bool:
        stage = get_stage(world.sandbox, api_id)
        settings = stage["methodSettings"].values()
        return (
            "destinationArn" in stage.get("accessLogSettings", {})
            and {each.get("loggingLevel") for each in settings} == {level}
            and not any(each["dataTraceEnabled"] for each in settings)
            and all(_expires(world, group) for group in groups)
        )

    return is_compliant


def _expires(world: World, name: str) -> bool:
    """Tell whether the log group exists and has a retention."""
    found = world.sandbox.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return [group.get("retentionInDays") is not None for group in found if group["logGroupName"] == name] == [True]


def _v2_is_compliant(world: World, api_id: str, stage_name: str, level: str | None) -> Callable[[], bool]:
    """Return a check of a stage of an HTTP API (``level`` None) or of a WebSocket API."""

    def is_compliant() -> bool:
        stage = v2_stage(world.sandbox, api_id, stage_name)
        destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
        if level is None:  # an HTTP API: CloudWatch Logs must let its lines be delivered
            group = str(destination).partition(":log-group:")[2]
            return log_delivery.reaches(world.sandbox, REGION, group)
        return destination is not None and stage["DefaultRouteSettings"].get("LoggingLevel") == level

    return is_compliant


def _set_valid_role(world: World) -> None:
    """Set a valid log role in the account settings that Log Keeper has not created."""
    arn = make_role(world.sandbox, VALID_ROLE)
    world.time.sleep(60)
    set_log_role(world.sandbox, arn)


@scenario
def new_stage_without_any_log_role(world: World) -> Callable[[], bool]:
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_compliant(world, api_id)


@scenario
def stage_whose_log_role_trusts_nobody(world: World) -> Callable[[], bool]:
    make_role(world.sandbox, "APIGatewayCloudWatchLogs", trust=trust_of("ec2"), policy=None)
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_compliant(world, api_id)


@scenario
def stage_whose_log_role_is_for_another_owners_groups(world: World) -> Callable[[], bool]:
    """Log Keeper keeps the role, because one of its policies lets it write to a log group."""
    _set_valid_role(world)
    iam = world.sandbox.client("iam")
    iam.detach_role_policy(RoleName=VALID_ROLE, PolicyArn=PUSH_POLICY)
    for name, actions in (("own", "logs:*"), ("other", "s3:*")):
        resource = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:theirs:*"
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        if name == "own":
            iam.put_role_policy(RoleName=VALID_ROLE, PolicyName=name, PolicyDocument=document)
        else:
            arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=VALID_ROLE, PolicyArn=arn)
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_compliant(world, api_id)


@scenario
def stage_with_method_settings_and_data_trace(world: World) -> Callable[[], bool]:
    _set_valid_role(world)
    api_id = make_rest_stage(world.sandbox)
    patch_stage(world.sandbox, api_id, ("replace", "/~1/GET/throttling/rateLimit", "5"))
    patch_stage(world.sandbox, api_id, ("replace", "/*/*/logging/dataTrace", "true"))
    world.send(updated(api_id))
    return _rest_is_compliant(world, api_id)


def _opt_in(world: World) -> tuple[str, Callable[[], bool]]:
    """Opt a new stage in. Return the id of its API, and a check that it logs at INFO and has a schedule."""
    _set_valid_role(world)
    api_id = make_rest_stage(world.sandbox)
    until = (world.time() + timedelta(days=30)).date()
    _tag(world, api_id, {"execution-logs": "INFO", "execution-logs-until": str(until)})
    is_compliant = _rest_is_compliant(world, api_id, "INFO")
    return api_id, lambda: is_compliant() and _schedules(world) == [f"at({until + timedelta(days=1)}T00:00:00)"]


@scenario
def stage_opted_in_with_an_end(world: World) -> Callable[[], bool]:
    return _opt_in(world)[1]


@scenario
def stage_whose_end_of_opt_in_moves(world: World) -> Callable[[], bool]:
    api_id, is_compliant = _opt_in(world)
    world.settle()
    assert is_compliant()
    until = (world.time() + timedelta(days=40)).date()
    _tag(world, api_id, {"execution-logs-until": str(until)})
    return lambda: _schedules(world) == [f"at({until + timedelta(days=1)}T00:00:00)"]


@scenario
def stage_whose_opt_in_is_taken_back(world: World) -> Callable[[], bool]:
    api_id, is_compliant = _opt_in(world)
    world.settle()
    assert is_compliant()
    world.sandbox.client("apigateway").untag_resource(
        resourceArn=_arn(api_id), tagKeys=["execution-logs", "execution-logs-until"]
    )
    world.send(record("UntagResource", {"resourceArn": _arn(api_id)}))
    at_error = _rest_is_compliant(world, api_id)
    return lambda: at_error() and _schedules(world) == []


@scenario
def stage_that_logs_to_a_firehose_stream(world: World) -> Callable[[], bool]:
    _set_valid_role(world)
    world.sandbox.client("firehose").create_delivery_stream(
        DeliveryStreamName="amazon-apigateway-logs",
        S3DestinationConfiguration={"RoleARN": f"arn:aws:iam::{ACCOUNT}:role/x", "BucketARN": "arn:aws:s3:::x"},
    )
    api_id = make_rest_stage(world.sandbox)
    stream = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/amazon-apigateway-logs"
    patch_stage(
        world.sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", stream),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    world.send(updated(api_id))

    def is_compliant() -> bool:
        stage = get_stage(world.sandbox, api_id)
        levels = {each.get("loggingLevel") for each in stage["methodSettings"].values()}
        return levels == {"ERROR"} and stage["accessLogSettings"]["destinationArn"] == stream

    return is_compliant


@scenario
def stage_whose_access_logs_go_to_a_missing_log_group(world: World) -> Callable[[], bool]:
    """Create a stage whose log group has been missing for an hour, while no stack is being updated."""
    api_id = make_rest_stage(world.sandbox)
    _set_valid_role(world)
    patch_stage(
        world.sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:missing"),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    missing = MissingLogGroup("missing", world.time() - timedelta(hours=1))
    ref = StageRef(ACCOUNT, REGION, ApiVersion.V1, api_id, "prod")
    world.send(stage_to_evaluate(ref, missing))
    is_compliant = _rest_is_compliant(world, api_id)
    return lambda: (
        is_compliant()
        and not get_stage(world.sandbox, api_id)["accessLogSettings"]["destinationArn"].endswith(":missing")
    )


@scenario
def http_api(world: World) -> Callable[[], bool]:
    api_id = make_http_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "%24default"}))
    return _v2_is_compliant(world, api_id, "$default", None)


@scenario
def http_api_whose_log_group_was_deleted(world: World) -> Callable[[], bool]:
    """Create an HTTP API, then delete its log group, and with it the permission to deliver logs to the group.

    An update without changes does not renew the permission.
    """
    world.sandbox.turn(unchanged_update_runs_log_delivery_admission=False)
    api_id = make_http_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "%24default"}))
    world.settle()
    is_compliant = _v2_is_compliant(world, api_id, "$default", None)
    assert is_compliant()
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    world.sandbox.client("logs").delete_log_group(logGroupName=group)
    world.send(record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com"))
    return is_compliant


@scenario
def quick_created_http_api(world: World) -> Callable[[], bool]:
    client = world.sandbox.client("apigatewayv2")
    api_id = client.create_api(Name="web", ProtocolType="HTTP", Target="https://example.com")["ApiId"]
    client.create_stage(ApiId=api_id, StageName="beta")
    world.send(record("CreateApi", {"name": "web"}, responseElements={"apiId": api_id}))
    checks = [_v2_is_compliant(world, api_id, name, None) for name in ("$default", "beta")]
    return lambda: all(check() for check in checks)


@scenario
def websocket_api(world: World) -> Callable[[], bool]:
    _set_valid_role(world)
    api_id = make_websocket_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "prod"}))
    return _v2_is_compliant(world, api_id, "prod", "ERROR")


@scenario
def sweep_of_all_protocols(world: World) -> Callable[[], bool]:
    rest = [make_rest_stage(world.sandbox) for _ in range(2)]
    http, websocket = make_http_stage(world.sandbox), make_websocket_stage(world.sandbox)
    world.begin_sweep()
    checks = [
        *(_rest_is_compliant(world, api_id) for api_id in rest),
        _v2_is_compliant(world, http, "$default", None),
        _v2_is_compliant(world, websocket, "prod", "ERROR"),
    ]
    return lambda: all(check() for check in checks)


def _tag(world: World, api_id: str, tags: dict[str, str]) -> None:
    world.sandbox.client("apigateway").tag_resource(resourceArn=_arn(api_id), tags=tags)
    world.send(record("TagResource", {"resourceArn": _arn(api_id)}))


def _arn(api_id: str) -> str:
    return f"arn:aws:apigateway:{REGION}::/restapis/{api_id}/stages/prod"


def _schedules(world: World) -> list[str]:
    client, group = world.sandbox.client("scheduler"), DEPLOYMENT.schedules.group
    return [
        client.get_schedule(Name=found["Name"], GroupName=group)["ScheduleExpression"]
        for found in client.list_schedules(GroupName=group)["Schedules"]
    ]


def _is_forwarded(world: World, api_id: str) -> Callable[[], bool]:
    """Return a check of stage ``prod``: it is compliant, and the lines of both log groups are forwarded."""
    is_compliant, logs = _rest_is_compliant(world, api_id), world.sandbox.client("logs")

    def filters(group: str) -> list[str]:
        found = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        return [each["filterName"] for each in found]

    groups = (f"API-Gateway-Execution-Logs_{api_id}/prod", f"/aws/vendedlogs/apigateway/{api_id}/prod")
    return lambda: is_compliant() and all(filters(group) == ["log-keeper"] for group in groups)


def _prepare_forwarding(world: World) -> str:
    _set_valid_role(world)
    make_siem_stream(world.sandbox)
    make_forward_role(world.sandbox, "kinesis:PutRecord")
    world.time.sleep(60)
    return make_rest_stage(world.sandbox)


def _new_stage_whose_lines_are_forwarded(world: World) -> Callable[[], bool]:
    api_id = _prepare_forwarding(world)
    world.send(updated(api_id))
    return _is_forwarded(world, api_id)


def _stage_whose_subscription_filter_was_deleted(world: World) -> Callable[[], bool]:
    api_id = _prepare_forwarding(world)
    world.send(updated(api_id))
    world.settle()
    group = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    world.sandbox.client("logs").delete_subscription_filter(logGroupName=group, filterName="log-keeper")
    names = {"logGroupName": group, "filterName": "log-keeper"}
    world.send(record("DeleteSubscriptionFilter", names, eventSource="logs.amazonaws.com"))
    return _is_forwarded(world, api_id)


SCENARIOS += [
    Scenario("new stage whose lines are forwarded", _new_stage_whose_lines_are_forwarded, _FORWARDING),
    Scenario("stage whose subscription filter was deleted", _stage_whose_subscription_filter_was_deleted, _FORWARDING),
]
