"""Stages with a log delivery of their execution logs need no standard log group, until the delivery is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.events.sweep_work import Work
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.stages import Protocol
from log_keeper.sweep import Sweep, Swept
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.request_logs import write_execution_log
from testing.accounts import (
    log_groups,
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
    stage_arn,
)
from testing.builders import ACCOUNT, record, settings_with, updated
from testing.deliveries import Deliver
from testing.published import Refusal, findings, outcomes

THEIRS = "/teams/shop/execution"
ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{THEIRS}"


def standard(api_id: str) -> str:
    return f"API-Gateway-Execution-Logs_{api_id}/prod"


def delivery_event(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return record(name, parameters, eventSource="logs.amazonaws.com")


def operations(sandbox: Sandbox, since: int) -> list[str]:
    """Return which operations about deliveries Log Keeper called."""
    return [
        each.call.operation
        for each in sandbox.calls[since:]
        if "Deliver" in each.call.operation and "log-keeper" in each.call.user_agent
    ]


@pytest.fixture
def api_id(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> str:
    """Create a compliant REST API without standard log groups, and a log group for deliveries. Return the API's id."""
    del environment
    set_log_role(sandbox, make_role(sandbox))
    sandbox.client("logs").create_log_group(logGroupName=THEIRS)
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "ERROR"))
    return api_id


@pytest.mark.parametrize("is_short", [False, True])
def test_stage_with_a_delivery_gets_no_standard_log_group(
    sandbox: Sandbox, api_id: str, deliver: Deliver, caplog: pytest.LogCaptureFixture, *, is_short: bool
) -> None:
    sandbox.turn(takes_delivery_sources_without_account=is_short)
    arn = stage_arn(api_id)
    make_delivery(sandbox, api_id, ARN, source_arn=arn.replace(ACCOUNT, "") if is_short else arn)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert standard(api_id) not in log_groups(sandbox)
    assert f"/aws/vendedlogs/apigateway/{api_id}/prod" in log_groups(sandbox), "the rest is remediated"
    assert log_groups(sandbox)[THEIRS] is None, "its retention is the owner's"
    assert findings(sandbox, since) == [(Problem.DELIVERED_ELSEWHERE, ARN)]
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["remediated", "compliant"]
    assert write_execution_log(sandbox, api_id, "prod") == [THEIRS]


