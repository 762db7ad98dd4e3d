"""Facts that several messages share: about which stages, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from log_keeper.events.read_stages import ReadStage, StagesAtMoment
from log_keeper.policy.evaluation import Facts
from log_keeper.shared_facts import SharedFacts
from log_keeper.stages import AccessLogSettings, ApiVersion, Protocol, Stage, StageRef
from testing.builders import ACCOUNT, REGION, settings_with

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
OWNERS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:owners"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "denied"}}, "DescribeLogGroups")


def stage(number: int, region: str = REGION) -> Stage:
    ref = StageRef(ACCOUNT, region, ApiVersion.V1, f"shop{number:06}", "prod")
    return Stage(ref, Protocol.REST, {}, AccessLogSettings(None, None))


@dataclass(slots=True)
class Scene:
    """Shared facts, and the stages whose facts were read together in each call of the reader."""

    now: datetime = NOW
    reads: list[list[Stage]] = field(default_factory=list)
    error: ClientError | None = None
    role: object = field(default_factory=object)
    is_due: bool = False

    def facts(self, **settings: Any) -> SharedFacts:
        roles = SimpleNamespace(known=lambda _: self.role, is_due=lambda _: self.is_due)
        return SharedFacts(
            lambda **_: cast(Any, SimpleNamespace(read=self._read)),
            settings_with(**settings),
            cast(Any, roles),
            lambda: self.now,
        )

    def _read(self, stages: Iterable[Stage]) -> Facts:
        self.reads.append(list(stages))
        if self.error is not None:
            raise self.error
        return Facts()


def expect(facts: SharedFacts, *stages: Stage) -> None:
    for each in stages:
        facts.expect(StagesAtMoment(NOW, (ReadStage(each, {}),)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_facts_about_expected_stages_are_read_with_those_of_the_first(scene: Scene) -> None:
    facts, stages = scene.facts(), [stage(number) for number in range(3)]
    expect(facts, *stages)
    assert len({id(facts.about(each, ())) for each in stages}) == 1
    [read] = scene.reads
    assert {each.ref for each in read} == {each.ref for each in stages}


def test_stages_with_many_log_groups_are_read_in_several_calls(scene: Scene) -> None:
    facts, stages = scene.facts(), [stage(number) for number in range(60)]
    expect(facts, *stages)
    for each in stages:
        facts.about(each, ())
    assert [len(read) for read in scene.reads] == [25, 25, 10]


def test_stages_of_another_region_are_left_out(scene: Scene) -> None:
    facts, here, there = scene.facts(), stage(1), stage(2, "eu-west-1")
    expect(facts, here, there)
    facts.about(here, ())
    facts.about(there, ())
    assert scene.reads == [[here], [there]]


@pytest.mark.parametrize(("seconds", "reads"), [(0, 1), (5, 1), (6, 2)])
def test_facts_are_shared_for_half_of_the_time_for_which_they_count(scene: Scene, seconds: int, reads: int) -> None:
    facts = scene.facts()
    expect(facts, stage(1), stage(2))
    facts.about(stage(1), ())
    scene.now += timedelta(seconds=seconds)
    found = facts.about(stage(2), ())
    assert found is not None
    assert (len(scene.reads), found.moment) == (reads, NOW if reads == 1 else scene.now)


def test_stage_is_expected_for_a_few_seconds_only(scene: Scene) -> None:
    facts = scene.facts()
    expect(facts, stage(1), stage(2))
    scene.now += timedelta(seconds=11)
    facts.about(stage(1), ())
    assert scene.reads == [[stage(1)]]


def test_facts_do_not_count_for_a_stage_that_has_another_log_group_now(scene: Scene) -> None:
    facts = scene.facts()
    expect(facts, stage(1), stage(2))
    facts.about(stage(1), ())
    changed = replace(stage(2), access_log=AccessLogSettings(OWNERS, "$context.requestId"))
    facts.about(changed, ())
    assert scene.reads[1:] == [[changed]]


def test_facts_do_not_count_after_another_check_of_the_log_role(scene: Scene) -> None:
    facts = scene.facts()
    expect(facts, stage(1), stage(2))
    facts.about(stage(1), ())
    scene.role = object()
    facts.about(stage(2), ())
    assert len(scene.reads) == 2


def test_stage_is_read_alone_until_the_log_role_is_known(scene: Scene) -> None:
    facts = scene.facts()
    scene.is_due = True
    assert facts.about(stage(1), ()) is None
    assert scene.reads == []


def test_after_an_error_the_others_are_read_each_with_its_api(scene: Scene) -> None:
    facts = scene.facts()
    expect(facts, stage(1), stage(2), stage(3))
    scene.error = DENIED
    assert facts.about(stage(1), ()) is None
    scene.error = None
    assert facts.about(stage(2), ()) is not None
    assert scene.reads[1:] == [[stage(2)]]


def test_with_log_forwarding_nothing_is_read_ahead(scene: Scene) -> None:
    facts = scene.facts(forward_access_logs_to="arn:aws:logs:us-east-1:123456789012:destination:all")
    expect(facts, stage(1), stage(2))
    facts.about(stage(1), [stage(3)])
    assert scene.reads == [[stage(3), stage(1)]]
