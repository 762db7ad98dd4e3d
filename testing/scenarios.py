"""The program in simulated time: what is done to the account, what must come of it, and what must stay as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from handlers import enforce, sweep
from log_keeper.events.hints import MissingLogGroup
from log_keeper.events.own_events import stage_to_look_at
from log_keeper.stages import ApiVersion, StageRef
from sandbox.assembly import Sandbox
from sandbox.core.call import Call, Caller, CallRecord
from sandbox.services.apigatewayv2 import log_delivery
from sandbox.simulation import Function, VirtualTime, caller_of_new_role
from testing.accounts import (
    PUSH_POLICY,
    get_stage,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, REGION, SETTINGS, record, updated

ENFORCE_TIMEOUT, SWEEP_TIMEOUT = 75, 900
LIVE_ROLE = "Logs"


@dataclass(slots=True)
class World:
    """The account with the program's queues, its two functions, and a bystander that nobody asked for."""

    sandbox: Sandbox
    time: VirtualTime
    program: Caller
    enforce: Function
    sweep: Function

    def another_enforce(self) -> Function:
        """A second environment of the same function, as Lambda makes one where there is much to do."""
        return replace(self.enforce)

    def send(self, event: dict[str, Any]) -> None:
        """The event is on StageQueue."""
        self.sandbox.client("sqs").send_message(QueueUrl=self.enforce.queue_url, MessageBody=json.dumps(event))

    def begin_sweep(self) -> None:
        self.sandbox.client("sqs").send_message(
            QueueUrl=self.sweep.queue_url, MessageBody=json.dumps({"detail-type": "Scheduled Event", "detail": {}})
        )

    def settle(self) -> None:
        """Every message was dealt with, or lies in its dead-letter queue."""
        self.sweep.drain()
        self.enforce.drain()

    def dead_letters(self) -> int:
        return sum(self._count(f"{name}Dead") for name in ("StageQueue", "SweepQueue"))

    def redrive(self) -> None:
        """The dead letters are on their queues again."""
        sqs = self.sandbox.client("sqs")
        for function, name in ((self.enforce, "StageQueue"), (self.sweep, "SweepQueue")):
            url = sqs.get_queue_url(QueueName=f"{name}Dead")["QueueUrl"]
            while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in found:
                    sqs.send_message(QueueUrl=function.queue_url, MessageBody=message["Body"])
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def calls(self, since: int = 0) -> list[CallRecord]:
        """Those that the program made."""
        return [made for made in self.sandbox.calls[since:] if made.call.caller == self.program]

    def _count(self, name: str) -> int:
        sqs = self.sandbox.client("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        names = ["ApproximateNumberOfMessages"]
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])


@contextmanager
def world(**options: Any) -> Iterator[World]:
    """An account with the program in it, in simulated time."""
    with VirtualTime() as time, Sandbox(clock=time, **{"iam_propagation_seconds": 10} | options) as sandbox:
        program = caller_of_new_role(sandbox, "log-keeper-EnforceRole")
        sandbox.client("scheduler").create_schedule_group(Name=SETTINGS.schedule_group)
        schedule_role = make_role(sandbox, "log-keeper-OptInScheduleRole", policy=None, trust=_trust("scheduler"))
        enforce_url, enforce_arn = _queue(sandbox, "StageQueue", 6 * ENFORCE_TIMEOUT, 5)
        sweep_url, sweep_arn = _queue(sandbox, "SweepQueue", 6 * SWEEP_TIMEOUT, 3)
        settings = replace(
            SETTINGS,
            own_role_arn=program.role_arn or "",
            schedule_role_arn=schedule_role,
            stage_queue_url=enforce_url,
            stage_queue_arn=enforce_arn,
            sweep_queue_url=sweep_url,
        )
        doors: dict[str, Any] = {"clock": time, "monotonic": time.monotonic, "sleep": time.sleep}

        def new_enforce() -> Callable[..., Any]:
            return enforce.Door(settings, sandbox.session(program), **doors).open

        def new_sweep() -> Callable[..., Any]:
            opened = sweep.Door(settings, sandbox.session(program), **doors).open
            return lambda event, context: opened(event["Records"][0]["body"], context)

        yield World(
            sandbox,
            time,
            program,
            Function(sandbox, time, new_enforce, enforce_url, enforce_arn, ENFORCE_TIMEOUT),
            Function(sandbox, time, new_sweep, sweep_url, sweep_arn, SWEEP_TIMEOUT, batch_size=1, reports_items=False),
        )


