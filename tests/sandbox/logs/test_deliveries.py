"""The sandbox's delivery of execution logs: what CloudWatch Logs accepts and refuses, and where lines are written."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from sandbox.core.iam import required_permissions
from sandbox.services.apigateway.request_logs import write_execution_log
from testing.accounts import (
    PUSH_POLICY,
    log_groups,
    make_delivery,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
    stage_arn,
)

THEIRS = "/teams/shop/execution"
ARN = f"arn:aws:logs:us-east-1:{Sandbox.account_id}:log-group:{THEIRS}"


def stage(sandbox: Sandbox, level: str = "ERROR") -> str:
    """Create a REST API whose stage writes execution logs. Return the API's id."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", level))
    return api_id


def code(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call(**params)
    return str(refusal.value.response["Error"]["Code"])


@pytest.fixture
def logs(sandbox: Sandbox) -> Any:
    sandbox.iam_propagation_seconds = 0
    client = sandbox.client("logs")
    client.create_log_group(logGroupName=THEIRS)
    return client


def test_delivery_is_described_as_it_was_created(sandbox: Sandbox, logs: Any) -> None:
    api_id = stage(sandbox)
    delivery_id = make_delivery(sandbox, api_id, ARN)
    [source] = logs.describe_delivery_sources()["deliverySources"]
    assert source == logs.get_delivery_source(name="shop")["deliverySource"]
    assert (source["resourceArns"], source["service"]) == ([stage_arn(api_id)], "apigateway")
    [delivery] = logs.describe_deliveries()["deliveries"]
    assert delivery == logs.get_delivery(id=delivery_id)["delivery"]
    assert (delivery["deliverySourceName"], delivery["deliveryDestinationType"]) == ("shop", "CWL")
    destination = logs.get_delivery_destination(name="shop")["deliveryDestination"]
    assert destination["deliveryDestinationConfiguration"] == {"destinationResourceArn": ARN}
    assert delivery["deliveryDestinationArn"] == destination["arn"]
    logs.update_delivery_configuration(id=delivery_id, recordFields=["a"])
    assert logs.get_delivery(id=delivery_id)["delivery"]["recordFields"] == ["a"]
    assert "nextToken" not in logs.describe_delivery_destinations()


def test_while_a_delivery_exists_nothing_is_written_to_the_standard_group(sandbox: Sandbox, logs: Any) -> None:
    api_id = stage(sandbox)
    standard = f"API-Gateway-Execution-Logs_{api_id}/prod"
    delivery_id = make_delivery(sandbox, api_id, ARN)
    assert write_execution_log(sandbox, api_id, "prod") == [THEIRS]
    assert standard not in log_groups(sandbox)
    logs.delete_log_group(logGroupName=THEIRS)
    assert write_execution_log(sandbox, api_id, "prod") == []
    logs.delete_delivery(id=delivery_id)
    assert write_execution_log(sandbox, api_id, "prod") == [standard]
    assert log_groups(sandbox)[standard] is None, "API Gateway sets no retention"


def test_level_off_keeps_the_delivery_and_writes_nothing(sandbox: Sandbox, logs: Any) -> None:
    api_id = stage(sandbox)
    make_delivery(sandbox, api_id, ARN)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
    assert write_execution_log(sandbox, api_id, "prod") == []
    assert len(logs.describe_deliveries()["deliveries"]) == 1


def test_source_of_a_stage_without_execution_logs_is_refused(sandbox: Sandbox, logs: Any) -> None:
    api_id = stage(sandbox, "OFF")
    put = logs.put_delivery_source
    assert code(put, name="a", resourceArn=stage_arn(api_id), logType="EXECUTION_LOGS") == "ValidationException"
    other = {"name": "a", "resourceArn": stage_arn(api_id, "none"), "logType": "EXECUTION_LOGS"}
    assert code(put, **other) == "ResourceNotFoundException"
    assert code(put, name="a", resourceArn=stage_arn(api_id), logType="ACCESS_LOGS") == "ValidationException"


@pytest.mark.parametrize("is_taken", [False, True])
def test_stage_arn_without_the_account_is_accepted_or_refused(sandbox: Sandbox, logs: Any, *, is_taken: bool) -> None:
    sandbox.turn(takes_delivery_sources_without_account=is_taken)
    api_id = stage(sandbox)
    short = stage_arn(api_id).replace(Sandbox.account_id, "")
    if is_taken:
        make_delivery(sandbox, api_id, ARN, source_arn=short)
        assert write_execution_log(sandbox, api_id, "prod") == [THEIRS]
    else:
        params = {"name": "a", "resourceArn": short, "logType": "EXECUTION_LOGS"}
        assert code(logs.put_delivery_source, **params) == "ValidationException"


def test_resource_has_one_source_and_a_source_one_resource(sandbox: Sandbox, logs: Any) -> None:
    first, second = stage(sandbox), make_rest_stage(sandbox)
    patch_stage(sandbox, second, ("replace", "/*/*/logging/loglevel", "ERROR"))
    put, kind = logs.put_delivery_source, "EXECUTION_LOGS"
    put(name="a", resourceArn=stage_arn(first), logType=kind)
    assert put(name="a", resourceArn=stage_arn(first), logType=kind)["deliverySource"]["name"] == "a"
    assert code(put, name="a", resourceArn=stage_arn(second), logType=kind) == "ConflictException"
    assert code(put, name="b", resourceArn=stage_arn(first), logType=kind) == "ConflictException"


def test_source_and_destination_in_use_cannot_be_deleted(sandbox: Sandbox, logs: Any) -> None:
    delivery_id = make_delivery(sandbox, stage(sandbox), ARN)
    assert code(logs.delete_delivery_source, name="shop") == "ConflictException"
    assert code(logs.delete_delivery_destination, name="shop") == "ConflictException"
    arn = logs.get_delivery_destination(name="shop")["deliveryDestination"]["arn"]
    again = {"deliverySourceName": "shop", "deliveryDestinationArn": arn}
    assert code(logs.create_delivery, **again) == "ConflictException"
    logs.delete_delivery(id=delivery_id)
    logs.delete_delivery_source(name="shop")
    logs.delete_delivery_destination(name="shop")
    for call, params in (
        (logs.delete_delivery, {"id": delivery_id}),
        (logs.get_delivery, {"id": delivery_id}),
        (logs.update_delivery_configuration, {"id": delivery_id}),
        (logs.get_delivery_source, {"name": "shop"}),
        (logs.delete_delivery_source, {"name": "shop"}),
        (logs.get_delivery_destination, {"name": "shop"}),
        (logs.delete_delivery_destination, {"name": "shop"}),
        (logs.create_delivery, again),
    ):
        assert code(call, **params) == "ResourceNotFoundException"


def test_lists_come_in_pages_and_can_be_filtered(sandbox: Sandbox, logs: Any) -> None:
    distribution = f"arn:aws:cloudfront::{Sandbox.account_id}:distribution/E"
    for number in range(60):
        logs.put_delivery_source(name=f"s{number}", resourceArn=f"{distribution}{number}", logType="ACCESS_LOGS")
    pages = [page["deliverySources"] for page in logs.get_paginator("describe_delivery_sources").paginate()]
    assert [len(page) for page in pages] == [50, 10]
    found = logs.describe_delivery_sources(resourceArns=[f"{distribution}7"])["deliverySources"]
    assert [source["name"] for source in found] == ["s7"]


def test_destination_accepts_only_another_resource_of_its_type(sandbox: Sandbox, logs: Any) -> None:
    del sandbox
    put = logs.put_delivery_destination

    def to(arn: str) -> dict[str, Any]:
        return {"name": "a", "deliveryDestinationConfiguration": {"destinationResourceArn": arn}}

    put(**to(ARN), outputFormat="json")
    changed = put(**to(f"{ARN}-2"))["deliveryDestination"]
    assert changed["deliveryDestinationConfiguration"] == {"destinationResourceArn": f"{ARN}-2"}
    assert code(put, **to("arn:aws:s3:::logs"), outputFormat="json") == "ConflictException"
    assert code(put, **to(ARN), outputFormat="plain") == "ValidationException"
    assert code(put, **to("arn:aws:sqs:us-east-1:1:q")) == "ValidationException"


def test_calls_are_recorded_by_cloudtrail(sandbox: Sandbox, logs: Any) -> None:
    api_id = stage(sandbox)
    delivery_id = make_delivery(sandbox, api_id, ARN)
    logs.delete_delivery(id=delivery_id)
    put, created, deleted = (
        next(each for each in sandbox.trail if each["eventName"] == name)
        for name in ("PutDeliverySource", "CreateDelivery", "DeleteDelivery")
    )
    assert put["requestParameters"] == {
        "name": "shop",
        "resourceArn": stage_arn(api_id),
        "logType": "EXECUTION_LOGS",
    }
    assert put["responseElements"]["deliverySource"]["resourceArns"] == [stage_arn(api_id)]
    assert created["requestParameters"]["deliverySourceName"] == "shop"
    assert created["responseElements"]["delivery"]["id"] == delivery_id
    assert (deleted["requestParameters"], deleted["responseElements"]) == ({"id": delivery_id}, None)


def test_calls_need_permissions_on_the_resources_they_name(sandbox: Sandbox, logs: Any) -> None:
    delivery_id = make_delivery(sandbox, stage(sandbox), ARN)
    logs.describe_deliveries()
    logs.get_delivery(id=delivery_id)
    asked: dict[str, list[required_permissions.Need]] = {}
    for made in sandbox.calls:
        asked[made.call.operation] = list(made.needs)
    place = f"arn:aws:logs:us-east-1:{Sandbox.account_id}"
    assert [need.resource for need in asked["CreateDelivery"]] == [
        f"{place}:delivery-source:shop",
        f"{place}:delivery-destination:shop",
        f"{place}:delivery:*",
    ]
    assert asked["GetDelivery"] == [required_permissions.Need("logs:GetDelivery", f"{place}:delivery:{delivery_id}")]
    assert asked["DescribeDeliveries"] == [required_permissions.Need("logs:DescribeDeliveries", "*")]


def test_without_a_log_role_nothing_is_written_to_the_standard_group(sandbox: Sandbox) -> None:
    sandbox.iam_propagation_seconds = 0
    api_id = stage(sandbox)
    iam = sandbox.client("iam")
    iam.detach_role_policy(RoleName="Logs", PolicyArn=PUSH_POLICY)
    assert write_execution_log(sandbox, api_id, "prod") == []
    iam.delete_role(RoleName="Logs")
    assert write_execution_log(sandbox, api_id, "prod") == []
