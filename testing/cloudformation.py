"""Stacks of CloudFormation for tests of the sandbox: create, update and read them back."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

NAME = "tiny"


def template(resources: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Resources": resources, **more})


def create(sandbox: Sandbox, body: str, name: str = NAME, **more: Any) -> dict[str, Any]:
    more.setdefault("Capabilities", ["CAPABILITY_IAM"])
    client(sandbox, "cloudformation").create_stack(StackName=name, TemplateBody=body, **more)
    return stack(sandbox, name)


def update(sandbox: Sandbox, body: str | None = None, **parameters: str) -> dict[str, Any]:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    what: dict[str, Any] = {"TemplateBody": body} if body else {"UsePreviousTemplate": True}
    client(sandbox, "cloudformation").update_stack(
        StackName=NAME, Parameters=given, Capabilities=["CAPABILITY_IAM"], **what
    )
    return stack(sandbox)


def stack(sandbox: Sandbox, name: str = NAME) -> dict[str, Any]:
    """The stack, when nothing happens to it any more."""
    cloudformation = client(sandbox, "cloudformation")

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    found = sandbox.wait_until(described)
    assert found is not None
    return found


def outputs(described: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def physical(sandbox: Sandbox, name: str = NAME) -> dict[str, str]:
    """Physical ids by logical id."""
    answer = client(sandbox, "cloudformation").list_stack_resources(StackName=name)
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in answer["StackResourceSummaries"]}


def history(sandbox: Sandbox, name: str = NAME) -> list[tuple[str, str]]:
    """(logical id, status) of each event, oldest first."""
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]


def api_with_stage(**stage: Any) -> dict[str, Any]:
    """A REST API with one method, one deployment and one stage with these further properties."""
    api = {"Ref": "Api"}
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "shop"}},
        "Get": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": api,
                "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "HttpMethod": "GET",
                "AuthorizationType": "NONE",
                "Integration": {"Type": "MOCK"},
            },
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": "Get",
            "Properties": {"RestApiId": api},
        },
        "Prod": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {"RestApiId": api, "DeploymentId": {"Ref": "Deployment"}, "StageName": "prod", **stage},
        },
    }


def make_stack(sandbox: Sandbox, name: str, **stage: Any) -> str:
    """The id of the REST API of a new CloudFormation stack, with one stage, ``prod``, of these further properties."""
    template = {"Resources": api_with_stage(**stage)}
    cloudformation = sandbox.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    found = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId="Api")
    return str(found["StackResourceDetail"]["PhysicalResourceId"])