def _queue(sandbox: Sandbox, name: str, visibility: int, receives: int) -> tuple[str, str]:
    sqs = sandbox.client("sqs")
    sqs.create_queue(QueueName=f"{name}Dead")
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}Dead"
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": receives})
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(visibility), "RedrivePolicy": redrive})[
        "QueueUrl"
    ]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def _trust(service: str) -> dict[str, Any]:
    principal = {"Service": f"{service}.amazonaws.com"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prepare``: makes the account and sends the events; gives what tells whether all is as it should be."""

    name: str
    prepare: Callable[[World], Callable[[], bool]]


SCENARIOS: list[Scenario] = []


def scenario(prepare: Callable[[World], Callable[[], bool]]) -> Callable[[World], Callable[[], bool]]:
    SCENARIOS.append(Scenario(prepare.__name__.replace("_", " "), prepare))
    return prepare


def _rest_is_in_line(world: World, api_id: str, level: str = "ERROR") -> Callable[[], bool]:
    groups = [f"API-Gateway-Execution-Logs_{api_id}/prod", f"/aws/vendedlogs/apigateway/{api_id}/prod"]

    def is_in_line() -> bool:
        stage = get_stage(world.sandbox, api_id)
        settings = stage["methodSettings"].values()
        return (
            "destinationArn" in stage.get("accessLogSettings", {})
            and {each.get("loggingLevel") for each in settings} == {level}
            and not any(each["dataTraceEnabled"] for each in settings)
            and all(_expires(world, group) for group in groups)
        )

    return is_in_line


def _expires(world: World, name: str) -> bool:
    found = world.sandbox.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return [group.get("retentionInDays") is not None for group in found if group["logGroupName"] == name] == [True]


def _v2_is_in_line(world: World, api_id: str, stage_name: str, level: str | None) -> Callable[[], bool]:
    def is_in_line() -> bool:
        stage = v2_stage(world.sandbox, api_id, stage_name)
        destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
        if level is None:  # an HTTP API, whose lines are delivered
            group = str(destination).partition(":log-group:")[2]
            return log_delivery.reaches(world.sandbox, REGION, group)
        return destination is not None and stage["DefaultRouteSettings"].get("LoggingLevel") == level

    return is_in_line


def _live_role(world: World) -> None:
    """The account has a live log role, which is not ours."""
    arn = make_role(world.sandbox, LIVE_ROLE)
    world.time.sleep(60)
    set_log_role(world.sandbox, arn)


@scenario
def new_stage_without_any_log_role(world: World) -> Callable[[], bool]:
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_in_line(world, api_id)


@scenario
def stage_whose_log_role_trusts_nobody(world: World) -> Callable[[], bool]:
    make_role(world.sandbox, "APIGatewayCloudWatchLogs", trust=_trust("ec2"), policy=None)
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_in_line(world, api_id)


@scenario
def stage_whose_log_role_is_for_another_owners_groups(world: World) -> Callable[[], bool]:
    """The role is left: its policies, read one by one, say that it may write somewhere."""
    _live_role(world)
    iam = world.sandbox.client("iam")
    iam.detach_role_policy(RoleName=LIVE_ROLE, PolicyArn=PUSH_POLICY)
    for name, actions in (("own", "logs:*"), ("other", "s3:*")):
        resource = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:theirs:*"
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        if name == "own":
            iam.put_role_policy(RoleName=LIVE_ROLE, PolicyName=name, PolicyDocument=document)
        else:
            arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=LIVE_ROLE, PolicyArn=arn)
    api_id = make_rest_stage(world.sandbox)
    world.send(updated(api_id))
    return _rest_is_in_line(world, api_id)


@scenario
def stage_with_overrides_and_bodies(world: World) -> Callable[[], bool]:
    _live_role(world)
    api_id = make_rest_stage(world.sandbox)
    patch_stage(world.sandbox, api_id, ("replace", "/~1/GET/throttling/rateLimit", "5"))
    patch_stage(world.sandbox, api_id, ("replace", "/*/*/logging/dataTrace", "true"))
    world.send(updated(api_id))
    return _rest_is_in_line(world, api_id)


def _opt_in(world: World) -> tuple[str, Callable[[], bool]]:
    """The id of an API whose stage was just opted in, and what tells whether it is."""
    _live_role(world)
    api_id = make_rest_stage(world.sandbox)
    until = (world.time() + timedelta(days=30)).date()
    _tag(world, api_id, {"execution-logs": "INFO", "execution-logs-until": str(until)})
    in_line = _rest_is_in_line(world, api_id, "INFO")
    return api_id, lambda: in_line() and _schedules(world) == [f"at({until + timedelta(days=1)}T00:00:00)"]


@scenario
def stage_opted_in_with_an_end(world: World) -> Callable[[], bool]:
    return _opt_in(world)[1]


@scenario
def stage_whose_end_of_opt_in_moves(world: World) -> Callable[[], bool]:
    api_id, in_line = _opt_in(world)
    world.settle()
    assert in_line()
    until = (world.time() + timedelta(days=40)).date()
    _tag(world, api_id, {"execution-logs-until": str(until)})
    return lambda: _schedules(world) == [f"at({until + timedelta(days=1)}T00:00:00)"]


@scenario
def stage_whose_opt_in_is_taken_back(world: World) -> Callable[[], bool]:
    api_id, in_line = _opt_in(world)
    world.settle()
    assert in_line()
    world.sandbox.client("apigateway").untag_resource(
        resourceArn=_arn(api_id), tagKeys=["execution-logs", "execution-logs-until"]
    )
    world.send(record("UntagResource", {"resourceArn": _arn(api_id)}))
    at_error = _rest_is_in_line(world, api_id)
    return lambda: at_error() and _schedules(world) == []


@scenario
def stage_that_logs_to_a_firehose_stream(world: World) -> Callable[[], bool]:
    _live_role(world)
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

    def in_line() -> bool:
        stage = get_stage(world.sandbox, api_id)
        levels = {each.get("loggingLevel") for each in stage["methodSettings"].values()}
        return levels == {"ERROR"} and stage["accessLogSettings"]["destinationArn"] == stream

    return in_line


@scenario
def stage_whose_access_logs_go_to_a_missing_log_group(world: World) -> Callable[[], bool]:
    """It has been missing for an hour, and no stack is changing."""
    api_id = make_rest_stage(world.sandbox)
    _live_role(world)
    patch_stage(
        world.sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:gone"),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    missing = MissingLogGroup("gone", world.time() - timedelta(hours=1))
    ref = StageRef(ACCOUNT, REGION, ApiVersion.V1, api_id, "prod")
    world.send(stage_to_look_at(ref, missing))
    is_in_line = _rest_is_in_line(world, api_id)
    return lambda: (
        is_in_line() and not get_stage(world.sandbox, api_id)["accessLogSettings"]["destinationArn"].endswith(":gone")
    )


@scenario
def http_api(world: World) -> Callable[[], bool]:
    api_id = make_http_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "%24default"}))
    return _v2_is_in_line(world, api_id, "$default", None)


@scenario
def http_api_whose_log_group_was_deleted(world: World) -> Callable[[], bool]:
    """And with it the permission to deliver to it, which API Gateway does not give again for settings that it has."""
    world.sandbox.turn(unchanged_update_runs_log_delivery_admission=False)
    api_id = make_http_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "%24default"}))
    world.settle()
    is_in_line = _v2_is_in_line(world, api_id, "$default", None)
    assert is_in_line()
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    world.sandbox.client("logs").delete_log_group(logGroupName=group)
    world.send(record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com"))
    return is_in_line


@scenario
def quick_created_http_api(world: World) -> Callable[[], bool]:
    client = world.sandbox.client("apigatewayv2")
    api_id = client.create_api(Name="web", ProtocolType="HTTP", Target="https://example.com")["ApiId"]
    client.create_stage(ApiId=api_id, StageName="beta")
    world.send(record("CreateApi", {"name": "web"}, responseElements={"apiId": api_id}))
    checks = [_v2_is_in_line(world, api_id, name, None) for name in ("$default", "beta")]
    return lambda: all(check() for check in checks)


@scenario
def websocket_api(world: World) -> Callable[[], bool]:
    _live_role(world)
    api_id = make_websocket_stage(world.sandbox)
    world.send(record("CreateStage", {"apiId": api_id, "stageName": "prod"}))
    return _v2_is_in_line(world, api_id, "prod", "ERROR")


@scenario
def sweep_of_all_kinds(world: World) -> Callable[[], bool]:
    rest = [make_rest_stage(world.sandbox) for _ in range(2)]
    http, websocket = make_http_stage(world.sandbox), make_websocket_stage(world.sandbox)
    world.begin_sweep()
    checks = [
        *(_rest_is_in_line(world, api_id) for api_id in rest),
        _v2_is_in_line(world, http, "$default", None),
        _v2_is_in_line(world, websocket, "prod", "ERROR"),
    ]
    return lambda: all(check() for check in checks)


def _tag(world: World, api_id: str, tags: dict[str, str]) -> None:
    world.sandbox.client("apigateway").tag_resource(resourceArn=_arn(api_id), tags=tags)
    world.send(record("TagResource", {"resourceArn": _arn(api_id)}))


def _arn(api_id: str) -> str:
    return f"arn:aws:apigateway:{REGION}::/restapis/{api_id}/stages/prod"


def _schedules(world: World) -> list[str]:
    client, group = world.sandbox.client("scheduler"), SETTINGS.schedule_group
    return [
        client.get_schedule(Name=found["Name"], GroupName=group)["ScheduleExpression"]
        for found in client.list_schedules(GroupName=group)["Schedules"]
    ]


# --- what must stay as it is ------------------------------------------------------------------------------------------

#: The logging settings: all that may differ before and after.
_LOGGING = {"accessLogSettings", "AccessLogSettings", "lastUpdatedDate", "LastUpdatedDate", "ResponseMetadata"}
_LOGGING_SETTINGS = {"loggingLevel", "dataTraceEnabled", "LoggingLevel", "DataTraceEnabled"}
#: What a method's settings are made of where nobody has set any. *Source:* recorded, see ``apigateway/stages.py``.
_OURS = ("API-Gateway-Execution-Logs_", "/aws/vendedlogs/apigateway", "/aws/apigateway/")


def snapshot(sandbox: Sandbox) -> dict[str, Any]:
    """All of the account that is not the logging of API Gateway stages, nor the program's own."""
    found: dict[str, Any] = {}
    rest, v2, iam, logs = (sandbox.client(name) for name in ("apigateway", "apigatewayv2", "iam", "logs"))
    for api in rest.get_rest_apis(limit=500)["items"]:
        found[f"api {api['id']}"] = api
        for stage in rest.get_stages(restApiId=api["id"])["item"]:
            found[f"stage {api['id']}/{stage['stageName']}"] = _without_logging(stage, "methodSettings")
    for api in v2.get_apis()["Items"]:
        found[f"api {api['ApiId']}"] = api
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            found[f"stage {api['ApiId']}/{stage['StageName']}"] = _without_logging(stage, "RouteSettings")
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"] != "APIGatewayCloudWatchLogs":
            found[f"role {role['RoleName']}"] = role
    for group in logs.describe_log_groups()["logGroups"]:
        if not group["logGroupName"].startswith(_OURS):
            found[f"log group {group['logGroupName']}"] = group
    return found


def _without_logging(stage: dict[str, Any], settings: str) -> dict[str, Any]:
    kept = {key: value for key, value in stage.items() if key not in {*_LOGGING, settings, "DefaultRouteSettings"}}
    methods = {key: _bare(value) for key, value in stage.get(settings, {}).items()}
    # The first patch of */* makes the whole entry, with the values that held before.
    methods.pop("*/*", None)
    default = _bare(stage.get("DefaultRouteSettings", {}))
    return kept | {settings: methods, "DefaultRouteSettings": default}


def _bare(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _LOGGING_SETTINGS}


# --- what others do at the wrong moment -------------------------------------------------------------------------------


def _delete_log_groups(sandbox: Sandbox) -> None:
    logs = sandbox.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])


