"""Sweep and preview with a log role that may write to some log groups only."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from log_keeper.aws.account_role import RoleStatus, check_role
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.events.sweep_work import Work
from log_keeper.inventory import Inventory
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Problem
from log_keeper.policy.results import Outcome
from log_keeper.settings import Settings
from log_keeper.sweep import Sweep, Swept
from preview.model import count
from preview.reading import read_region, show_no_progress
from preview.words import role_in_words
from sandbox.assembly import Sandbox
from sandbox.core.faults import Fault, FaultType
from testing.accounts import log_role, make_rest_stage, make_role, set_log_role
from testing.builders import record, settings_with, updated
from testing.deliveries import Deliver
from testing.limited_roles import THEIRS, allow, least_privilege, narrow, own_destination


@pytest.fixture
def settings(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> Settings:
    url = sandbox.client("sqs").create_queue(QueueName="StageQueue")["QueueUrl"]
    return settings_with(stage_queue_url=url)


def swept(settings: Settings) -> tuple[Swept, list[Evaluation]]:
    found: list[Evaluation] = []
    part = Sweep(Clients(lambda: Pace(1_000)), settings, lambda: datetime.now(UTC), lambda: True, found.append).run(
        Work("us-east-1")
    )
    return part, found


def test_sweep_counts_the_stage_as_not_compliant_and_does_not_queue_it(
    sandbox: Sandbox, settings: Settings, deliver: Deliver
) -> None:
    least_privilege(sandbox)
    silenced, changed = make_rest_stage(sandbox), make_rest_stage(sandbox)
    deliver(updated(silenced))
    part, found = swept(settings)
    assert part.role is not None
    assert part.role.status is RoleStatus.LIMITED
    assert "/aws/vendedlogs/apigateway/*" in str(part.role.limits)
    assert {each.stage.ref.api_id: each.is_compliant for each in found} == {silenced: False, changed: False}
    [(_, counted)] = part.counts.items()
    assert (counted.evaluated, counted.compliant) == (2, 0)
    received = sandbox.client("sqs").receive_message(
        QueueUrl=settings.deployment.queues.stage_queue_url, MaxNumberOfMessages=10
    )
    assert [json.loads(each["Body"])["detail"]["apiId"] for each in received["Messages"]] == [changed]


def test_sweep_simulates_once_for_a_valid_role_and_in_batches_for_owners_destinations(
    sandbox: Sandbox, settings: Settings, deliver: Deliver
) -> None:
    set_log_role(sandbox, make_role(sandbox))
    deliver(*(updated(make_rest_stage(sandbox)) for _ in range(3)))

    def simulations() -> int:
        before = len(sandbox.calls)
        swept(settings)
        return sum(made.call.operation == "SimulatePrincipalPolicy" for made in sandbox.calls[before:])

    assert simulations() == 1
    for number in range(3):
        own_destination(sandbox, f"mine-{number}")
    assert simulations() == 2


def test_preview_shows_the_limits_of_the_role(sandbox: Sandbox, settings: Settings, deliver: Deliver) -> None:
    least_privilege(sandbox)
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    inventory = Inventory(Clients(lambda: Pace(1_000)), settings.deployment.account, "us-east-1", settings.policy)
    region = read_region(inventory, lambda: datetime.now(UTC), show_no_progress)
    assert role_in_words(region).startswith(f"limited: {THEIRS} needs logs:CreateLogGroup")
    [stage] = region.stages
    assert stage.outcome == "non-compliant"
    assert [finding.problem for finding in stage.findings] == [Problem.LIMITED_LOG_ROLE]
    outcomes = count(region.stages).by_outcome
    assert (outcomes[Outcome.COMPLIANT], outcomes[Outcome.NON_COMPLIANT]) == (0, 1)


def test_stages_are_swept_although_the_role_cannot_be_read(sandbox: Sandbox, settings: Settings) -> None:
    set_log_role(sandbox, make_role(sandbox))
    make_rest_stage(sandbox)
    sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, "iam", "GetRole", of=lambda _: True))
    part, found = swept(settings)
    assert len(part.errors) == 1
    assert len(found) == 1


def test_check_changes_nothing(sandbox: Sandbox, settings: Settings) -> None:
    narrow(sandbox, allow("mine"))
    found = check_role(Clients(lambda: Pace(1_000)), settings.deployment.account, "us-east-1")
    assert found.status is RoleStatus.LIMITED
    assert log_role(sandbox) == THEIRS


def test_policy_of_the_organization_is_reported_and_the_role_is_left(
    sandbox: Sandbox, settings: Settings, deliver: Deliver
) -> None:
    set_log_role(sandbox, arn := make_role(sandbox, "Theirs"))
    api_id = make_rest_stage(sandbox)
    deliver(updated(api_id))
    deny = {"Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": "*"}
    sandbox.service_control_policies.append(json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert deliver(record("UpdateAccount", {})) == []
    assert log_role(sandbox) == arn
    part, found = swept(settings)
    assert [finding.problem for finding in part.findings] == [Problem.DENIED_BY_ORGANIZATION]
    assert [each.is_compliant for each in found] == [True]
