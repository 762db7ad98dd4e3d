"""Schedules invoke functions and put events on buses; stacks create schedules."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from testing.clients import client
from testing.functions import LOGS, function
from testing.iam import allow
from testing.schedules import ACCOUNT, QUEUE, ROLE, names, request, schedule, texts


def test_function_is_run_asynchronously_with_the_schedules_input(sandbox: Sandbox, clock: MovableClock) -> None:
    arn = function(sandbox, "def handler(event, context):\n    return event", policy=LOGS)
    target = {"Arn": arn, "Input": json.dumps({"stage": "prod", "due": "<aws.scheduler.scheduled-time>"})}
    client(sandbox, "iam").put_role_policy(
        RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("lambda:InvokeFunction", resource=arn)
    )
    schedule(sandbox, Target=target)
    no_input = request(Name="plain")
    no_input["Target"] = {"Arn": arn, "RoleArn": ROLE}
    plain = client(sandbox, "scheduler").create_schedule(**no_input)["ScheduleArn"]

    clock.advance(timedelta(hours=1))

    invoked = sandbox.service(LambdaRuntime).invoked
    sandbox.wait_until(lambda: len(invoked) == 2)
    events = sorted((json.loads(each.payload) for each in invoked), key=len)
    assert events[0] == {"stage": "prod", "due": "2027-03-01T13:00:00Z"}
    assert (events[1]["source"], events[1]["resources"]) == ("aws.scheduler", [plain])


def test_schedule_puts_an_event_on_a_bus(sandbox: Sandbox, clock: MovableClock) -> None:
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    _rule_to_queue(sandbox, EventPattern='{"source": ["keeper"]}')
    client(sandbox, "iam").put_role_policy(
        RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("events:PutEvents", resource=bus)
    )
    parameters = {"DetailType": "Due", "Source": "keeper"}
    schedule(sandbox, Target={"Arn": bus, "Input": '{"a": 1}', "EventBridgeParameters": parameters})
    clock.advance(timedelta(hours=1))
    [event] = [json.loads(body) for body in texts(sandbox)]
    assert (event["detail-type"], event["detail"]) == ("Due", {"a": 1})


def _rule_to_queue(sandbox: Sandbox, **given: str) -> str:
    events, sqs = client(sandbox, "events"), client(sandbox, "sqs")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": QUEUE,
    }  # fmt: skip
    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement]})})
    arn: str = events.put_rule(Name="rule", **given)["RuleArn"]
    events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": QUEUE}])
    return arn


def test_rule_with_a_schedule_is_due_on_the_same_clock(sandbox: Sandbox, clock: MovableClock) -> None:
    arn = _rule_to_queue(sandbox, ScheduleExpression="rate(1 day)")
    clock.advance(timedelta(hours=23))
    assert texts(sandbox) == []

    clock.advance(timedelta(days=1))

    [event] = [json.loads(body) for body in texts(sandbox)]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert (event["resources"], event["time"][:10]) == ([arn], "2027-03-02")
    client(sandbox, "events").disable_rule(Name="rule")
    clock.advance(timedelta(days=2))
    assert texts(sandbox) == []


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Sweep:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): return event"
      Events:
        Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), Input: '"v2"'}}
        Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour), Input: '"v1"'}}
  Group: {Type: AWS::Scheduler::ScheduleGroup}
Outputs:
  Group: {Value: !GetAtt Group.Arn}
  Daily: {Value: !GetAtt SweepDaily.Arn}
"""


def test_stack_creates_schedules_and_groups(sandbox: Sandbox, clock: MovableClock) -> None:
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.create_stack(
        StackName="sweeper", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )

    def stack() -> dict[str, Any]:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName="sweeper")["Stacks"][0]
        return found

    sandbox.wait_until(lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"))
    assert stack()["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack()["Outputs"]}
    assert ":schedule-group/sweeper-Group-" in outputs["Group"]
    assert ":schedule/default/" in outputs["Daily"]

    clock.advance(timedelta(hours=1))

    invoked = sandbox.service(LambdaRuntime).invoked
    sandbox.wait_until(lambda: len(invoked) == 2)
    assert sorted(json.loads(each.payload) for each in invoked) == ["v1", "v2"]
    cloudformation.delete_stack(StackName="sweeper")
    sandbox.wait_until(lambda: not names(sandbox))