def _delete_stages(sandbox: Sandbox) -> None:
    rest, v2 = sandbox.client("apigateway"), sandbox.client("apigatewayv2")
    for api in rest.get_rest_apis()["items"]:
        for stage in rest.get_stages(restApiId=api["id"])["item"]:
            rest.delete_stage(restApiId=api["id"], stageName=stage["stageName"])
    for api in v2.get_apis()["Items"]:
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            v2.delete_stage(ApiId=api["ApiId"], StageName=stage["StageName"])


def _delete_apis(sandbox: Sandbox) -> None:
    rest, v2 = sandbox.client("apigateway"), sandbox.client("apigatewayv2")
    for api in rest.get_rest_apis()["items"]:
        rest.delete_rest_api(restApiId=api["id"])
    for api in v2.get_apis()["Items"]:
        v2.delete_api(ApiId=api["ApiId"])


def _delete_roles(sandbox: Sandbox) -> None:
    iam = sandbox.client("iam")
    for name in (LIVE_ROLE, "APIGatewayCloudWatchLogs"):
        if any(role["RoleName"] == name for role in iam.list_roles()["Roles"]):
            for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
            iam.delete_role(RoleName=name)


def _set_another_log_role(sandbox: Sandbox) -> None:
    client = sandbox.client("apigateway")
    arn = f"arn:aws:iam::{sandbox.account_id}:role/Another"
    if "Another" not in [role["RoleName"] for role in sandbox.client("iam").list_roles()["Roles"]]:
        make_role(sandbox, "Another", policy=PUSH_POLICY)
        sandbox.role_changes.pop("Another")  # it was there long before
        patch(client.update_account, ("replace", "/cloudwatchRoleArn", arn))


