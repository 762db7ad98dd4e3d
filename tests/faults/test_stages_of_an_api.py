"""The stages of an API in one message: what owners change meanwhile, stages that fail, and other versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from log_keeper.events.own_events import api_to_evaluate, stage_to_evaluate
from log_keeper.stages import ApiVersion, StageRef
from sandbox.assembly import Sandbox
from sandbox.core.call import AwsError, Call
from sandbox.core.faults import Fault, FaultType
from testing.accounts import (
    get_stage,
    levels,
    make_rest_api,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import ACCOUNT, REGION
from testing.world import World, world

NAMES = ("dev", "prod", "qa")
OWNERS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:owners"
#: For how long after a read a destination is set. Written independently of the program.
FEW_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Scene:
    """A REST API with three non-compliant stages that a sweep has read, and whose message waits on StageQueue."""

    world: World
    api_id: str

    @property
    def sandbox(self) -> Sandbox:
        return self.world.sandbox

    def refs(self) -> list[StageRef]:
        return [StageRef(ACCOUNT, REGION, ApiVersion.V1, self.api_id, name) for name in NAMES]

    def counts(self) -> Counter[str]:
        """Return the numbers of Log Keeper's calls by operation, from now on counted again."""
        found = Counter(made.call.operation for made in self.world.calls())
        self.sandbox.calls.clear()
        return found

    def are_compliant(self, *names: str) -> bool:
        stages = [get_stage(self.sandbox, self.api_id, name) for name in names or NAMES]
        return all(levels(stage) == {"*/*": "ERROR"} and "accessLogSettings" in stage for stage in stages)


@contextmanager
def begin(**settings: int) -> Iterator[Scene]:
    """Let a sweep read the API, and return what it has read. ``settings``: that have other values."""
    with world(policy=settings) as here:
        arn = make_role(here.sandbox, "Logs")
        here.time.sleep(60)
        set_log_role(here.sandbox, arn)
        api_id = make_rest_api(here.sandbox)
        client = here.sandbox.client("apigateway")
        deployment = client.create_deployment(restApiId=api_id)["id"]
        for name in NAMES:
            client.create_stage(restApiId=api_id, stageName=name, deploymentId=deployment)
        here.sandbox.client("logs").create_log_group(logGroupName="owners")
        here.begin_sweep()
        here.sweep.drain()
        found = Scene(here, api_id)
        found.counts()
        yield found


@pytest.fixture
def scene() -> Iterator[Scene]:
    with begin() as found:
        yield found


def set_destination(scene: Scene, name: str) -> None:
    """Let the owner of a stage choose a destination and a format."""
    operations = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": OWNERS},
        {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId mine"},
    ]
    scene.sandbox.client("apigateway").update_stage(restApiId=scene.api_id, stageName=name, patchOperations=operations)


