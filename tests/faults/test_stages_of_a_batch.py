"""The stages of several APIs in one batch of messages: facts about them are read together, and are never old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.simulated import give_log_role
from log_keeper.stages import ApiVersion, StageRef, access_log_group, execution_log_group
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from testing.accounts import get_stage, levels, log_groups, make_http_stage, make_rest_stage, patch_stage, v2_stage
from testing.builders import ACCOUNT, REGION
from testing.world import World, world

OWNERS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:owners"
#: How old a fact may be when a stage is written to. Written independently of the program.
FEW_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Scene:
    """REST APIs with one non-compliant stage each. A sweep has read them, and its messages wait on StageQueue."""

    world: World
    apis: list[str]

    @property
    def sandbox(self) -> Sandbox:
        return self.world.sandbox

    def remediate(self) -> Counter[str]:
        """Process all messages. Return the numbers of Log Keeper's calls by operation."""
        before = len(self.sandbox.calls)
        self.world.enforce.drain()
        return Counter(made.call.operation for made in self.world.calls(before))

    def compliant(self) -> list[str]:
        """Return the APIs whose stage is compliant."""
        stages = {api_id: get_stage(self.sandbox, api_id) for api_id in self.apis}
        return [each for each, stage in stages.items() if levels(stage) == {"*/*": "ERROR"} and is_logging(stage)]


def is_logging(stage: dict[str, Any]) -> bool:
    return "accessLogSettings" in stage


def names_of(api_id: str) -> list[str]:
    """Return the names of the log groups of the API's stage."""
    ref = StageRef(ACCOUNT, REGION, ApiVersion.V1, api_id, "prod")
    return [execution_log_group(ref), access_log_group(ref)]


@contextmanager
def begin(prepare: Callable[[Sandbox, list[str]], None] = lambda *_: None, **settings: Any) -> Iterator[Scene]:
    """Let a sweep read four APIs. ``prepare``: prepares them. ``settings``: that have other values."""
    with world(policy=settings) as here:
        give_log_role(here)
        here.sandbox.client("logs").create_log_group(logGroupName="owners")
        apis = [make_rest_stage(here.sandbox) for _ in range(4)]
        prepare(here.sandbox, apis)
        here.begin_sweep()
        here.sweep.drain()
        yield Scene(here, sorted(apis))  # the order in which API Gateway lists them


@pytest.fixture
def scene() -> Iterator[Scene]:
    with begin() as found:
        yield found


def hold_up(scene: Scene, change: Callable[[str], None]) -> None:
    """Let the second write of a stage take so long that all that was read before it is old.

    ``change``: what the owner of each API whose stage was not written to does meanwhile.
    """
    left = list(scene.apis)

    def hook(_: Account, call: Call) -> None:
        if call.operation == "UpdateStage" and not call.caller.is_trusted:
            left.remove(call.params["restApiId"])
            if len(left) == len(scene.apis) - 2:
                scene.world.time.sleep(FEW_SECONDS)
                for api_id in left:
                    change(api_id)

    scene.sandbox.hooks.append(hook)


@pytest.mark.parametrize("late", [0, 60])
def test_log_groups_and_deliveries_of_all_apis_are_read_in_one_call(scene: Scene, late: float) -> None:
    """Before the first stage, the log role is checked, and what concerns the first is read alone."""
    scene.world.time.sleep(late)
    made = scene.remediate()
    assert scene.compliant() == scene.apis
    assert scene.world.enforce.invocations == 1
    assert (made["DescribeLogGroups"], made["DescribeDeliverySources"]) == (2, 2)
    assert (made["GetStages"], made["GetStage"]) == (len(scene.apis) if late else 0, 0)


def test_stages_of_all_protocols_are_remediated_together() -> None:
    with world() as here:
        give_log_role(here)
        rest, http = (
            [make_rest_stage(here.sandbox) for _ in range(2)],
            [make_http_stage(here.sandbox) for _ in range(3)],
        )
        here.begin_sweep()
        here.sweep.drain()
        here.enforce.drain()
        assert all(is_logging(get_stage(here.sandbox, api_id)) for api_id in rest)
        assert all("AccessLogSettings" in v2_stage(here.sandbox, api_id, "$default") for api_id in http)
        assert here.dead_letters() == 0


