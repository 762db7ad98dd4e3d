"""Operations of CloudFormation that read: stacks, their events and resources, templates, exports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import templates
from sandbox.services.cloudformation.stack_changes import IAM_NAMES
from sandbox.services.cloudformation.stack_models import Desired, Stack, StackResource
from sandbox.services.cloudformation.stacks import CloudFormation

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


def refused(error: TemplateError) -> AwsError:
    """Return the error with which CloudFormation refuses a template or its parameters."""
    return AwsError("ValidationError", str(error))


def without_none(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without members whose value is None."""
    return {key: value for key, value in answer.items() if value is not None}


def shown_parameters(desired: Desired) -> list[dict[str, str]]:
    """Return the parameters with their values. A value with NoEcho is masked."""
    declared = desired.template.get("Parameters") or {}
    hidden = {key for key, each in declared.items() if str(each.get("NoEcho", "")).lower() == "true"}
    return [
        {
            "ParameterKey": key,
            "ParameterValue": "****" if key in hidden else ",".join(value) if isinstance(value, list) else value,
        }
        for key, value in desired.values.items()
    ]


@rule("cloudformation", "DescribeStacks")
def describe_stacks(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return one stack, or all that are not deleted."""
    cloudformation = account.service(CloudFormation)
    if call.params.get("StackName"):
        return {"Stacks": [_described(cloudformation, cloudformation.stack(call.region, call.params["StackName"]))]}
    stacks = [each for each in cloudformation.stacks.values() if each.region == call.region and each.deleted is None]
    return {"Stacks": [_described(cloudformation, each) for each in stacks]}


def _described(cloudformation: CloudFormation, stack: Stack) -> dict[str, Any]:
    """Return the description of a stack.

    *Source* of which members are empty and which are left out: 344 stacks in LocalStack's CloudFormation snapshots.
    """
    desired = stack.desired
    return without_none(
        {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "ChangeSetId": stack.change_set_id,
            "Description": desired.template.get("Description") if desired else None,
            "Parameters": (shown_parameters(desired) if desired else None) or None,
            "CreationTime": stack.created,
            "DeletionTime": stack.deletion,
            "LastUpdatedTime": stack.updated,
            "RollbackConfiguration": {},
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DisableRollback": stack.disable_rollback,
            "NotificationARNs": stack.notification_arns,
            "Capabilities": (list(desired.capabilities) if desired else None) or None,
            "Outputs": stack.outputs or None,
            "RoleARN": stack.role_arn,
            "Tags": [{"Key": key, "Value": value} for key, value in desired.tags.items()] if desired else [],
            "EnableTerminationProtection": cloudformation.is_protected(stack) if stack.deleted is None else None,
            "ParentId": stack.parent_id,
            "RootId": stack.root_id,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


@rule("cloudformation", "ListStacks")
def list_stacks(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return summaries of all stacks, also of deleted ones, or of those with the given statuses."""
    wanted = call.params.get("StackStatusFilter")
    summaries = [
        without_none(
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "CreationTime": stack.created,
                "LastUpdatedTime": stack.updated,
                "DeletionTime": stack.deletion,
                "StackStatus": stack.status,
                "StackStatusReason": stack.reason,
                "ParentId": stack.parent_id,
                "RootId": stack.root_id,
                "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
            }
        )
        for stack in account.service(CloudFormation).stacks.values()
        if stack.region == call.region and (not wanted or stack.status in wanted)
    ]
    return {"StackSummaries": summaries}


