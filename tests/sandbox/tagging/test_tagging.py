"""The Resource Groups Tagging API tags stages, and CloudTrail shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.iam import allow, role

MISSING = "arn:aws:apigateway:us-east-1::/restapis/none/stages/prod"


def rest_stage(sandbox: Sandbox) -> tuple[str, str]:
    api_id = make_rest_stage(sandbox)
    return api_id, f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"


def http_stage(sandbox: Sandbox) -> tuple[str, str]:
    gateway = client(sandbox, "apigatewayv2")
    api_id: str = gateway.create_api(Name="http", ProtocolType="HTTP")["ApiId"]
    gateway.create_stage(ApiId=api_id, StageName="$default")
    return api_id, f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/$default"


def test_stages_are_tagged_found_and_untagged(sandbox: Sandbox) -> None:
    tagging = client(sandbox, "resourcegroupstaggingapi")
    (rest_id, rest), (http_id, http) = rest_stage(sandbox), http_stage(sandbox)
    bucket = "arn:aws:s3:::pictures"
    client(sandbox, "s3").create_bucket(Bucket="pictures")

    answer = tagging.tag_resources(ResourceARNList=[rest, http, bucket], Tags={"execution-logs": "INFO"})

    assert answer["FailedResourcesMap"] == {}
    stage = client(sandbox, "apigateway").get_stage(restApiId=rest_id, stageName="prod")
    assert stage["tags"] == {"execution-logs": "INFO"}
    stage = client(sandbox, "apigatewayv2").get_stage(ApiId=http_id, StageName="$default")
    assert stage["Tags"] == {"execution-logs": "INFO"}

    def found(**filters: Any) -> set[str]:
        return {each["ResourceARN"] for each in tagging.get_resources(**filters)["ResourceTagMappingList"]}

    assert found() == {rest, http, bucket}
    assert found(ResourceTypeFilters=["apigateway:restapis"]) == {rest}
    assert found(TagFilters=[{"Key": "execution-logs", "Values": ["ERROR"]}]) == set()

    tagging.untag_resources(ResourceARNList=[rest], TagKeys=["execution-logs"])
    assert found() == {http, bucket}


def test_resource_that_cannot_be_tagged_is_named_and_the_others_are_tagged(sandbox: Sandbox) -> None:
    tagging = client(sandbox, "resourcegroupstaggingapi")
    api_id, rest = rest_stage(sandbox)
    elsewhere = rest.replace("us-east-1", "eu-west-1")
    failed = tagging.tag_resources(ResourceARNList=[MISSING, elsewhere, rest], Tags={"a": "b"})["FailedResourcesMap"]
    assert set(failed) == {MISSING, elsewhere}
    assert failed[MISSING]["StatusCode"] == 404
    assert client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName="prod")["tags"] == {"a": "b"}
    too_many = [f"{MISSING}{number}" for number in range(21)]
    code, _ = refusal(lambda: tagging.tag_resources(ResourceARNList=too_many, Tags={"a": "b"}))
    assert code == "InvalidParameterException"


def test_caller_needs_the_permissions_of_both_services(sandbox: Sandbox) -> None:
    api_id, rest = rest_stage(sandbox)
    arn = role(sandbox, "tagger", "lambda.amazonaws.com", allow("tag:TagResources"))
    tagging = client(sandbox, "resourcegroupstaggingapi", credentials=sandbox.caller_of_role(arn, "session"))
    failed = tagging.tag_resources(ResourceARNList=[rest], Tags={"a": "b"})["FailedResourcesMap"]
    assert failed[rest]["ErrorCode"] == "AccessDeniedException"
    assert "tags" not in client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName="prod")
    policy = allow("tag:TagResources", "apigateway:PUT")
    client(sandbox, "iam").put_role_policy(RoleName="tagger", PolicyName="inline", PolicyDocument=policy)
    assert tagging.tag_resources(ResourceARNList=[rest], Tags={"a": "b"})["FailedResourcesMap"] == {}


@pytest.mark.parametrize("shows", [False, True])
def test_cloudtrail_records_the_call_and_perhaps_api_gateways_own(sandbox: Sandbox, shows: bool) -> None:
    sandbox.turn(tagging_api_shows_service_calls=shows)
    _, rest = rest_stage(sandbox)
    tagging = client(sandbox, "resourcegroupstaggingapi")
    tagging.tag_resources(ResourceARNList=[rest], Tags={"Execution-Logs": "INFO"})
    own = [record for record in sandbox.trail if record["eventName"] == "TagResource"]
    (record,) = [record for record in sandbox.trail if record["eventName"] == "TagResources"]
    assert [each["userIdentity"]["invokedBy"] for each in own] == ["tagging.amazonaws.com"] * shows
    assert record["eventSource"] == "tagging.amazonaws.com"
    assert record["requestParameters"] == {"resourceARNList": [rest], "tags": {"Execution-Logs": "INFO"}}
    assert record["responseElements"] == {"failedResourcesMap": {}}
    tagging.untag_resources(ResourceARNList=[rest], TagKeys=["Execution-Logs"])
    assert sandbox.trail[-1]["requestParameters"] == {"resourceARNList": [rest], "tagKeys": ["Execution-Logs"]}


def test_its_record_reaches_a_rule(sandbox: Sandbox) -> None:
    events, sqs = client(sandbox, "events"), client(sandbox, "sqs")
    arn = "arn:aws:sqs:us-east-1:123456789012:heard"
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn,
    }  # fmt: skip
    url = sqs.create_queue(QueueName="heard", Attributes={"Policy": json.dumps({"Statement": [statement]})})["QueueUrl"]
    pattern = {"source": ["aws.tagging"], "detail-type": ["AWS API Call via CloudTrail"]}
    events.put_rule(Name="tags", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="tags", Targets=[{"Id": "q", "Arn": arn}])
    _, rest = rest_stage(sandbox)
    client(sandbox, "resourcegroupstaggingapi").tag_resources(ResourceARNList=[rest], Tags={"a": "b"})
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["detail"]["eventName"] == "TagResources"