def test_log_groups_that_are_deleted_meanwhile_are_created_again() -> None:
    """They existed when the facts about all stages were read."""

    def create_log_groups(sandbox: Sandbox, apis: list[str]) -> None:
        for name in (name for api_id in apis for name in names_of(api_id)):
            sandbox.client("logs").create_log_group(logGroupName=name)
            sandbox.client("logs").put_retention_policy(logGroupName=name, retentionInDays=7)

    with begin(create_log_groups) as scene:

        def delete(api_id: str) -> None:
            for name in names_of(api_id):
                scene.sandbox.client("logs").delete_log_group(logGroupName=name)

        hold_up(scene, delete)
        scene.remediate()
        assert scene.compliant() == scene.apis
        found = log_groups(scene.sandbox)
        assert [found.get(names_of(api_id)[0]) for api_id in scene.apis].count(30) == 2
        assert found.keys() >= {name for api_id in scene.apis for name in names_of(api_id)}


def test_facts_that_became_old_before_the_write_are_read_again() -> None:
    """The third stage was read four seconds after the facts, and its first log group takes seven."""

    def create_log_groups(sandbox: Sandbox, apis: list[str]) -> None:
        for api_id in apis:
            sandbox.client("logs").create_log_group(logGroupName=names_of(api_id)[0])

    with begin(create_log_groups) as scene:
        written: list[str] = []
        deleted: list[str] = []

        def hook(_: Account, call: Call) -> None:
            if call.operation == "UpdateStage":
                written.append(call.params["restApiId"])
                scene.world.time.sleep(4 if len(written) == 2 else 0)
            elif call.operation == "CreateLogGroup" and len(written) == 2 and not deleted:
                [third] = [each for each in scene.apis if names_of(each)[1] == call.params["logGroupName"]]
                deleted.append(names_of(third)[0])
                scene.world.time.sleep(7)
                scene.sandbox.client("logs").delete_log_group(logGroupName=deleted[0])

        scene.world.time.sleep(60)
        scene.sandbox.hooks.append(hook)
        scene.remediate()
        assert scene.compliant() == scene.apis
        assert log_groups(scene.sandbox).keys() >= set(deleted)
        assert len(deleted) == 1


@pytest.mark.parametrize("late", [0, 60])
def test_destination_that_its_owner_sets_meanwhile_is_kept(scene: Scene, late: float) -> None:
    """The messages have the stages without it, and so have the facts that were read ahead."""

    def set_destination(api_id: str) -> None:
        patch_stage(
            scene.sandbox,
            api_id,
            ("replace", "/accessLogSettings/destinationArn", OWNERS),
            ("replace", "/accessLogSettings/format", "$context.requestId mine"),
        )

    scene.world.time.sleep(late)
    hold_up(scene, set_destination)
    scene.remediate()
    found = [get_stage(scene.sandbox, api_id)["accessLogSettings"]["destinationArn"] for api_id in scene.apis]
    assert found.count(OWNERS) == 2
    assert scene.compliant() == scene.apis


def test_stage_whose_log_groups_cannot_be_read_does_not_hold_up_the_others(scene: Scene) -> None:
    refused = names_of(scene.apis[2])[0]

    def refuse(_: Account, call: Call) -> None:
        if call.operation == "DescribeLogGroups" and refused in call.params.get("logGroupIdentifiers", ()):
            raise AwsError("AccessDeniedException", "denied", 403)

    scene.sandbox.hooks.append(refuse)
    scene.remediate()
    assert scene.compliant() == [api_id for api_id in scene.apis if api_id != scene.apis[2]]
    assert scene.world.dead_letters() == 1


def test_message_that_cannot_be_read_does_not_hold_up_the_others(scene: Scene) -> None:
    sqs = scene.sandbox.client("sqs")
    sqs.send_message(QueueUrl=scene.world.enforce.queue_url, MessageBody="{")
    scene.remediate()
    assert scene.compliant() == scene.apis
    assert scene.world.dead_letters() == 1