def test_deleted_standard_log_group_of_such_a_stage_is_not_created_again(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    assert deliver(updated(api_id)) == []
    assert standard(api_id) in log_groups(sandbox)
    make_delivery(sandbox, api_id, ARN)
    assert deliver(updated(api_id)) == []
    assert standard(api_id) in log_groups(sandbox), "one that exists is left"
    sandbox.client("logs").delete_log_group(logGroupName=standard(api_id))
    assert deliver(delivery_event("DeleteLogGroup", {"logGroupName": standard(api_id)})) == []
    assert standard(api_id) not in log_groups(sandbox)


def test_deleted_delivery_brings_the_standard_log_group_back_with_a_retention(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    others = [make_rest_stage(sandbox) for _ in range(2)]
    for number, other in enumerate(others):
        patch_stage(sandbox, other, ("replace", "/*/*/logging/loglevel", "ERROR"))
        make_delivery(sandbox, other, ARN, f"other-{number}")
    delivery_id = make_delivery(sandbox, api_id, ARN)
    assert deliver(*(updated(each) for each in (api_id, *others))) == []
    sandbox.client("logs").delete_delivery(id=delivery_id)
    since = len(sandbox.calls)
    assert deliver(delivery_event("DeleteDelivery", {"id": delivery_id})) == []
    assert log_groups(sandbox)[standard(api_id)] == 30
    assert write_execution_log(sandbox, api_id, "prod") == [standard(api_id)]
    assert not any(standard(other) in log_groups(sandbox) for other in others)
    stages = [each for each in sandbox.calls[since:] if each.call.operation == "GetStage"]
    assert len(stages) == 1, "stages that still have a delivery are not read"


def test_deleted_delivery_of_another_service_costs_one_call(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
    sandbox.client("logs").put_delivery_source(name="web", resourceArn=arn, logType="ACCESS_LOGS")
    since = len(sandbox.calls)
    for name, parameters in (
        ("DeleteDelivery", {"id": "3oe1lIPFIsE2Ol5x"}),
        ("CreateDelivery", {"deliverySourceName": "web", "deliveryDestinationArn": "arn"}),
        ("PutDeliveryDestination", {"name": "web"}),
    ):
        assert deliver(delivery_event(name, parameters)) == []
    assert operations(sandbox, since) == ["DescribeDeliverySources"] * 3
    assert standard(api_id) not in log_groups(sandbox)


def test_created_delivery_is_evaluated_at_once(
    sandbox: Sandbox, api_id: str, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """The standard log group exists by then, and no other event would lead to a read of the deliveries."""
    assert deliver(updated(api_id)) == []
    caplog.clear()
    make_delivery(sandbox, api_id, f"{ARN}-missing")
    since = len(sandbox.calls)
    assert deliver(delivery_event("CreateDelivery", {"deliverySourceName": "shop"})) == []
    assert findings(sandbox, since) == [(Problem.DELIVERY_LOST, f"{ARN}-missing")]
    assert outcomes(caplog) == ["non-compliant"]
    sandbox.client("logs").put_delivery_destination(
        name="shop", deliveryDestinationConfiguration={"destinationResourceArn": ARN}
    )
    assert deliver(delivery_event("PutDeliveryDestination", {"name": "shop"})) == []
    assert outcomes(caplog) == ["compliant"]
    source = {"name": "shop", "resourceArn": stage_arn(api_id), "logType": "EXECUTION_LOGS"}
    assert deliver(delivery_event("PutDeliverySource", source)) == []
    assert outcomes(caplog) == ["compliant"]


def test_delivery_to_a_deleted_log_group_is_reported_and_not_retried(
    sandbox: Sandbox, api_id: str, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    make_delivery(sandbox, api_id, ARN)
    assert deliver(updated(api_id)) == []
    caplog.clear()
    sandbox.client("logs").delete_log_group(logGroupName=THEIRS)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == [], "another try would change nothing"
    assert findings(sandbox, since) == [(Problem.DELIVERY_LOST, ARN)]
    assert outcomes(caplog) == ["non-compliant"]
    assert THEIRS not in log_groups(sandbox), "it is the owner's"
    assert standard(api_id) not in log_groups(sandbox), "nothing would be written there"


def test_delivery_to_a_firehose_stream_that_does_not_exist_is_a_finding(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    stream = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/execution"
    make_delivery(sandbox, api_id, stream)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == [(Problem.DELIVERY_LOST, stream)]
    refusal = Refusal(sandbox, "DescribeDeliveryStream")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    refusal.end()
    assert findings(sandbox, since) == [(Problem.DELIVERED_ELSEWHERE, stream)], "one that may not be read is believed"
    bucket = {"S3DestinationConfiguration": {"RoleARN": make_role(sandbox, "Push"), "BucketARN": "arn:aws:s3:::logs"}}
    sandbox.client("firehose").create_delivery_stream(DeliveryStreamName="execution", **bucket)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == [(Problem.DELIVERED_ELSEWHERE, stream)]


def test_bucket_is_assumed_to_exist(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    make_delivery(sandbox, api_id, "arn:aws:s3:::execution-logs")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == [(Problem.DELIVERED_ELSEWHERE, "arn:aws:s3:::execution-logs")]


def test_standard_log_group_that_receives_the_delivery_is_kept(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    make_delivery(sandbox, api_id, ARN.replace(THEIRS, standard(api_id)))
    assert deliver(updated(api_id)) == []
    assert log_groups(sandbox)[standard(api_id)] == 30
    assert write_execution_log(sandbox, api_id, "prod") == [standard(api_id)]


def test_deliveries_are_not_read_for_a_stage_with_its_log_groups(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert operations(sandbox, since) == ["DescribeDeliverySources"], "one list tells that there is none"
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert operations(sandbox, since) == []


def test_message_is_retried_if_the_deliveries_cannot_be_listed(sandbox: Sandbox, api_id: str, deliver: Deliver) -> None:
    """Creating the log group without the list could be wrong, and the stage would count as compliant."""
    refusal = Refusal(sandbox, "DescribeDeliverySources")
    assert deliver(updated(api_id)) == ["0"]
    refusal.end()
    assert deliver(updated(api_id)) == []


def test_audit_reports_a_lost_delivery_and_changes_nothing(
    sandbox: Sandbox,
    api_id: str,
    environment: pytest.MonkeyPatch,
    deliver: Deliver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_delivery(sandbox, api_id, ARN)
    assert deliver(updated(api_id)) == []
    sandbox.client("logs").delete_log_group(logGroupName=THEIRS)
    environment.setenv("MODE", "Audit")
    from handlers import enforce

    enforce.enforce_handler.cache_clear()
    caplog.clear()
    before, since = log_groups(sandbox), len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["non-compliant"]
    assert findings(sandbox, since) == [(Problem.DELIVERY_LOST, ARN)]
    assert log_groups(sandbox) == before


def test_sweep_reads_the_lists_once_and_queues_no_lost_delivery(
    sandbox: Sandbox, api_id: str, deliver: Deliver
) -> None:
    names = [api_id, *(make_rest_stage(sandbox) for _ in range(30))]
    for name in names:
        patch_stage(sandbox, name, ("replace", "/*/*/logging/loglevel", "ERROR"))
    make_delivery(sandbox, names[0], ARN)
    make_delivery(sandbox, names[1], f"{ARN}-missing", "other")
    assert deliver(*map(updated, names)) == []
    url = sandbox.client("sqs").create_queue(QueueName="Stages")["QueueUrl"]
    settings, evaluations = settings_with(stage_queue_url=url), list[Evaluation]()

    def swept() -> Swept:
        clients = Clients(lambda: Pace(1e6, sleep=lambda _: None))
        return Sweep(clients, settings, lambda: datetime.now(UTC), lambda: True, evaluations.append).run(
            Work("us-east-1")
        )

    since = len(sandbox.calls)
    found = swept()
    assert not found.errors
    asked = operations(sandbox, since)
    assert sorted(asked) == [
        "DescribeDeliveries",
        "DescribeDeliverySources",
        "GetDeliveryDestination",
        "GetDeliveryDestination",
    ]
    assert (found.counts[Protocol.REST].evaluated, found.counts[Protocol.REST].compliant) == (31, 30)
    assert {evaluation.stage.ref.api_id: evaluation.findings for evaluation in evaluations if evaluation.findings} == {
        names[0]: (Finding(Problem.DELIVERED_ELSEWHERE, ARN),),
        names[1]: (Finding(Problem.DELIVERY_LOST, f"{ARN}-missing"),),
    }
    assert "Messages" not in sandbox.client("sqs").receive_message(QueueUrl=url)


def test_sweep_of_http_apis_reads_no_deliveries(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
    del environment
    make_http_stage(sandbox)
    url = sandbox.client("sqs").create_queue(QueueName="Stages")["QueueUrl"]
    since = len(sandbox.calls)
    Sweep(
        Clients(lambda: Pace(1e6, sleep=lambda _: None)),
        settings_with(stage_queue_url=url),
        lambda: datetime.now(UTC),
        lambda: True,
        lambda _: None,
    ).run(Work("us-east-1"))
    assert operations(sandbox, since) == []
