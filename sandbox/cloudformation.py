"""CloudFormation's API: change sets and stacks, asked for, described and worked on.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/ ; refusals as deployment tools quote them.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sandbox import templates
from sandbox.call import AwsError
from sandbox.gateway import rule
from sandbox.stacks import (
    IAM_NAMES,
    NO_CHANGES,
    ChangeSet,
    Stack,
    StackResource,
    Work,
    add_event,
    changes,
    differs,
    of,
)
from sandbox.templates import TemplateError

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import Call
    from sandbox.gateway import Proceed


def _refused(error: TemplateError) -> AwsError:
    return AwsError("ValidationError", str(error))


_BUSY = "_IN_PROGRESS"


def _check_updatable(stack: Stack) -> None:
    if stack.status.endswith(_BUSY) or stack.status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}:
        raise AwsError("ValidationError", f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


@rule("cloudformation", "CreateChangeSet", blocking=True)
def create_change_set(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The change set exists: available, or failed and saying why. A CREATE makes the stack, in review."""
    cloudformation, params = of(sandbox), call.params
    kind = params.get("ChangeSetType", "UPDATE")
    try:
        stack: Stack | None = cloudformation.stack(call.region, params["StackName"])
    except AwsError:
        if kind == "UPDATE":
            raise
        stack = None
    if stack is not None and kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
        raise AwsError("AlreadyExistsException", f"Stack [{stack.name}] already exists and cannot be created again.")
    if stack is not None and kind == "UPDATE":
        _check_updatable(stack)
    reason, desired = None, None
    try:
        desired = cloudformation.desired(call, stack)
    except TemplateError as error:
        if not str(error).startswith(("Transform ", "Template format error: Unrecognized")):
            raise _refused(error) from error
        reason = str(error)
    if stack is None:
        stack = cloudformation.new_stack(call, "REVIEW_IN_PROGRESS")
        add_event(
            cloudformation,
            stack,
            stack.name,
            "AWS::CloudFormation::Stack",
            stack.stack_id,
            "REVIEW_IN_PROGRESS",
            "User Initiated",
        )
    found: list[dict[str, Any]] = []
    if desired is not None:
        try:
            found = changes(Work(cloudformation, stack, call.caller), stack, desired)
        except TemplateError as error:
            raise _refused(error) from error
        if kind == "UPDATE" and not differs(stack, desired, found):
            reason = NO_CHANGES
    name = params["ChangeSetName"]
    prefix = stack.stack_id.split(":stack/", maxsplit=1)[0]
    change_set = ChangeSet(
        change_set_id=f"{prefix}:changeSet/{name}/{uuid.uuid4()}",
        name=name,
        stack=stack,
        kind=kind,
        created=sandbox.now(),
        description=params.get("Description"),
        desired=desired,
        changes=found,
        role_arn=params.get("RoleARN"),
    )
    if reason:
        change_set.status, change_set.execution_status, change_set.reason = "FAILED", "UNAVAILABLE", reason
    with cloudformation.lock:
        cloudformation.change_sets[change_set.change_set_id] = change_set
    return {"Id": change_set.change_set_id, "StackId": stack.stack_id}


@rule("cloudformation", "DescribeChangeSet")
def describe_change_set(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The change set with all its changes on one page."""
    change_set = of(sandbox).change_set(call.region, call.params["ChangeSetName"], call.params.get("StackName"))
    parameters = change_set.desired.parameters if change_set.desired else {}
    tags = change_set.desired.tags if change_set.desired else {}
    return _without_none(
        {
            **_change_set_summary(change_set),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "NotificationARNs": change_set.stack.notification_arns,
            "Capabilities": list(change_set.desired.capabilities) if change_set.desired else [],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "Changes": change_set.changes,
        }
    )


def _change_set_summary(change_set: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.change_set_id,
        "StackId": change_set.stack.stack_id,
        "StackName": change_set.stack.name,
        "Description": change_set.description,
        "CreationTime": change_set.created,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
    }


def _without_none(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if value is not None}


@rule("cloudformation", "ListChangeSets")
def list_change_sets(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The change sets of one stack."""
    cloudformation = of(sandbox)
    stack = cloudformation.stack(call.region, call.params["StackName"])
    found = [each for each in cloudformation.change_sets.values() if each.stack is stack]
    return {"Summaries": [_without_none(_change_set_summary(each)) for each in found]}


@rule("cloudformation", "DeleteChangeSet")
def delete_change_set(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The change set is gone; the stack is as it was."""
    cloudformation = of(sandbox)
    change_set = cloudformation.change_set(call.region, call.params["ChangeSetName"], call.params.get("StackName"))
    del cloudformation.change_sets[change_set.change_set_id]
    return {}


@rule("cloudformation", "ExecuteChangeSet", blocking=True)
def execute_change_set(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack is being made, or changed, as the change set says."""
    cloudformation = of(sandbox)
    with cloudformation.lock:
        change_set = cloudformation.change_set(call.region, call.params["ChangeSetName"], call.params.get("StackName"))
        desired, stack = change_set.desired, change_set.stack
        if change_set.execution_status != "AVAILABLE" or desired is None:
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status of "
                f"[{change_set.status}]",
            )
        change_set.execution_status = "EXECUTE_COMPLETE"
        stack.role_arn = change_set.role_arn or stack.role_arn
        stack.disable_rollback = bool(call.params.get("DisableRollback"))
        # What a stack becomes ends the change sets made from what it was.
        for other in list(cloudformation.change_sets.values()):
            if other.stack is stack and other is not change_set:
                del cloudformation.change_sets[other.change_set_id]
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, stack.role_arn))
    operation = work.create if change_set.kind == "CREATE" else work.update
    cloudformation.run(lambda: operation(desired))
    return {}


