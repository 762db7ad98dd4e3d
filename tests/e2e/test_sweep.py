"""Deployed into an account with stages: all of them are remediated."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import (
    log_role,
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
    set_log_role,
    v2_stage,
)
from testing.builders import sample
from testing.stacks import Deployed
from testing.sweeps import sweep, sweep_log


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=1, clock=MovableClock()) as sandbox:
        # Where the trail writes that tests stop and start again.
        sandbox.client("s3").create_bucket(Bucket="organization-trail")
        yield sandbox


@pytest.fixture(scope="module")
def older(account: Sandbox) -> dict[str, list[str]]:
    """APIs whose stages were there before."""
    return {
        "rest": [make_rest_stage(account) for _ in range(6)],
        "http": [make_http_stage(account) for _ in range(2)],
        "websocket": [make_websocket_stage(account) for _ in range(2)],
    }


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, older: dict[str, list[str]]) -> Deployed:
    deployed = Deployed(account, deployment.deploy(account, {"SettleSeconds": "10", "SweepRate": "10"}))
    deployed.begin_first_sweep()
    return deployed


def test_existing_stages_are_remediated_after_the_deployment(stack: Deployed, older: dict[str, list[str]]) -> None:
    for api_id in older["rest"]:
        stack.wait_until_compliant(api_id)
    for kind, stage_name in (("http", "$default"), ("websocket", "prod")):
        for api_id in older[kind]:
            stack.sandbox.wait_until(lambda: v2_stage(stack.sandbox, api_id, stage_name).get("AccessLogSettings"))  # noqa: B023
    assert log_role(stack.sandbox) is not None
    assert stack.wait_until_quiet() == 0


def test_first_sweep_reads_each_api_once_and_writes_each_stage_once(
    stack: Deployed, older: dict[str, list[str]]
) -> None:
    """Its messages have the stages as they were read. SQS names the role of the Sweep function as their sender."""
    of_stages = [made.call for made in stack.sandbox.calls if "log-keeper" in made.call.user_agent]
    names = [call.operation for call in of_stages]
    apis = sum(map(len, older.values()))
    assert names.count("UpdateStage") == apis
    # A slow machine may need longer than the few seconds for which the stages in a message are used.
    assert names.count("GetStages") + names.count("GetStage") <= 2 * apis
    roles = {call.caller.role_arn for call in of_stages if call.operation == "GetStages"}
    assert any("-SweepRole-" in str(role) for role in roles)


def test_message_of_another_sender_makes_the_function_read_the_api(
    stack: Deployed, older: dict[str, list[str]]
) -> None:
    api_id = older["rest"][3]
    before = len(stack.sandbox.calls)
    message = sample("api-to-evaluate")
    message["detail"] |= {"apiId": api_id}
    stack.sandbox.client("sqs").send_message(QueueUrl=stack.outputs["StageQueueUrl"], MessageBody=json.dumps(message))

    def read() -> bool:
        calls = [made.call for made in stack.sandbox.calls[before:] if made.call.operation == "GetStages"]
        return any(
            "-EnforceRole-" in str(call.caller.role_arn) and call.params["restApiId"] == api_id for call in calls
        )

    stack.sandbox.wait_until(read)
    assert stack.wait_until_quiet() == 0


def test_sweep_of_compliant_stages_costs_the_lists_and_a_call_for_each_api(
    stack: Deployed, older: dict[str, list[str]]
) -> None:
    stack.wait_until_quiet()
    before, invocations = len(stack.sandbox.calls), stack.invocations()
    sweep(stack)
    made = [
        record.call.operation
        for record in stack.sandbox.calls[before:]
        if record.call.service.startswith("apigateway") and "log-keeper" in record.call.user_agent
    ]
    assert sorted(made) == sorted(["GetRestApis", "GetApis", "GetAccount", *["GetStages"] * 10])
    assert stack.invocations() == invocations


def test_sweep_finds_changes_without_a_record(stack: Deployed, older: dict[str, list[str]]) -> None:
    """Of the stage, and of the account's log role."""
    api_id = older["rest"][0]
    trails = stack.sandbox.client("cloudtrail")
    trails.stop_logging(Name="organization")
    patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
    set_log_role(stack.sandbox, "")
    trails.start_logging(Name="organization")
    sweep(stack)
    stack.wait_until_compliant(api_id)
    stack.sandbox.wait_until(lambda: log_role(stack.sandbox) is not None)
    assert stack.wait_until_quiet() == 0


def test_sweep_reports_execution_logs_that_are_delivered_to_nothing(
    stack: Deployed, older: dict[str, list[str]]
) -> None:
    """Once a sweep, and without a message for a stage about which nothing can be done."""
    stream = f"arn:aws:firehose:us-east-1:{stack.sandbox.account_id}:deliverystream/gone"
    stack.wait_until_compliant(older["rest"][2])
    delivery_id = make_delivery(stack.sandbox, older["rest"][2], stream)
    stack.wait_until_logged("non-compliant", older["rest"][2], "a log delivery sends execution logs", stream)
    stack.wait_until_quiet()
    invocations = stack.invocations()
    sweep(stack)
    lost = [line for line in sweep_log(stack) if "a log delivery sends execution logs" in line and stream in line]
    assert len(lost) == 1
    assert stack.invocations() == invocations
    stack.sandbox.client("logs").delete_delivery(id=delivery_id)
    assert stack.wait_until_quiet() == 0


def test_change_is_published_on_the_bus(stack: Deployed, older: dict[str, list[str]]) -> None:
    """The event has the changes, the owner of the stage, and the event that led to them."""
    sqs, events = stack.sandbox.client("sqs"), stack.sandbox.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name="hear", EventPattern=json.dumps({"source": ["log-keeper"]}))["RuleArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="hear", Targets=[{"Id": "heard", "Arn": arn}])
    patch_stage(stack.sandbox, older["rest"][1], ("replace", "/*/*/logging/loglevel", "INFO"))
    [message] = stack.sandbox.wait_until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    event = json.loads(message["Body"])
    assert (event["detail-type"], event["detail"]["stage"]["apiId"]) == ("Stage Logging Remediated", older["rest"][1])
    [change] = event["detail"]["changes"]
    assert (change["setting"], change["from"], change["to"]) == ("execution logging level", "INFO", "ERROR")
    assert event["detail"]["cause"]["eventName"] == "UpdateStage"


def test_region_without_a_trail_is_a_finding(stack: Deployed) -> None:
    trails = stack.sandbox.client("cloudtrail")
    trails.stop_logging(Name="organization")
    words = "no CloudTrail trail logs management write events"
    assert not any(words in line for line in sweep_log(stack))
    sweep(stack)
    trails.start_logging(Name="organization")
    assert any(words in line for line in sweep_log(stack))