def refuse_writes(name: str) -> Callable[[Sandbox, Call], None]:
    """Return a hook that refuses Log Keeper's writes of the stage."""

    def refuse(_: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and call.params["stageName"] == name and not call.caller.is_trusted:
            raise AwsError("BadRequestException", "Invalid stage")

    return refuse


# ---- calls


def test_each_stage_is_written_to_once_without_a_second_read(scene: Scene) -> None:
    scene.world.enforce.drain()
    made = scene.counts()
    assert scene.are_compliant()
    assert (made["GetStage"], made["GetStages"], made["UpdateStage"]) == (0, 0, len(NAMES))
    assert scene.world.enforce.invocations == 1


def test_log_groups_of_all_stages_are_read_in_one_call(scene: Scene) -> None:
    """Before the first stage, the log role is checked, and those of the first are read alone."""
    scene.world.enforce.drain()
    assert scene.counts()["DescribeLogGroups"] == 2


def test_message_that_comes_late_costs_one_read_of_the_api(scene: Scene) -> None:
    scene.world.time.sleep(60)
    scene.world.enforce.drain()
    made = scene.counts()
    assert scene.are_compliant()
    assert (made["GetStage"], made["GetStages"], made["UpdateStage"]) == (0, 1, len(NAMES))


def test_stages_are_read_again_if_the_work_on_those_before_took_too_long(scene: Scene) -> None:
    def hold_up(_: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and call.params["stageName"] == NAMES[0]:
            scene.world.time.sleep(FEW_SECONDS)

    scene.sandbox.hooks.append(hold_up)
    scene.world.enforce.drain()
    assert scene.are_compliant()
    assert scene.counts()["GetStages"] == 1


def test_stage_is_read_again_if_its_log_groups_took_too_long(scene: Scene) -> None:
    """Between the read and the write of a stage are the calls of CloudWatch Logs."""

    def hold_up(_: Sandbox, call: Call) -> None:
        if call.operation == "CreateLogGroup" and NAMES[0] in call.params["logGroupName"]:
            scene.world.time.sleep(FEW_SECONDS)
            set_destination(scene, NAMES[0])

    scene.sandbox.hooks.append(hold_up)
    scene.world.enforce.drain()
    assert get_stage(scene.sandbox, scene.api_id, NAMES[0])["accessLogSettings"]["destinationArn"] == OWNERS
    assert scene.are_compliant()


# ---- what the owner changes between the read and the write


@pytest.mark.parametrize("seconds", [0, FEW_SECONDS + 1, 60])
def test_settings_that_the_policy_is_not_about_are_kept(scene: Scene, seconds: float) -> None:
    patch = [
        ("replace", "/*/*/throttling/rateLimit", "7"),
        ("replace", "/variables/color", "blue"),
        ("replace", "/tracingEnabled", "true"),
    ]
    for name in NAMES:
        operations = [{"op": op, "path": path, "value": value} for op, path, value in patch]
        scene.sandbox.client("apigateway").update_stage(
            restApiId=scene.api_id, stageName=name, patchOperations=operations
        )
    scene.world.time.sleep(seconds)
    scene.world.enforce.drain()
    assert scene.are_compliant()
    for name in NAMES:
        stage = get_stage(scene.sandbox, scene.api_id, name)
        assert (stage["methodSettings"]["*/*"]["throttlingRateLimit"], stage["variables"]) == (7.0, {"color": "blue"})
        assert stage["tracingEnabled"]


@pytest.mark.parametrize("settle_seconds", [0, 9])
def test_tag_whose_event_comes_before_the_message_counts(settle_seconds: int) -> None:
    """The sweep has read the stage before the tag. With few SettleSeconds the event about the tag can come first."""
    with begin(settle_seconds=settle_seconds) as scene:
        arn = f"arn:aws:apigateway:{REGION}::/restapis/{scene.api_id}/stages/{NAMES[0]}"
        client = scene.sandbox.client("apigateway")
        client.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO"})
        # As another environment of the function does for the event.
        level = {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}
        client.update_stage(restApiId=scene.api_id, stageName=NAMES[0], patchOperations=[level])
        scene.world.enforce.drain()
        assert levels(get_stage(scene.sandbox, scene.api_id, NAMES[0])) == {"*/*": "INFO"}
        assert scene.are_compliant(*NAMES[1:])


def test_destination_that_the_owner_sets_is_kept_after_a_few_seconds(scene: Scene) -> None:
    set_destination(scene, NAMES[0])
    scene.world.time.sleep(FEW_SECONDS)
    scene.world.enforce.drain()
    access_log = get_stage(scene.sandbox, scene.api_id, NAMES[0])["accessLogSettings"]
    assert access_log == {"destinationArn": OWNERS, "format": "$context.requestId mine"}
    assert scene.are_compliant()


def test_destination_that_the_owner_sets_after_the_function_has_read_is_kept(scene: Scene) -> None:
    """The read is a few seconds old when the last stage is written to."""

    def change(_: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and call.params["stageName"] == NAMES[0] and not call.caller.is_trusted:
            scene.world.time.sleep(FEW_SECONDS)
            set_destination(scene, NAMES[2])

    scene.sandbox.hooks.append(change)
    scene.world.time.sleep(60)
    scene.world.enforce.drain()
    assert get_stage(scene.sandbox, scene.api_id, NAMES[2])["accessLogSettings"]["destinationArn"] == OWNERS
    assert scene.are_compliant()


def test_stage_that_the_owner_deletes_is_reported_and_the_others_are_remediated(scene: Scene) -> None:
    scene.sandbox.client("apigateway").delete_stage(restApiId=scene.api_id, stageName=NAMES[1])
    scene.world.enforce.drain()
    assert scene.are_compliant(NAMES[0], NAMES[2])
    assert scene.world.dead_letters() == 0


def test_throttle_of_a_route_that_the_owner_changes_is_kept() -> None:
    with world() as here:
        arn = make_role(here.sandbox, "Logs")
        here.time.sleep(60)
        set_log_role(here.sandbox, arn)
        api_id, client = make_websocket_stage(here.sandbox), here.sandbox.client("apigatewayv2")
        client.create_route(ApiId=api_id, RouteKey="quiet")
        client.update_stage(ApiId=api_id, StageName="prod", RouteSettings={"quiet": {"LoggingLevel": "OFF"}})
        here.begin_sweep()
        here.sweep.drain()
        client.update_stage(ApiId=api_id, StageName="prod", DefaultRouteSettings={"ThrottlingRateLimit": 3.0})
        before = len(here.sandbox.calls)
        here.enforce.drain()
        stage = v2_stage(here.sandbox, api_id, "prod")
        assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 3.0
        assert (
            stage["DefaultRouteSettings"]["LoggingLevel"] == stage["RouteSettings"]["quiet"]["LoggingLevel"] == "ERROR"
        )
        made = Counter(each.call.operation for each in here.calls(before))
        assert (made["GetApi"], made["GetStage"], made["GetStages"], made["UpdateStage"]) == (0, 0, 0, 1)


# ---- stages that fail


def test_only_the_stage_that_fails_is_tried_again_and_is_kept_in_the_end(scene: Scene) -> None:
    refusal = refuse_writes(NAMES[1])
    scene.sandbox.hooks.append(refusal)
    scene.world.enforce.drain()
    assert scene.are_compliant(NAMES[0], NAMES[2])
    assert scene.world.dead_letters() == 1
    tries = [made for made in scene.world.calls() if made.call.operation == "UpdateStage"]
    written = Counter(made.call.params["stageName"] for made in tries if made.status == 200)
    assert written == {NAMES[0]: 1, NAMES[2]: 1}
    assert scene.counts()["GetStages"] == 4  # one for each further delivery

    scene.sandbox.hooks.remove(refusal)
    scene.world.redrive()
    scene.world.enforce.drain()
    assert scene.are_compliant()
    assert scene.counts()["UpdateStage"] == 1
    assert scene.world.dead_letters() == 0


def test_work_that_an_invocation_has_no_time_for_is_done_by_the_next(scene: Scene) -> None:
    def hold_up(_: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage":
            scene.world.time.sleep(scene.world.enforce.timeout - 5)
            scene.sandbox.hooks.remove(hold_up)

    scene.sandbox.hooks.append(hold_up)
    scene.world.enforce.drain()
    assert scene.are_compliant()
    assert scene.world.enforce.cut_off == scene.world.dead_letters() == 0
    assert scene.counts()["UpdateStage"] == len(NAMES)


def test_role_that_may_not_list_the_stages_reads_each_alone(scene: Scene) -> None:
    """As in a member account whose stack has not been updated yet."""
    scene.sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, "apigateway", "GetStages", times=None))
    scene.world.time.sleep(60)
    scene.world.enforce.drain()
    made = scene.counts()
    assert scene.are_compliant()
    assert (made["GetStages"], made["GetStage"]) == (1, len(NAMES))


# ---- messages of others and of other versions


def waiting(scene: Scene) -> list[dict[str, Any]]:
    """Take all messages from the queue."""
    sqs, url = scene.sandbox.client("sqs"), scene.world.enforce.queue_url
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_stages_that_another_sender_has_put_into_the_message_are_not_believed(scene: Scene) -> None:
    """The message says that the stages have no destination, as it was before their owner chose one."""
    [message] = waiting(scene)
    for name in NAMES:
        set_destination(scene, name)
    scene.world.send(message)  # by the administrator of the account
    scene.world.enforce.drain()
    for name in NAMES:
        assert get_stage(scene.sandbox, scene.api_id, name)["accessLogSettings"]["destinationArn"] == OWNERS
    assert scene.are_compliant()
    assert scene.counts()["GetStages"] == 1


@pytest.mark.parametrize("read", [{}, None, [], {"at": "2026-11-23T09:00:00", "stages": []}, {"at": 7, "stages": {}}])
def test_stages_that_cannot_be_understood_are_read(scene: Scene, read: object) -> None:
    [message] = waiting(scene)
    message["detail"]["read"] = read
    sender = scene.sandbox.client("sqs", caller=scene.world.program)
    sender.send_message(QueueUrl=scene.world.enforce.queue_url, MessageBody=json.dumps(message))
    scene.world.enforce.drain()
    assert scene.are_compliant()
    assert scene.counts()["GetStages"] >= 1


def test_messages_of_the_previous_version_are_processed_among_the_new_ones(scene: Scene) -> None:
    for ref in scene.refs():
        scene.world.send(stage_to_evaluate(ref))
    scene.world.enforce.drain()
    assert scene.are_compliant()
    assert scene.world.dead_letters() == 0


def test_message_of_a_later_version_is_kept_for_it(scene: Scene) -> None:
    """This is also what a version before this one does with the message of this one, after a rollback."""
    [message] = waiting(scene)
    later = message | {"detail-type": "APIs To Evaluate"}
    scene.world.send(later)
    scene.world.enforce.drain()
    assert scene.world.dead_letters() == 1
    assert not scene.are_compliant()


def test_stages_of_many_settings_are_named_only() -> None:
    with world() as here:
        arn = make_role(here.sandbox, "Logs")
        here.time.sleep(60)
        set_log_role(here.sandbox, arn)
        api_id = make_rest_api(here.sandbox)
        here.sandbox.client("apigateway").create_deployment(restApiId=api_id, stageName="prod")
        for start in range(0, 900, 60):
            paths = [f"/{'r' * 120}~1{number}/GET/throttling/rateLimit" for number in range(start, start + 60)]
            patch_stage(here.sandbox, api_id, *(("replace", path, "5") for path in paths))
        here.begin_sweep()
        here.sweep.drain()
        before = len(here.sandbox.calls)
        here.enforce.drain()
        made = Counter(each.call.operation for each in here.calls(before))
        assert set(levels(get_stage(here.sandbox, api_id)).values()) == {"ERROR"}
        assert made["GetStages"] >= 1


def test_event_without_read_stages_has_only_names() -> None:
    refs = [StageRef(ACCOUNT, REGION, ApiVersion.V2, "a1b2c3d4e5", "$default")]
    event = api_to_evaluate(refs, (), datetime(2026, 11, 23, tzinfo=UTC))
    assert event["detail"] == {"version": "apigatewayv2", "apiId": "a1b2c3d4e5", "stageNames": ["$default"]}