@rule("cloudformation", "CreateStack", blocking=True)
def create_stack(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack is being made."""
    cloudformation, params = of(sandbox), call.params
    if any(
        each.name == params["StackName"] and each.region == call.region and each.deleted is None
        for each in cloudformation.stacks.values()
    ):
        raise AwsError("AlreadyExistsException", f"Stack [{params['StackName']}] already exists")
    try:
        desired = cloudformation.desired(call, None)
    except TemplateError as error:
        raise _refused(error) from error
    if templates.transforms(templates.parse(desired.body)) and "CAPABILITY_AUTO_EXPAND" not in desired.capabilities:
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    stack = cloudformation.new_stack(call, "CREATE_IN_PROGRESS")
    stack.role_arn = params.get("RoleARN")
    stack.disable_rollback = bool(params.get("DisableRollback")) or params.get("OnFailure") == "DO_NOTHING"
    stack.deletes_on_failure = params.get("OnFailure") == "DELETE"
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, stack.role_arn))
    cloudformation.run(lambda: work.create(desired))
    return {"StackId": stack.stack_id}


@rule("cloudformation", "UpdateStack", blocking=True)
def update_stack(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack is being changed."""
    cloudformation, params = of(sandbox), call.params
    stack = cloudformation.stack(call.region, params["StackName"])
    _check_updatable(stack)
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, params.get("RoleARN") or stack.role_arn))
    try:
        desired = cloudformation.desired(call, stack)
        found = changes(work, stack, desired)
    except TemplateError as error:
        raise _refused(error) from error
    if not differs(stack, desired, found):
        raise AwsError("ValidationError", "No updates are to be performed.")
    stack.role_arn = params.get("RoleARN") or stack.role_arn
    stack.disable_rollback = bool(params.get("DisableRollback"))
    cloudformation.run(lambda: work.update(desired))
    return {"StackId": stack.stack_id}


