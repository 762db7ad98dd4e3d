"""A function of the same stack creates, changes and deletes custom resources in the sandbox's CloudFormation."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client
from testing.cloudformation import NAME, create, history, outputs, physical, stack, template, update
from testing.iam import trust

#: A function that writes every request to a parameter, and answers as the resource's properties say.
CODE = """
import json, boto3
import cfnresponse

def handler(event, context):
    seen = boto3.client("ssm")
    name = "/seen/" + event["RequestId"]
    seen.put_parameter(Name=name, Type="String", Value=json.dumps(event))
    wanted = event["ResourceProperties"]
    if event["RequestType"] in wanted.get("Silent", []):
        return
    status = cfnresponse.FAILED if event["RequestType"] in wanted.get("Failing", []) else cfnresponse.SUCCESS
    data = {"Greeting": "hello " + wanted.get("Who", ""), "Deep": {"Inner": "value"}}
    cfnresponse.send(event, context, status, data, wanted.get("Id", "seed-1"), reason="as asked")
"""


def body(kind: str = "Custom::Seed", output: str = "Greeting", **properties: Any) -> str:
    return template(
        {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": json.loads(trust("lambda.amazonaws.com")),
                    "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
                },
            },
            "Maker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"ZipFile": CODE},
                    "Handler": "index.handler",
                    "Runtime": "python3.13",
                    "Timeout": 20,
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                },
            },
            "Seed": {
                "Type": kind,
                "Properties": {"ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]}, **properties},
            },
        },
        Outputs={"Id": {"Value": {"Ref": "Seed"}}, "Data": {"Value": {"Fn::GetAtt": ["Seed", output]}}},
    )


def requests(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return every request that the function received, oldest first."""
    stored = client(sandbox, "ssm").get_parameters_by_path(Path="/seen")["Parameters"]
    return [json.loads(each["Value"]) for each in sorted(stored, key=lambda each: each["LastModifiedDate"])]


def test_custom_resource_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    made = create(sandbox, body(Who="you", Count=3, On=True))
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert outputs(made) == {"Id": "seed-1", "Data": "hello you"}

    changed = update(sandbox, body(Who="all", Count=3, On=True))
    assert outputs(changed) == {"Id": "seed-1", "Data": "hello all"}

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    first, second, third = requests(sandbox)
    assert (first["RequestType"], first["ResourceType"], first["LogicalResourceId"]) == (
        "Create",
        "Custom::Seed",
        "Seed",
    )
    assert "PhysicalResourceId" not in first
    token = first["ServiceToken"]
    assert first["ResourceProperties"] == {"ServiceToken": token, "Who": "you", "Count": "3", "On": "true"}
    assert second["RequestType"] == "Update"
    assert second["OldResourceProperties"]["Who"] == "you"
    assert second["ResourceProperties"]["Who"] == "all"
    assert (third["RequestType"], third["PhysicalResourceId"]) == ("Delete", "seed-1")


def test_new_id_replaces_the_resource_and_the_old_one_is_deleted_afterwards(sandbox: Sandbox) -> None:
    create(sandbox, body("AWS::CloudFormation::CustomResource", Id="one"))
    changed = update(sandbox, body("AWS::CloudFormation::CustomResource", Id="two"))

    assert outputs(changed)["Id"] == "two"
    assert [(each["RequestType"], each.get("PhysicalResourceId")) for each in requests(sandbox)] == [
        ("Create", None),
        ("Update", "one"),
        ("Delete", "one"),
    ]
    assert history(sandbox).index((NAME, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")) < history(sandbox).index(
        ("Seed", "DELETE_IN_PROGRESS")
    )


def test_failed_answer_fails_the_stack_with_its_reason(sandbox: Sandbox) -> None:
    failed = create(sandbox, body(Failing=["Create"]))

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    reason = next(each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED")
    assert reason.startswith("Received response status [FAILED] from custom resource. Message returned: as asked (Req")
    assert [(each["RequestType"], each.get("PhysicalResourceId")) for each in requests(sandbox)] == [
        ("Create", None),
        ("Delete", "seed-1"),
    ]


def test_update_that_fails_is_updated_back(sandbox: Sandbox) -> None:
    create(sandbox, body(Who="you"))
    failed = update(sandbox, body(Who="all", Failing=["Update"]))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [each["ResourceProperties"].get("Who") for each in requests(sandbox)] == ["you", "all", "you"]


def test_missing_answer_is_awaited_for_the_timeout_of_the_template(sandbox: Sandbox) -> None:
    failed = create(sandbox, body(Silent=["Create"], ServiceTimeout="1"))

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    reason = next(each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == "CREATE_FAILED")
    assert reason.startswith("CloudFormation did not receive a response from your Custom Resource.")


def test_deletion_that_fails_leaves_the_stack_with_its_function(sandbox: Sandbox) -> None:
    create(sandbox, body(Failing=["Delete"]))
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    assert stack(sandbox)["StackStatus"] == "DELETE_FAILED"
    assert physical(sandbox).keys() == {"Role", "Maker", "Seed"}


def test_deleted_function_fails_the_deletion(sandbox: Sandbox) -> None:
    create(sandbox, body())
    client(sandbox, "lambda").delete_function(FunctionName=physical(sandbox)["Maker"])
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    assert stack(sandbox)["StackStatus"] == "DELETE_FAILED"


def test_nested_members_of_the_data_are_attributes_and_others_are_not(sandbox: Sandbox) -> None:
    assert outputs(create(sandbox, body(output="Deep.Inner")))["Data"] == "value"
    failed = update(sandbox, body(output="Missing"))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    reasons = [each.get("ResourceStatusReason", "") for each in events]
    assert any("Vendor response doesn't contain Missing attribute in object" in reason for reason in reasons)


def test_only_the_first_answer_counts_and_only_as_put(sandbox: Sandbox) -> None:
    create(sandbox, body())
    url = requests(sandbox)[0]["ResponseURL"]

    for method in ("PUT", "GET"):
        request = urllib.request.Request(url, b"{}" if method == "PUT" else None, method=method)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        refused.value.close()
        assert refused.value.code == 403


def test_service_token_cannot_be_changed(sandbox: Sandbox) -> None:
    create(sandbox, body())
    changed = json.loads(body())
    changed["Resources"]["Other"] = changed["Resources"]["Maker"]
    changed["Resources"]["Seed"]["Properties"]["ServiceToken"] = {"Fn::GetAtt": ["Other", "Arn"]}

    assert update(sandbox, json.dumps(changed))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
