"""CloudFormation refuses invalid templates before it creates anything, with AWS's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import create, template

TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}
OFF = {"Off": {"Fn::Equals": ["a", "b"]}}
PART = "Template format error: "


def topic(name: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}


@pytest.mark.parametrize(
    ("resources", "more", "says"),
    [
        ({"my-topic": TOPIC}, {}, PART + "Resource name my-topic is non alphanumeric."),
        ({"Topic": {**TOPIC, "Invalid": 1}}, {}, "Invalid template resource property 'Invalid'"),
        (
            {"Topic": topic(None)},
            {},
            "[/Resources/Topic/Properties/TopicName] 'null' values are not allowed in templates",
        ),
        ({"Topic": TOPIC}, {"Outputs": {"A": {}}}, PART + "Every Outputs member must contain a Value object"),
        (
            {"Topic": TOPIC},
            {"Outputs": {"A": {"Value": None}}},
            "[/Outputs/A/Value] 'null' values are not allowed in templates",
        ),
        ({"Topic": TOPIC}, {"Mappings": {"A": {"B": "c"}}}, PART + "Every Mappings member A must be a map"),
        (
            {"Topic": TOPIC},
            {"Mappings": {"A": {"B": {"C": {"D": "e"}}}}},
            PART + "Every Mappings attribute must be a String or a List.",
        ),
        (
            {f"Topic{number}": TOPIC for number in range(501)},
            {},
            PART + "Number of resources, 501, is greater than maximum allowed, 500",
        ),
        (
            {"Topic": {**TOPIC, "Condition": "Off"}, "Other": topic({"Fn::GetAtt": ["Topic", "TopicName"]})},
            {"Conditions": OFF},
            PART + "Unresolved resource dependencies [Topic] in the Resources block of the template",
        ),
        (
            {"Topic": {**TOPIC, "Condition": "Off"}, "Other": TOPIC},
            {"Conditions": OFF, "Outputs": {"A": {"Value": {"Ref": "Topic"}}}},
            "Unresolved resource dependencies [Topic] in the Outputs block of the template",
        ),
        (
            {"Topic": {**TOPIC, "Condition": "Odd"}},
            {"Conditions": {"Odd": {"Fn::Equals": ["a"]}}},
            "Template error: every Fn::Equals object requires a list of 2 string parameters.",
        ),
    ],
)
def test_template_is_refused(sandbox: Sandbox, resources: dict[str, Any], more: dict[str, Any], says: str) -> None:
    assert refusal(lambda: create(sandbox, template(resources, **more))) == ("ValidationError", says)
    assert client(sandbox, "cloudformation").describe_stacks()["Stacks"] == []


def test_resource_may_wait_for_one_that_its_condition_leaves_out(sandbox: Sandbox) -> None:
    resources = {"Topic": {**TOPIC, "Condition": "Off"}, "Other": {**TOPIC, "DependsOn": "Topic"}}

    assert create(sandbox, template(resources, Conditions=OFF))["StackStatus"] == "CREATE_COMPLETE"


def test_long_template_has_to_come_from_a_bucket(sandbox: Sandbox) -> None:
    body = json.dumps({"Resources": {"Topic": TOPIC}, "Description": "x", "Metadata": {"Text": "x" * 52_000}})
    code, message = refusal(lambda: create(sandbox, body))
    assert code == "ValidationError"
    assert message.endswith("Member must have length less than or equal to 51200")

    client(sandbox, "s3").create_bucket(Bucket="templates")
    client(sandbox, "s3").put_object(Bucket="templates", Key="long.json", Body=body.encode())
    url = "https://s3.us-east-1.amazonaws.com/templates/long.json"
    client(sandbox, "cloudformation").create_stack(StackName="long", TemplateURL=url)
    assert client(sandbox, "cloudformation").describe_stacks(StackName="long")["Stacks"][0]["StackName"] == "long"


def test_aliases_of_yaml_are_refused(sandbox: Sandbox) -> None:
    """*Source:* seeebiii/aws-cloudformation-templates, issue 1"""
    body = "Resources:\n  Topic: &topic {Type: 'AWS::SNS::Topic'}\n  Other: *topic\n"
    says = "Template error: YAML aliases are not allowed in CloudFormation templates"
    assert refusal(lambda: create(sandbox, body)) == ("ValidationError", says)
    assert client(sandbox, "cloudformation").describe_stacks()["Stacks"] == []