@rule("cloudformation", "DeleteStack", blocking=True)
def delete_stack(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack is being removed; of a stack that does not exist nothing is said."""
    cloudformation, params = of(sandbox), call.params
    try:
        stack = cloudformation.stack(call.region, params["StackName"])
    except AwsError:
        return {}
    if stack.deleted is not None:
        return {}
    if stack.termination_protection:
        raise AwsError(
            "ValidationError",
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled",
        )
    if stack.status == "DELETE_FAILED":
        for name in params.get("RetainResources") or []:
            if name in stack.resources:
                stack.resources[name].deletion_policy = "Retain"
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, params.get("RoleARN") or stack.role_arn))
    cloudformation.run(work.delete)
    return {}


@rule("cloudformation", "UpdateTerminationProtection")
def update_termination_protection(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack may be deleted, or may not."""
    stack = of(sandbox).stack(call.region, call.params["StackName"])
    stack.termination_protection = bool(call.params["EnableTerminationProtection"])
    return {"StackId": stack.stack_id}


@rule("cloudformation", "DescribeStacks")
def describe_stacks(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """One stack, or all that are not deleted."""
    cloudformation = of(sandbox)
    if call.params.get("StackName"):
        return {"Stacks": [_described(cloudformation.stack(call.region, call.params["StackName"]))]}
    stacks = [each for each in cloudformation.stacks.values() if each.region == call.region and each.deleted is None]
    return {"Stacks": [_described(each) for each in stacks]}


def _described(stack: Stack) -> dict[str, Any]:
    desired = stack.desired
    hidden: set[str] = set()
    if desired is not None:
        declared = desired.template.get("Parameters") or {}
        hidden = {key for key, each in declared.items() if str(each.get("NoEcho", "")).lower() == "true"}
    values = desired.values if desired else {}
    return _without_none(
        {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "Description": desired.template.get("Description") if desired else None,
            "Parameters": [
                {
                    "ParameterKey": key,
                    "ParameterValue": "****"
                    if key in hidden
                    else ",".join(value)
                    if isinstance(value, list)
                    else value,
                }
                for key, value in values.items()
            ],
            "CreationTime": stack.created,
            "DeletionTime": stack.deleted,
            "LastUpdatedTime": stack.updated,
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DisableRollback": stack.disable_rollback,
            "NotificationARNs": stack.notification_arns,
            "Capabilities": list(desired.capabilities) if desired else [],
            "Outputs": stack.outputs,
            "RoleARN": stack.role_arn,
            "Tags": [{"Key": key, "Value": value} for key, value in desired.tags.items()] if desired else [],
            "EnableTerminationProtection": stack.termination_protection,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


@rule("cloudformation", "ListStacks")
def list_stacks(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """Every stack, deleted ones too, or those of the given statuses."""
    wanted = call.params.get("StackStatusFilter")
    summaries = [
        _without_none(
            {
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "CreationTime": stack.created,
                "LastUpdatedTime": stack.updated,
                "DeletionTime": stack.deleted,
                "StackStatus": stack.status,
                "StackStatusReason": stack.reason,
            }
        )
        for stack in of(sandbox).stacks.values()
        if stack.region == call.region and (not wanted or stack.status in wanted)
    ]
    return {"StackSummaries": summaries}


@rule("cloudformation", "DescribeStackEvents")
def describe_stack_events(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack's history, newest first, on one page."""
    return {"StackEvents": of(sandbox).stack(call.region, call.params["StackName"]).events[::-1]}


def _resources(sandbox: Sandbox, call: Call) -> tuple[Stack, list[StackResource]]:
    stack = of(sandbox).stack(call.region, call.params["StackName"])
    name = call.params.get("LogicalResourceId")
    return stack, [each for each in stack.resources.values() if name is None or each.logical_id == name]


@rule("cloudformation", "ListStackResources")
def list_stack_resources(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack's resources."""
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": each.logical_id,
                "PhysicalResourceId": each.physical_id,
                "ResourceType": each.type,
                "LastUpdatedTimestamp": each.updated,
                "ResourceStatus": each.status,
            }
            for each in _resources(sandbox, call)[1]
        ]
    }


@rule("cloudformation", "DescribeStackResources")
def describe_stack_resources(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The stack's resources, in another shape."""
    stack, resources = _resources(sandbox, call)
    return {"StackResources": [{**_resource_detail(stack, each), "Timestamp": each.updated} for each in resources]}


@rule("cloudformation", "DescribeStackResource")
def describe_stack_resource(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """One resource of the stack."""
    stack, resources = _resources(sandbox, call)
    if not resources:
        raise AwsError(
            "ValidationError",
            f"Resource {call.params['LogicalResourceId']} does not exist for stack {stack.name}",
        )
    detail = {**_resource_detail(stack, resources[0]), "LastUpdatedTimestamp": resources[0].updated}
    return {"StackResourceDetail": detail}


def _resource_detail(stack: Stack, resource: StackResource) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
    }


@rule("cloudformation", "GetTemplate")
def get_template(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The template as it was given, or with its macros expanded."""
    stack = of(sandbox).stack(call.region, call.params["StackName"])
    if stack.desired is None:
        raise AwsError("ValidationError", f"Stack with id {stack.name} has no template")
    processed = call.params.get("TemplateStage", "Original") == "Processed"
    body = json.dumps(stack.desired.template) if processed else stack.desired.body
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


@rule("cloudformation", "GetTemplateSummary", "ValidateTemplate")
def get_template_summary(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """What a template declares."""
    cloudformation, params = of(sandbox), call.params
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
        raise _refused(error) from error
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
        parameters.append(_without_none(parameter))
    types = sorted({each["Type"] for each in template["Resources"].values()})
    iam = ["CAPABILITY_IAM"] if any(each in IAM_NAMES or "Serverless" in each for each in types) else []
    return _without_none(
        {
            "Parameters": parameters,
            "Description": template.get("Description"),
            "Capabilities": iam,
            "DeclaredTransforms": templates.transforms(template),
            "ResourceTypes": None if validating else types,
            "Version": None if validating else template.get("AWSTemplateFormatVersion"),
            "Metadata": json.dumps(template["Metadata"]) if "Metadata" in template and not validating else None,
        }
    )


@rule("cloudformation", "ListExports")
def list_exports(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The region's exports."""
    return {
        "Exports": [
            {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
            for name, (value, stack) in of(sandbox).exports(call.region).items()
        ]
    }
