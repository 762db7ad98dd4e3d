"""Nested stacks for tests of the sandbox: templates in a bucket, and parents that use them."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client
from testing.cloudformation import NAME, physical, stack, template

BUCKET = "templates"
#: A resource whose creation fails.
BROKEN: dict[str, Any] = {
    "Type": "AWS::SNS::Subscription",
    "Properties": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:nowhere", "Protocol": "sqs", "Endpoint": "x"},
}
PARAMETER: dict[str, Any] = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Name": "words", "Type": "String", "Value": {"Ref": "Words"}},
}
WORDS: dict[str, Any] = {"Words": {"Type": "String", "Default": "none"}}


def upload(sandbox: Sandbox, key: str, body: str) -> str:
    """Upload a template, and return its URL."""
    s3 = client(sandbox, "s3")
    if BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
    return f"https://s3.us-east-1.amazonaws.com/{BUCKET}/{key}"


def nesting(
    url: str, more: dict[str, Any] | None = None, sections: dict[str, Any] | None = None, **properties: Any
) -> str:
    """Return the template of a parent with the nested stack ``Inner``. ``properties``: more of its properties."""
    inner = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, **properties}}
    return template({"Inner": inner, **(more or {})}, **(sections or {}))


def words(sandbox: Sandbox, extra: dict[str, Any] | None = None, key: str = "words") -> str:
    """Upload a template that stores its parameter ``Words``, and return its URL."""
    body = template(
        {"Stored": PARAMETER, **(extra or {})},
        Parameters=WORDS,
        Outputs={"Name": {"Value": {"Ref": "Stored"}}, "Words": {"Value": {"Ref": "Words"}}},
    )
    return upload(sandbox, key, body)


def stored(sandbox: Sandbox) -> str:
    return str(client(sandbox, "ssm").get_parameter(Name="words")["Parameter"]["Value"])


def inner(sandbox: Sandbox) -> dict[str, Any]:
    """Return the nested stack."""
    return stack(sandbox, physical(sandbox)["Inner"])


def reasons(sandbox: Sandbox, status: str, name: str = NAME) -> dict[str, str]:
    """Return the reasons of a stack's events with the status, by logical id."""
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return {
        event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
        for event in events
        if event["ResourceStatus"] == status
    }
