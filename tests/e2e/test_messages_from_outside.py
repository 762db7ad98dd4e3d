"""Who can put a message on the queues at all, and what one does that somebody else has put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.core.call import Caller
from sandbox.core.iam.policies import Decision, evaluate
from sandbox.services.lambda_.event_sources import EventSources
from testing.accounts import get_stage, levels, make_rest_stage
from testing.builders import ACCOUNT, record, updated
from testing.hostile import TEXTS
from testing.snapshots import changed, is_of_logging, snapshot, writes
from testing.stacks import Deployed

QUEUES = ["StageQueueUrl", "StageDeadLetterQueueUrl", "SweepQueueUrl", "SweepDeadLetterQueueUrl"]


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy the stack with a compliant stage, and wait until no message is left."""
    stack = deploy()
    stack.wait_until_compliant(make_rest_stage(stack.sandbox))
    quiet(stack)
    return stack


def quiet(stack: Deployed) -> None:
    stack.sandbox.wait_until(stack.sandbox.service(EventSources).is_idle)


@pytest.fixture(scope="module")
def eve(stack: Deployed) -> Caller:
    """May do anything with EventBridge, and nothing else."""
    iam = stack.sandbox.client("iam")
    iam.create_user(UserName="eve")
    statement = {"Effect": "Allow", "Action": "events:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="eve", PolicyName="events", PolicyDocument=document)
    key = iam.create_access_key(UserName="eve")["AccessKey"]["AccessKeyId"]
    return stack.sandbox.caller_of_key(key)


def put_events(stack: Deployed, eve: Caller, *entries: tuple[str, dict[str, Any]]) -> list[str | None]:
    """The error codes of the entries, given as source and event."""
    answer = stack.sandbox.client("events", caller=eve).put_events(
        Entries=[
            {"Source": source, "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
            for source, event in entries
        ]
    )
    return [entry.get("ErrorCode") for entry in answer["Entries"]]


def own_events(api_id: str) -> list[dict[str, Any]]:
    """What only the rules, the sweep and the schedules send; and what begins a sweep."""
    deployed = {"stack-id": "x", "status-details": {"status": "UPDATE_COMPLETE"}}
    return [
        updated(api_id),
        {"detail-type": "Stage To Evaluate", "detail": {"version": "apigateway", "apiId": api_id, "stageName": "prod"}},
        {"detail-type": "Log Role To Evaluate", "detail": {}},
        {"detail-type": "CloudFormation Stack Status Change", "detail": deployed},
    ]


def test_events_of_others_on_the_bus_reach_nobody(stack: Deployed, eve: Caller) -> None:
    """AWS's own sources are AWS's, and the rules listen to no other."""
    events = own_events(make_rest_stage(stack.sandbox))
    quiet(stack)
    before, invocations = snapshot(stack.sandbox), stack.invocations()
    for source in ("aws.apigateway", "aws.iam", "aws.logs", "aws.cloudformation"):
        codes = put_events(stack, eve, *((source, event) for event in events))
        assert codes == ["NotAuthorizedForSourceException"] * len(events)
    for source in ("log-keeper", "apigateway", "AWS.apigateway", "aws"):
        assert put_events(stack, eve, *((source, event) for event in events)) == [None] * len(events)
    quiet(stack)
    assert stack.invocations() == invocations
    assert snapshot(stack.sandbox) == before


def test_nobody_else_sends(stack: Deployed, eve: Caller) -> None:
    for queue in QUEUES:
        with pytest.raises(ClientError, match="AccessDenied"):
            stack.sandbox.client("sqs", caller=eve).send_message(QueueUrl=stack.outputs[queue], MessageBody="{}")


def test_rule_of_another_does_not_reach_the_queues(stack: Deployed, eve: Caller) -> None:
    """Whoever may make rules may name any queue as a target: it is the queue that refuses."""
    events, api_id = stack.sandbox.client("events", caller=eve), make_rest_stage(stack.sandbox)
    arns = [arn(stack, queue) for queue in QUEUES]
    events.put_rule(Name="theirs", EventPattern=json.dumps({"source": ["evil"]}))
    events.put_targets(Rule="theirs", Targets=[{"Id": str(number), "Arn": each} for number, each in enumerate(arns)])
    quiet(stack)
    invocations = stack.invocations()
    assert put_events(stack, eve, ("evil", updated(api_id))) == [None]
    assert [dropped.target_arn for dropped in stack.sandbox.dropped_events] == arns
    quiet(stack)
    assert stack.invocations() == invocations


def arn(stack: Deployed, queue: str) -> str:
    url = stack.outputs[queue]
    attributes = stack.sandbox.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(attributes["Attributes"]["QueueArn"])


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/eve"},
        {"AWS": "arn:aws:iam::999999999999:root"},
        {"Service": "sns.amazonaws.com"},
        {"Service": "s3.amazonaws.com"},
        {"Service": "events.amazonaws.com"},
    ],
)
def test_policies_of_the_queues_let_the_stacks_rules_in_and_no_one(stack: Deployed, principal: dict[str, str]) -> None:
    """Neither EventBridge for another rule, nor for one of that name in another account."""
    theirs = [f"arn:aws:events:us-east-1:{account}:rule/theirs" for account in (ACCOUNT, "999999999999")]
    rules = [
        rule["Arn"] for rule in stack.sandbox.client("events").list_rules()["Rules"] if "log-keeper" in rule["Arn"]
    ]
    allowed: set[str] = set()
    for queue in QUEUES:
        url = stack.outputs[queue]
        policy = stack.sandbox.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        document = json.loads(policy["Attributes"]["Policy"])
        for source in [*theirs, *rules, *(rule.replace(ACCOUNT, "999999999999") for rule in rules)]:
            for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SetQueueAttributes"):
                context = {"aws:SourceArn": source, "aws:SourceAccount": ACCOUNT}
                if evaluate([document], action, arn(stack, queue), context, principal) is Decision.ALLOWED:
                    allowed.add(f"{action} {source}")
    expected = {f"sqs:SendMessage {rule}" for rule in rules}
    assert allowed == (expected if principal == {"Service": "events.amazonaws.com"} else set())