@rule("cloudformation", "DescribeStackEvents")
def describe_stack_events(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the events of the stack on one page, the newest first.

    *Source* of the refusal: LocalStack's ``test_name_conflicts``.
    """
    name = call.params["StackName"]
    try:
        return {"StackEvents": account.service(CloudFormation).stack(call.region, name).events[::-1]}
    except AwsError as error:
        raise AwsError(error.code, f"Stack [{name}] does not exist") from error


def _resources(account: Account, call: Call) -> tuple[Stack, list[StackResource]]:
    stack = account.service(CloudFormation).stack(call.region, call.params["StackName"])
    name = call.params.get("LogicalResourceId")
    return stack, [each for each in stack.resources.values() if name is None or each.logical_id == name]


@rule("cloudformation", "ListStackResources")
def list_stack_resources(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return summaries of the stack's resources."""
    return {
        "StackResourceSummaries": [
            without_none(
                {
                    "LogicalResourceId": each.logical_id,
                    "PhysicalResourceId": each.physical_id,
                    "ResourceType": each.type,
                    "LastUpdatedTimestamp": each.updated,
                    "ResourceStatus": each.status,
                    "ResourceStatusReason": each.reason,
                    "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
                }
            )
            for each in _resources(account, call)[1]
        ]
    }


@rule("cloudformation", "DescribeStackResources")
def describe_stack_resources(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the stack's resources in the form of DescribeStackResources."""
    stack, resources = _resources(account, call)
    return {"StackResources": [{**_resource_detail(stack, each), "Timestamp": each.updated} for each in resources]}


@rule("cloudformation", "DescribeStackResource")
def describe_stack_resource(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return one resource of the stack."""
    stack, resources = _resources(account, call)
    if not resources:
        raise AwsError(
            "ValidationError",
            f"Resource {call.params['LogicalResourceId']} does not exist for stack {stack.name}",
        )
    detail = {**_resource_detail(stack, resources[0]), "LastUpdatedTimestamp": resources[0].updated}
    return {"StackResourceDetail": detail}


def _resource_detail(stack: Stack, resource: StackResource) -> dict[str, Any]:
    return without_none(
        {
            "StackName": stack.name,
            "StackId": stack.stack_id,
            "LogicalResourceId": resource.logical_id,
            "PhysicalResourceId": resource.physical_id,
            "ResourceType": resource.type,
            "ResourceStatus": resource.status,
            "ResourceStatusReason": resource.reason,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


@rule("cloudformation", "GetTemplate")
def get_template(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the template: the original one, or the one with its macros expanded."""
    stack = account.service(CloudFormation).stack(call.region, call.params["StackName"])
    if stack.desired is None:
        raise AwsError("ValidationError", f"Stack with id {stack.name} has no template")
    processed = call.params.get("TemplateStage", "Original") == "Processed"
    body = json.dumps(stack.desired.template) if processed else stack.desired.body
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


@rule("cloudformation", "GetTemplateSummary", "ValidateTemplate")
def get_template_summary(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return what a template declares."""
    cloudformation, params = account.service(CloudFormation), call.params
    body = params.get("TemplateBody")
    if params.get("StackName"):
        stack = cloudformation.stack(call.region, params["StackName"])
        if stack.desired is None:
            raise AwsError("ValidationError", "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
        body = stack.desired.body
    elif params.get("TemplateURL"):
        body = cloudformation.fetch(call, params["TemplateURL"])
    try:
        template = templates.parse(body or "")
    except TemplateError as error:
        raise refused(error) from error
    validating = call.operation == "ValidateTemplate"
    parameters = []
    for key, declared in (template.get("Parameters") or {}).items():
        parameter: dict[str, Any] = {
            "ParameterKey": key,
            "NoEcho": str(declared.get("NoEcho", "")).lower() == "true",
            "Description": declared.get("Description"),
        }
        if "Default" in declared:
            parameter["DefaultValue"] = templates.as_text(declared["Default"])
        if not validating:
            parameter["ParameterType"] = declared.get("Type", "String")
            allowed = declared.get("AllowedValues")
            parameter["ParameterConstraints"] = (
                {"AllowedValues": [templates.as_text(each) for each in allowed]} if (allowed) else {}
            )
        parameters.append(without_none(parameter))
    types = sorted({each["Type"] for each in template["Resources"].values()})
    iam = ["CAPABILITY_IAM"] if any(each in IAM_NAMES or "Serverless" in each for each in types) else []
    return without_none(
        {
            "Parameters": parameters,
            "Description": template.get("Description"),
            "Capabilities": iam or None,
            "DeclaredTransforms": templates.transforms(template) or None,
            "ResourceTypes": None if validating else types,
            "Version": None if validating else template.get("AWSTemplateFormatVersion"),
            "Metadata": json.dumps(template["Metadata"]) if "Metadata" in template and not validating else None,
        }
    )


@rule("cloudformation", "ListExports")
def list_exports(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the exports of the region."""
    return {
        "Exports": [
            {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
            for name, (value, stack) in account.service(CloudFormation).exports(call.region).items()
        ]
    }
