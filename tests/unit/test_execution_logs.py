"""Which stage a delivery of execution logs belongs to, and what such a stage does not need."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime

import pytest

from log_keeper.events.cloudtrail import read_event
from log_keeper.events.delivery_events import DELIVERY_EVENTS
from log_keeper.events.hints import DeliveryNamed, Hint, Ignored, IgnoreReason
from log_keeper.events.stage_arns import stage_of_source
from log_keeper.policy.evaluation import Evaluation, Facts, evaluate
from log_keeper.policy.execution_logs import Delivery, destination_name, log_group_of, needs_deliveries, stream_of
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroupFacts, LogGroupStep
from log_keeper.policy.log_role import LogRoleFacts
from log_keeper.stages import Protocol, Stage
from testing.builders import ACCOUNT, POLICY, REF, REGION, V2_REF, record, rest_stage

NOW = datetime(2026, 11, 2, tzinfo=UTC)
WITH_ACCOUNT = f"arn:aws:apigateway:{REGION}:{ACCOUNT}:/restapis/a1b2c3d4e5/stages/prod"
WITHOUT_ACCOUNT = f"arn:aws:apigateway:{REGION}::/restapis/a1b2c3d4e5/stages/prod"
STANDARD = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
ACCESS = "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod"
THEIRS = "/teams/shop/execution"
THERE = LogGroupFacts(NOW, expires=True)
BUCKET = Delivery("arn:aws:s3:::logs")


def group(name: str) -> Delivery:
    """Return a delivery to a log group."""
    return Delivery(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}", name)


def evaluated(*deliveries: Delivery, existing: tuple[str, ...] = (ACCESS,), stage: Stage | None = None) -> Evaluation:
    facts = Facts(dict.fromkeys(existing, THERE), execution_log_deliveries={REF: deliveries} if deliveries else {})
    return evaluate(stage or rest_stage(), POLICY, facts, NOW)


@pytest.mark.parametrize("arn", [WITH_ACCOUNT, WITHOUT_ACCOUNT, WITH_ACCOUNT.replace("arn:aws:", "arn:aws-us-gov:")])
def test_source_names_its_stage_in_either_form_of_the_arn(arn: str) -> None:
    assert stage_of_source(arn, "EXECUTION_LOGS", account=ACCOUNT, region=REGION) == REF


@pytest.mark.parametrize(
    ("arn", "log_type"),
    [
        (WITH_ACCOUNT, "ACCESS_LOGS"),
        (WITH_ACCOUNT.replace(ACCOUNT, "999999999999"), "EXECUTION_LOGS"),
        (WITH_ACCOUNT.replace(REGION, "eu-west-1"), "EXECUTION_LOGS"),
        (WITH_ACCOUNT.replace("restapis", "apis"), "EXECUTION_LOGS"),
        (WITH_ACCOUNT + "/more", "EXECUTION_LOGS"),
        (WITH_ACCOUNT.replace("prod", "$default"), "EXECUTION_LOGS"),
        (f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1", "EXECUTION_LOGS"),
        (None, "EXECUTION_LOGS"),
        (7, "EXECUTION_LOGS"),
    ],
)
def test_other_sources_name_no_stage(arn: object, log_type: str) -> None:
    assert stage_of_source(arn, log_type, account=ACCOUNT, region=REGION) is None


def test_destination_of_a_delivery_is_recognised_by_its_arn() -> None:
    place = {"account": ACCOUNT, "region": REGION}
    arn = group(THEIRS).receiver
    assert log_group_of(arn, partition="aws", **place) == THEIRS
    assert log_group_of(f"{arn}:*", partition="aws", **place) == THEIRS
    assert log_group_of(arn.replace(ACCOUNT, "999999999999"), partition="aws", **place) is None
    assert log_group_of(BUCKET.receiver, partition="aws", **place) is None
    stream = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/logs"
    assert stream_of(stream, **place) == "logs"
    assert stream_of(stream.replace(REGION, "eu-west-1"), **place) is None
    destination = f"arn:aws:logs:{REGION}:{ACCOUNT}:delivery-destination:shop"
    assert destination_name(destination, **place) == "shop"
    assert destination_name(destination.replace(ACCOUNT, "999999999999"), **place) is None


def test_stage_with_a_delivery_needs_no_standard_log_group() -> None:
    assert [each.name for each in evaluated().required_log_groups] == [STANDARD]
    found = evaluated(BUCKET)
    assert found.is_compliant
    assert found.findings == (Finding(Problem.DELIVERED_ELSEWHERE, BUCKET.receiver),)


def test_canary_of_a_stage_with_a_delivery_needs_no_log_group_either() -> None:
    stage = rest_stage(has_canary=True)
    required = evaluated(BUCKET, existing=(ACCESS, f"{ACCESS}/Canary"), stage=stage).required_log_groups
    assert required == {}


def test_standard_log_group_that_exists_keeps_its_rules() -> None:
    never = LogGroupFacts(NOW, expires=False)
    facts = Facts({ACCESS: THERE, STANDARD: never}, execution_log_deliveries={REF: (BUCKET,)})
    assert list(evaluate(rest_stage(), POLICY, facts, NOW).required_log_groups.values()) == [LogGroupStep.SET_RETENTION]


def test_standard_log_group_that_a_delivery_goes_to_is_required() -> None:
    """API Gateway's guide recommends it, to keep retention and filters."""
    found = evaluated(group(STANDARD))
    assert [each.name for each in found.required_log_groups] == [STANDARD]
    assert not found.is_silenced, "the log group is created"
    assert found.findings == (Finding(Problem.DELIVERED_ELSEWHERE, group(STANDARD).receiver),)


