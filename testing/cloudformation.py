"""Stacks of CloudFormation for tests of the sandbox: create, update and read them back."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

NAME = "tiny"


def template(resources: dict[str, Any], **more: Any) -> str:
    """Return a template as JSON. ``more``: its other sections."""
    return json.dumps({"Resources": resources, **more})


def create(sandbox: Sandbox, body: str, name: str = NAME, **more: Any) -> dict[str, Any]:
    """Create a stack. Return it once it is complete or rolled back."""
    more.setdefault("Capabilities", ["CAPABILITY_IAM"])
    client(sandbox, "cloudformation").create_stack(StackName=name, TemplateBody=body, **more)
    return stack(sandbox, name)


def update(sandbox: Sandbox, body: str | None = None, **parameters: str) -> dict[str, Any]:
    """Update the stack ``tiny``, and return it once it is complete or rolled back.

    ``body``: the new template, None for the previous one. ``parameters``: values by name.
    """
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    what: dict[str, Any] = {"TemplateBody": body} if body else {"UsePreviousTemplate": True}
    client(sandbox, "cloudformation").update_stack(
        StackName=NAME, Parameters=given, Capabilities=["CAPABILITY_IAM"], **what
    )
    return stack(sandbox)


def stack(sandbox: Sandbox, name: str = NAME) -> dict[str, Any]:
    """Wait until no operation on the stack is in progress, and return it."""
    cloudformation = client(sandbox, "cloudformation")

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    found = sandbox.wait_until(described)
    assert found is not None
    return found


def outputs(described: dict[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def physical(sandbox: Sandbox, name: str = NAME) -> dict[str, str]:
    """Return the physical ids of a stack's resources by logical id."""
    answer = client(sandbox, "cloudformation").list_stack_resources(StackName=name)
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in answer["StackResourceSummaries"]}


def history(sandbox: Sandbox, name: str = NAME) -> list[tuple[str, str]]:
    """Return logical id and status of each event of a stack, oldest first."""
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]


def api_with_stage(**stage: Any) -> dict[str, Any]:
    """Return resources of a REST API with a method, a deployment and stage ``prod``. ``stage``: its properties."""
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
    """Create a stack of a REST API with stage ``prod``. Return the API's id. ``stage``: properties of the stage."""
    template = {"Resources": api_with_stage(**stage)}
    cloudformation = sandbox.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    found = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId="Api")
    return str(found["StackResourceDetail"]["PhysicalResourceId"])
