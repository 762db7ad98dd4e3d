"""Rules of EventBridge: input transformers, constant input, schedules, and events of customers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.alarms import ACCOUNT, subscribed
from testing.clients import client, refusal
from testing.cloudformation import create, outputs, physical, template, update
from testing.iam import role


def test_rule_of_a_stack_sees_the_stacks_own_completion(account: Sandbox) -> None:
    pattern = {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {
            "stack-id": [{"Ref": "AWS::StackId"}],
            "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
        },
    }
    queue = {"Fn::GetAtt": ["Queue", "Arn"]}
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
    }
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [allow]}},
        },
        "Deployed": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": pattern,
                "Targets": [
                    {
                        "Id": "q",
                        "Arn": queue,
                        "InputTransformer": {
                            "InputPathsMap": {"status": "$.detail.status-details.status"},
                            "InputTemplate": (
                                '{"sweep": <status>, "by": <aws.events.rule-arn>, '
                                '"at": "<aws.events.event.ingestion-time>", "why": "it is <status>"}'
                            ),
                        },
                    }
                ],
            },
        },
    }
    url = {"Url": {"Value": {"Ref": "Queue"}}}
    described = create(account, template(resources, Outputs=url))
    sqs, queue_url = client(account, "sqs"), outputs(described)["Url"]

    def bodies() -> list[dict[str, Any]]:
        got = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    (made,) = bodies()
    assert (made["sweep"], made["why"]) == ("CREATE_COMPLETE", "it is CREATE_COMPLETE")
    assert made["by"] == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{physical(account)['Deployed']}"
    assert made["at"].endswith("Z")
    resources["Deployed"]["Properties"]["Description"] = "changed"
    update(account, template(resources, Outputs=url))
    assert [each["sweep"] for each in bodies()] == ["UPDATE_COMPLETE"]


def open_queue(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Create a queue that EventBridge may send to. Return its URL and its ARN."""
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url: str = client(sandbox, "sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    return url, arn


def test_daily_rule_sends_its_constant_input(account: Sandbox, clock: MovableClock) -> None:
    url, arn = open_queue(account, "sweep")
    events = client(account, "events")
    events.put_rule(Name="daily", ScheduleExpression="rate(1 day)")
    targets = [{"Id": region, "Arn": arn, "Input": json.dumps({"region": region})} for region in ("a", "b")]
    events.put_targets(Rule="daily", Targets=targets)
    clock.advance(timedelta(days=1, minutes=1))
    got = client(account, "sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["region"] for message in got) == ["a", "b"]


def test_event_of_an_own_source_reaches_its_targets(account: Sandbox) -> None:
    url, arn = open_queue(account, "changes")
    topic, messages = subscribed(account)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    events = client(account, "events")
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["log-keeper"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "q", "Arn": arn}, {"Id": "t", "Arn": topic}])
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    allowed = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    teller = role(account, "teller", policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    keys = account.caller_of_role(teller, "me")
    entry = {"Source": "log-keeper", "DetailType": "Stage Logging Changed", "Detail": json.dumps({"stage": "prod"})}

    def tell(region: str = "us-east-1") -> Any:
        return client(account, "events", region, credentials=keys).put_events(Entries=[entry])

    assert tell()["FailedEntryCount"] == 0
    (message,) = client(account, "sqs").receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["detail"] == {"stage": "prod"}
    assert messages() == []  # by default a topic's policy does not allow EventBridge
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(account, "sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    tell()
    assert [each["detail-type"] for each in messages()] == ["Stage Logging Changed"]
    assert refusal(lambda: tell("eu-west-1"))[0] == "AccessDeniedException"


def test_rule_publishes_only_if_neither_topic_nor_key_has_a_condition_on_the_source(account: Sandbox) -> None:
    """EventBridge sends SNS and KMS neither its account nor its rule.

    *Source:* awsdocs/amazon-eventbridge-user-guide, doc_source/eb-use-resource-based.md;
    awslabs/landing-zone-accelerator-on-aws, issue 407.
    """
    topic, messages = subscribed(account)
    sns, kms, events = client(account, "sns"), client(account, "kms"), client(account, "events")
    rules = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}
    owner = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    manage = {**owner, "Action": "kms:*", "Resource": "*"}
    only_here = {"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["log-keeper"]}))
    events.put_targets(Rule="changes", Targets=[{"Id": "t", "Arn": topic}])

    def arrives(of_topic: dict[str, Any], of_key: dict[str, Any] | None) -> bool:
        """Tell whether an event arrives. The arguments are the conditions of both policies; None: not in the key's."""
        publish = {**rules, "Action": "sns:Publish", "Resource": topic, **of_topic}
        use = [] if of_key is None else [{**rules, "Action": "kms:*", "Resource": "*", **of_key}]
        document = json.dumps({"Version": "2012-10-17", "Statement": [manage, *use]})
        key = kms.create_key(Policy=document)["KeyMetadata"]["KeyId"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [publish]})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        events.put_events(Entries=[{"Source": "log-keeper", "DetailType": "t", "Detail": "{}"}])
        return len(messages()) == 1

    assert arrives({}, {})
    assert not arrives({}, None)
    assert not arrives({}, only_here)
    assert not arrives(only_here, {})
