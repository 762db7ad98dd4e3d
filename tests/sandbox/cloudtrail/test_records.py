"""Write calls of the sandbox become CloudTrail records, and rules send them to queues."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.iam import identity
from sandbox.services.eventbridge import event_bus
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.iam import allow, role, trust
from testing.rest_apis import replace, update

QUEUE = "arn:aws:sqs:us-east-1:123456789012:records"


def records_queue(sandbox: Sandbox, pattern: dict[str, Any], *, has_policy: bool = True, **attributes: str) -> str:
    """Create a queue that a rule on the default bus sends matching events to. Return its URL."""
    events, sqs = client(sandbox, "events"), client(sandbox, "sqs")
    rule_arn = events.put_rule(Name="writes", EventPattern=json.dumps(pattern))["RuleArn"]
    if has_policy:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }
        attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url: str = sqs.create_queue(QueueName="records", Attributes=attributes)["QueueUrl"]
    events.put_targets(Rule="writes", Targets=[{"Id": "queue", "Arn": QUEUE}])
    return url


def received(sandbox: Sandbox, url: str) -> list[dict[str, Any]]:
    messages = client(sandbox, "sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def last(sandbox: Sandbox, event_name: str) -> dict[str, Any]:
    return next(record for record in reversed(sandbox.trail) if record["eventName"] == event_name)


def test_record_of_update_stage_has_every_member(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.apigateway"], "detail": {"eventName": ["UpdateStage"]}})
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/description", "x"))
    (event,) = received(sandbox, url)
    detail = event.pop("detail")
    assert event | {"id": "", "time": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.apigateway",
        "account": "123456789012",
        "time": "",
        "region": "us-east-1",
        "resources": [],
    }
    assert detail["requestParameters"] == {
        "restApiId": api_id,
        "stageName": "prod",
        "updateStageInput": {"patchOperations": [replace("/description", "x")]},
        "template": False,
    }
    assert detail["responseElements"]["stageUpdate"] == {"restApiId": api_id, "stageName": "prod", "template": False}
    assert detail["userIdentity"]["type"] == "IAMUser"
    assert (detail["eventVersion"], detail["readOnly"], detail["managementEvent"]) == ("1.11", False, True)
    assert "errorCode" not in detail


def test_record_of_each_call_names_its_stage(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    gateway = client(sandbox, "apigateway")
    assert last(sandbox, "CreateDeployment")["requestParameters"]["createDeploymentInput"] == {"stageName": "prod"}
    deployment = gateway.create_deployment(restApiId=api_id, stageName="")["id"]
    assert last(sandbox, "CreateDeployment")["requestParameters"]["createDeploymentInput"] == {"stageName": ""}
    gateway.create_stage(restApiId=api_id, stageName="two", deploymentId=deployment, tags={"a": "b"})
    created = last(sandbox, "CreateStage")
    assert created["requestParameters"]["createStageInput"] == {
        "stageName": "two",
        "deploymentId": deployment,
        "tags": {"a": "b"},
    }
    assert "stageName" not in created["requestParameters"]
    assert created["responseElements"]["stageName"] == "two"
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/two"
    gateway.tag_resource(resourceArn=arn, tags={"c": "d"})
    tagged = last(sandbox, "TagResource")
    assert tagged["requestParameters"] == {
        "resourceArn": arn,
        "tagResourceInput": {"tags": {"c": "d"}},
        "template": False,
    }
    assert tagged["responseElements"] is None
    gateway.untag_resource(resourceArn=arn, tagKeys=["c"])
    untagged = last(sandbox, "UntagResource")
    assert untagged["requestParameters"] == {"resourceArn": arn, "tagKeys": ["c"], "template": False}
    gateway.delete_stage(restApiId=api_id, stageName="two")
    assert last(sandbox, "DeleteStage")["requestParameters"] == {
        "restApiId": api_id,
        "stageName": "two",
        "template": False,
    }


def test_v2_records_are_flat_and_encoded(sandbox: Sandbox) -> None:
    gateway = client(sandbox, "apigatewayv2")
    api_id = gateway.create_api(Name="h", ProtocolType="HTTP")["ApiId"]
    assert last(sandbox, "CreateApi")["requestParameters"] == {"name": "h", "protocolType": "HTTP"}
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True, StageVariables={"secret": "x"})
    created = last(sandbox, "CreateStage")
    assert created["eventSource"] == "apigateway.amazonaws.com"
    assert created["requestParameters"]["stageName"] == "$default"
    assert created["responseElements"]["stageVariables"] == "***"
    gateway.delete_stage(ApiId=api_id, StageName="$default")
    assert last(sandbox, "DeleteStage")["requestParameters"] == {"apiId": api_id, "stageName": "%24default"}
    refusal(lambda: gateway.create_route(ApiId="nope", RouteKey="GET /"))
    failed = last(sandbox, "CreateRoute")
    assert failed["errorCode"] == "NotFoundException"
    assert "errorMessage" not in failed
    assert failed["responseElements"]["message"]


def test_failed_calls_are_recorded_too(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    refusal(lambda: update(sandbox, api_id, replace("/nonsense", "x")))
    record = last(sandbox, "UpdateStage")
    assert record["errorCode"] == "BadRequestException"
    assert record["errorMessage"].startswith("Invalid method setting path")
    assert record["requestParameters"]["restApiId"] == api_id
    credentials = sandbox.caller_of_role(role(sandbox, "nobody"), "session")
    denied = client(sandbox, "apigateway", credentials=credentials)
    refusal(lambda: denied.delete_stage(restApiId=api_id, stageName="prod"))
    record = last(sandbox, "DeleteStage")
    assert (record["errorCode"], record["requestParameters"]) == ("AccessDenied", None)


def test_iam_is_recorded_in_us_east_1_with_cloudtrails_error_names(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam", "eu-west-1")
    refusal(lambda: iam.delete_role(RoleName="nope"))
    record = last(sandbox, "DeleteRole")
    assert (record["awsRegion"], record["errorCode"]) == ("us-east-1", "NoSuchEntityException")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"), Path="/p/")
    record = last(sandbox, "CreateRole")
    assert record["requestParameters"]["roleName"] == "r"
    assert record["responseElements"]["role"]["arn"] == "arn:aws:iam::123456789012:role/p/r"


def test_roles_session_is_recorded_with_the_roles_path(sandbox: Sandbox) -> None:
    iam = client(sandbox, "iam")
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"), Path="/p/")["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allow("logs:*"))
    logs = client(sandbox, "logs", credentials=sandbox.caller_of_role(arn, "fn"))
    logs.create_log_group(logGroupName="/g")
    identified = last(sandbox, "CreateLogGroup")["userIdentity"]
    assert identified["arn"] == "arn:aws:sts::123456789012:assumed-role/r/fn"
    assert identified["sessionContext"]["sessionIssuer"]["arn"] == arn


def test_record_of_a_call_by_cloudformation_names_it(sandbox: Sandbox) -> None:
    logs = sandbox.client("logs", invoked_by="cloudformation.amazonaws.com")
    logs.create_log_group(logGroupName="/g")
    record = last(sandbox, "CreateLogGroup")
    assert record["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert record["sourceIPAddress"] == record["userAgent"] == "cloudformation.amazonaws.com"
    assert record["userIdentity"]["userName"] == "administrator"


def test_root_has_no_user_name(sandbox: Sandbox) -> None:
    sandbox.client("logs", caller=identity.root(sandbox)).create_log_group(logGroupName="/g")
    identified = last(sandbox, "CreateLogGroup")["userIdentity"]
    assert (identified["type"], identified.get("userName")) == ("Root", None)


def test_reads_are_not_recorded(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    before = len(sandbox.trail)
    client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName="prod")
    client(sandbox, "logs").describe_log_groups()
    assert len(sandbox.trail) == before


def test_without_a_trail_nothing_is_delivered() -> None:
    with Sandbox(has_trail=False) as sandbox:
        url = records_queue(sandbox, {"source": ["aws.apigateway"]})
        make_rest_stage(sandbox)
        assert received(sandbox, url) == []


# ---- rules and targets


def test_without_a_queue_policy_the_event_is_lost(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.apigateway"]}, has_policy=False)
    client(sandbox, "apigateway").create_rest_api(name="x")
    assert received(sandbox, url) == []
    (dropped,) = sandbox.dropped_events
    assert dropped.target_arn == QUEUE
    assert dropped.event["detail"]["eventName"] == "CreateRestApi"


def test_queue_policy_for_another_rule_is_not_enough(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.nothing"]})
    events = client(sandbox, "events")
    events.put_rule(Name="other", EventPattern=json.dumps({"source": ["aws.apigateway"]}))
    events.put_targets(Rule="other", Targets=[{"Id": "queue", "Arn": QUEUE}])
    client(sandbox, "apigateway").create_rest_api(name="x")
    assert received(sandbox, url) == []


def test_disabled_rule_sends_nothing(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.apigateway"]})
    client(sandbox, "events").disable_rule(Name="writes")
    client(sandbox, "apigateway").create_rest_api(name="x")
    assert received(sandbox, url) == []


def test_message_is_delayed_by_the_queues_delay(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.apigateway"]}, DelaySeconds="1")
    client(sandbox, "apigateway").create_rest_api(name="x")
    sent = time.monotonic()
    sqs = client(sandbox, "sqs")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert time.monotonic() - sent > 0.8


def test_long_poll_blocks_no_other_call(sandbox: Sandbox) -> None:
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)))
    waiting.start()
    began = time.monotonic()
    client(sandbox, "apigateway").get_rest_apis()
    client(sandbox, "sqs").send_message(QueueUrl=url, MessageBody="hello")
    waiting.join(timeout=10)
    assert time.monotonic() - began < 5
    assert answers[0]["Messages"][0]["Body"] == "hello"


def test_message_received_too_often_goes_to_the_dead_letter_queue(sandbox: Sandbox) -> None:
    sqs = client(sandbox, "sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 2}
    attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
    url = sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="bad")
    for _ in range(2):
        assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "bad"


def test_rule_sends_to_another_regions_bus_with_a_role(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["aws.apigateway"], "region": ["eu-west-1"]})
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    forwarder = role(sandbox, "forward", "events.amazonaws.com", allow("events:PutEvents", resource=bus))
    events = client(sandbox, "events", "eu-west-1")
    events.put_rule(Name="forward", EventPattern=json.dumps({"source": ["aws.apigateway"]}))
    events.put_targets(Rule="forward", Targets=[{"Id": "home", "Arn": bus, "RoleArn": forwarder}])
    client(sandbox, "apigateway", "eu-west-1").create_rest_api(name="x")
    (event,) = received(sandbox, url)
    assert event["detail"]["awsRegion"] == "eu-west-1"
    client(sandbox, "iam").delete_role_policy(RoleName="forward", PolicyName="inline")
    client(sandbox, "apigateway", "eu-west-1").create_rest_api(name="y")
    assert received(sandbox, url) == []
    assert "may not put events" in sandbox.dropped_events[-1].reason


def test_events_of_customers_reach_rules(sandbox: Sandbox) -> None:
    url = records_queue(sandbox, {"source": ["log-keeper"]})
    events = client(sandbox, "events")
    mine = {"Source": "log-keeper", "DetailType": "Changed", "Detail": '{"a": 1}'}
    answer = events.put_events(Entries=[mine, mine | {"Source": "aws.apigateway"}, mine | {"Detail": "nonsense"}])
    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        None,
        "NotAuthorizedForSourceException",
        "MalformedDetail",
    ]
    (event,) = received(sandbox, url)
    assert (event["detail"], event["account"]) == ({"a": 1}, "123456789012")


ISSUER = {"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": [{"exists": False}, {"anything-but": ["me"]}]}}}}


@pytest.mark.parametrize(
    ("pattern", "detail", "is_match"),
    [
        (ISSUER, {"userIdentity": {"type": "IAMUser"}}, True),
        (ISSUER, {}, True),
        (ISSUER, {"userIdentity": {"sessionContext": {"attributes": {}}}}, True),
        (ISSUER, {"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": "other"}}}}, True),
        (ISSUER, {"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": "me"}}}}, False),
        ({"errorCode": [{"exists": False}]}, {"a": 1}, True),
        ({"errorCode": [{"exists": False}]}, {"errorCode": "X"}, False),
        ({"a": [{"prefix": "x"}, {"wildcard": "*z"}]}, {"a": "yz"}, True),
        ({"$or": [{"a": ["1"]}, {"b": ["2"]}]}, {"b": "2"}, True),
        ({"$or": [{"a": ["1"]}, {"b": ["2"]}]}, {"b": "3"}, False),
        ({"ops": {"path": [{"prefix": "/access"}]}}, {"ops": [{"path": "/x"}, {"path": "/accessLogSettings"}]}, True),
        ({"list": [{"exists": True}]}, {"list": []}, False),
        ({"a": [None]}, {"a": None}, True),
    ],
)
def test_pattern_is_matched_against_the_detail(pattern: dict[str, Any], detail: dict[str, Any], is_match: bool) -> None:
    assert event_bus.matches({"detail": pattern}, {"source": "s", "detail": detail}) is is_match
