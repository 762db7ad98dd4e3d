"""SQS and Lambda publish metrics, and alarms of a stack evaluate metrics."""

from __future__ import annotations

import json
from datetime import timedelta

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.cloudwatch.alarms import Alarms
from testing.alarms import MINUTE, alarm, put, state
from testing.clients import client
from testing.cloudformation import create, physical, template
from testing.iam import role


def test_sqs_publishes_depth_and_age_of_queues(account: Sandbox, clock: MovableClock) -> None:
    sqs = client(account, "sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    of = {"Namespace": "AWS/SQS", "Dimensions": [{"Name": "QueueName", "Value": "dead"}], "Statistic": "Maximum"}
    alarm(account, MetricName="ApproximateNumberOfMessagesVisible", **of)
    alarm(account, AlarmName="old", MetricName="ApproximateAgeOfOldestMessage", Threshold=3600.0, **of)
    clock.advance(MINUTE)
    assert (state(account), state(account, "old")) == ("OK", "OK")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    clock.advance(MINUTE)
    assert (state(account), state(account, "old")) == ("ALARM", "OK")
    clock.advance(timedelta(hours=1))
    assert (state(account), state(account, "old")) == ("ALARM", "ALARM")


def test_lambda_publishes_errors_invocations_and_duration(account: Sandbox) -> None:
    code = {"ZipFile": "def handler(event, context):\n    return 1 / event['by']\n"}
    function = {"Runtime": "python3.13", "Handler": "index.handler", "Code": code, "Role": role(account, "runner")}
    create(account, template({"Function": {"Type": "AWS::Lambda::Function", "Properties": function}}))
    name = physical(account)["Function"]
    of = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": name}]}
    alarm(account, MetricName="Errors", **of)
    alarm(account, AlarmName="ran", MetricName="Invocations", Threshold=2.0, **of)
    alarm(account, AlarmName="long", MetricName="Duration", Statistic=None, ExtendedStatistic="p90", Threshold=0, **of)
    for by in (1, 0):
        client(account, "lambda").invoke(FunctionName=name, Payload=json.dumps({"by": by}))
    account.service(Alarms).evaluate()
    assert [state(account, each) for each in ("a", "ran", "long")] == ["ALARM"] * 3


def test_stack_creates_an_alarm_with_its_topic(account: Sandbox) -> None:
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "Failed": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmActions": [{"Ref": "Topic"}],
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": "1",
                "Threshold": "0",
                "Metrics": [
                    {"Id": "e", "Expression": "FILL(m, 0)"},
                    {
                        "Id": "m",
                        "ReturnData": "false",
                        "MetricStat": {
                            "Metric": {"Namespace": "LogKeeper", "MetricName": "Failed"},
                            "Period": "60",
                            "Stat": "Sum",
                        },
                    },
                ],
            },
        },
    }
    described = create(account, template(resources))
    assert described["StackStatus"] == "CREATE_COMPLETE", described
    name = physical(account)["Failed"]
    put(account)
    account.service(Alarms).evaluate()
    assert state(account, name) == "ALARM"