@pytest.mark.parametrize("lost", [group(THEIRS), Delivery("arn:aws:firehose:x", is_lost=True)])
def test_delivery_without_a_destination_is_a_finding_without_a_change(lost: Delivery) -> None:
    found = evaluated(lost)
    assert found.findings == (Finding(Problem.DELIVERY_LOST, lost.receiver),)
    assert found.is_silenced
    assert not found.is_compliant
    assert not found.requires_changes, "the sweep does not queue it again and again"


def test_one_working_delivery_of_two_is_enough() -> None:
    found = evaluated(group(THEIRS), BUCKET)
    assert {finding.problem for finding in found.findings} == {Problem.DELIVERY_LOST, Problem.DELIVERED_ELSEWHERE}
    assert found.is_compliant


def test_missing_access_log_group_is_not_an_existing_destination() -> None:
    stage = rest_stage(destination=group(THEIRS).receiver)
    assert evaluated(group(THEIRS), existing=(), stage=stage).is_silenced


def test_log_role_needs_no_permission_for_logs_that_are_delivered() -> None:
    denied = LogRoleFacts(f"arn:aws:iam::{ACCOUNT}:role/Logs", {STANDARD: ("logs:PutLogEvents",)})
    facts = Facts({ACCESS: THERE, STANDARD: THERE}, denied)
    assert evaluate(rest_stage(), POLICY, facts, NOW).is_silenced
    assert evaluate(rest_stage(), POLICY, replace(facts, execution_log_deliveries={REF: (BUCKET,)}), NOW).is_compliant


def test_deliveries_are_read_only_if_they_matter() -> None:
    stage = rest_stage()
    assert not needs_deliveries(stage, {STANDARD}, ())
    assert needs_deliveries(stage, {ACCESS}, ())
    assert needs_deliveries(stage, {STANDARD}, {STANDARD: ("logs:PutLogEvents",)})
    assert needs_deliveries(rest_stage(has_canary=True), {STANDARD}, ())
    assert not needs_deliveries(rest_stage(ref=V2_REF, protocol=Protocol.WEBSOCKET), set(), ())


def read(name: str, parameters: object, **detail: object) -> Hint:
    event = record(name, parameters, eventSource="logs.amazonaws.com", **detail)
    return read_event(event, account=ACCOUNT, regions=(REGION,), own_role_arn="")


@pytest.mark.parametrize("name", sorted(DELIVERY_EVENTS - {"DeleteDelivery"}))
@pytest.mark.parametrize("parameters", [None, "truncated", {}, {"name": 1}, {"deliverySourceName": []}])
def test_record_without_a_delivery_source_is_ignored(name: str, parameters: object) -> None:
    assert read(name, parameters) == Ignored(IgnoreReason.NO_STAGE, name)


def test_delivery_source_of_another_type_is_ignored() -> None:
    parameters = {
        "name": "a",
        "resourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
        "logType": "ACCESS_LOGS",
    }
    assert read("PutDeliverySource", parameters) == Ignored(IgnoreReason.NO_STAGE, "PutDeliverySource")


def test_record_of_a_deleted_delivery_names_only_its_region() -> None:
    assert read("DeleteDelivery", {"id": "x"}) == DeliveryNamed(REGION)
    assert read("DeleteDelivery", None, errorCode="ConflictException") == Ignored(
        IgnoreReason.FAILED_CALL, "DeleteDelivery"
    )