def test_hostile_messages_end_in_the_dead_letter_queue(stack: Deployed) -> None:
    """Somebody with the permission sends them: only the stage that the last of them names is remediated."""
    sandbox, sqs, url = stack.sandbox, stack.sandbox.client("sqs"), stack.outputs["StageQueueUrl"]
    sandbox.client("cloudtrail").stop_logging(Name="organization")  # so that no record names the stage
    api_id = make_rest_stage(sandbox)
    quiet(stack)
    dead_letters = json.dumps({"deadLetterTargetArn": arn(stack, "StageDeadLetterQueueUrl"), "maxReceiveCount": 1})
    stack.set_queue(VisibilityTimeout="1", RedrivePolicy=dead_letters)
    before, calls = snapshot(sandbox), len(sandbox.calls)
    names = [text for text in TEXTS if text.isprintable() and len(text) < 200]
    hostile = [
        *(record("UpdateStage", {"restApiId": name, "stageName": "prod"}) for name in names),
        *(record("UpdateStage", {"apiId": api_id, "stageName": name}) for name in names),
        updated(api_id) | {"account": "999999999999"},
        updated(api_id) | {"region": "eu-west-1"},
    ]
    bodies = [*map(json.dumps, hostile), "[" * 100_000, "no JSON"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(updated(api_id)))
    sandbox.wait_until(lambda: stack.wait_until_quiet() == len(bodies), timeout=60)
    assert sorted(stack.dead_letters()) == sorted(bodies)
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}
    made = writes(sandbox, calls)
    assert all(is_of_logging(each, api_id) for each in made), [each.call.params for each in made]
    assert {each.call.caller.role_arn for each in made} == {role(stack, "EnforceRole")}
    groups = {f"/aws/vendedlogs/apigateway/{api_id}/prod", f"API-Gateway-Execution-Logs_{api_id}/prod"}
    assert changed(before, snapshot(sandbox)) == {f"us-east-1 {name}" for name in {api_id, *groups}}


def role(stack: Deployed, name: str) -> str:
    [arn] = [each["Arn"] for each in stack.sandbox.client("iam").list_roles()["Roles"] if name in each["RoleName"]]
    return str(arn)