def _use_up_the_quota(sandbox: Sandbox) -> None:
    """The owner has just used all that the control plane takes, and UpdateAccount too."""
    sandbox.quotas.are_on = True
    for _ in range(39):
        sandbox.client("apigateway").get_rest_apis()
    role = sandbox.client("apigateway").get_account().get("cloudwatchRoleArn")
    patch_account = sandbox.client("apigateway").update_account
    if role is not None:
        sandbox.quotas.are_on = False
        patch(patch_account, ("replace", "/cloudwatchRoleArn", role))
        sandbox.quotas.are_on = True


#: What happens once, just before a call of the program; and whether the stages are there afterwards.
MEDDLERS: dict[str, tuple[Callable[[Sandbox], None], bool]] = {
    "log groups deleted": (_delete_log_groups, True),
    "stages deleted": (_delete_stages, False),
    "APIs deleted": (_delete_apis, False),
    "log roles deleted": (_delete_roles, True),
    "another log role set": (_set_another_log_role, True),
    "quota used up": (_use_up_the_quota, True),
}


class Meddler:
    """Does its thing before the first call of this operation by the program; an interposer."""

    def __init__(self, program: Caller, service: str, operation: str, act: Callable[[Sandbox], None]) -> None:
        self._wanted = program, service, operation
        self._act = act
        self.has_acted = False

    def interpose(self, sandbox: Sandbox, call: Call, answer: Callable[[], Any]) -> Any:
        if not self.has_acted and (call.caller, call.service, call.operation) == self._wanted:
            self.has_acted = True
            self._act(sandbox)
        return answer()
