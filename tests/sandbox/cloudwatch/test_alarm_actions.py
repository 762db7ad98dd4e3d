"""Alarms publish to topics that allow it, and their history has the actions that failed."""

from __future__ import annotations

import json
from datetime import timedelta

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.cloudwatch.alarms import Alarms
from testing.alarms import ACCOUNT, MINUTE, alarm, history, put, state, subscribed
from testing.clients import client


def test_alarm_publishes_each_change_of_state(account: Sandbox, clock: MovableClock) -> None:
    topic, messages = subscribed(account)
    alarm(account, AlarmActions=[topic], OKActions=[topic], TreatMissingData="notBreaching")
    assert state(account) == "INSUFFICIENT_DATA"
    clock.advance(MINUTE)
    assert state(account) == "OK"
    put(account)
    clock.advance(MINUTE)
    assert state(account) == "ALARM"
    clock.advance(MINUTE)
    assert state(account) == "OK"
    assert [(each["OldStateValue"], each["NewStateValue"]) for each in messages()] == [
        ("INSUFFICIENT_DATA", "OK"),
        ("OK", "ALARM"),
        ("ALARM", "OK"),
    ]
    assert history(account) == [f"Successfully executed action {topic}"] * 3


def test_alarm_is_evaluated_for_every_minute_that_the_clock_skips(account: Sandbox, clock: MovableClock) -> None:
    topic, messages = subscribed(account)
    alarm(account, AlarmActions=[topic], TreatMissingData="notBreaching")
    put(account)
    clock.advance(timedelta(hours=5))
    assert state(account) == "OK"
    (message,) = messages()
    assert message["NewStateValue"] == "ALARM"
    assert message["Trigger"]["MetricName"] == "Failed"


def key(sandbox: Sandbox, *principals: str) -> str:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        *(
            {
                "Effect": "Allow",
                "Principal": {"Service": principal},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
            }
            for principal in principals
        ),
    ]
    answer = client(sandbox, "kms").create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    identifier: str = answer["KeyMetadata"]["KeyId"]
    return identifier


def test_action_fails_if_the_topics_key_does_not_allow_alarms(account: Sandbox) -> None:
    topic, messages = subscribed(account, KmsMasterKeyId="alias/aws/sns")
    alarm(account, AlarmActions=[topic], TreatMissingData="breaching")
    account.service(Alarms).evaluate()
    assert state(account) == "ALARM"
    refused = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
    assert history(account) == [f'Failed to execute action {topic}. Received error: "{refused}"']
    sns, cloudwatch = client(account, "sns"), client(account, "cloudwatch")
    notified: list[int] = []
    for identifier in (key(account), key(account, "cloudwatch.amazonaws.com")):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=identifier)
        cloudwatch.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="test")
        account.service(Alarms).evaluate()
        notified.append(len(messages()))
    assert notified == [0, 1]


def test_action_fails_if_the_topics_policy_does_not_allow_alarms(account: Sandbox) -> None:
    topic, messages = subscribed(account)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client(account, "sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    alarm(account, AlarmActions=[topic], TreatMissingData="breaching")
    account.service(Alarms).evaluate()
    assert messages() == []
    (failed,) = history(account)
    assert failed.startswith(f"Failed to execute action {topic}. Received error: ")
