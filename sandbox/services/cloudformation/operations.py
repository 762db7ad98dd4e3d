"""Operations of CloudFormation that change something: change sets and stacks.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/ ; refusals as deployment tools quote them.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import templates
from sandbox.services.cloudformation.stack_changes import changes, differs
from sandbox.services.cloudformation.stack_descriptions import refused, shown_parameters, without_none
from sandbox.services.cloudformation.stack_events import add_event
from sandbox.services.cloudformation.stack_models import NO_CHANGES, ChangeSet, Desired, Stack
from sandbox.services.cloudformation.stack_values import imported_value, values_of
from sandbox.services.cloudformation.stack_work import Work
from sandbox.services.cloudformation.stacks import CloudFormation

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


_NOT_UPDATABLE = frozenset({
    "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED",
    "DELETE_COMPLETE",
})  # fmt: skip


def _check_updatable(stack: Stack) -> None:
    if stack.status.endswith("_IN_PROGRESS") or stack.status in _NOT_UPDATABLE:
        raise AwsError("ValidationError", f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


@rule("cloudformation", "CreateChangeSet", blocking=True)
def create_change_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create a change set, available or failed with a reason. The type CREATE also creates the stack, in review."""
    cloudformation, params = account.service(CloudFormation), call.params
    kind = params.get("ChangeSetType", "UPDATE")
    try:
        stack: Stack | None = cloudformation.stack(call.region, params["StackName"])
    except AwsError:
        if kind == "UPDATE":
            raise
        stack = None
    if stack is not None and kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
        already = f"Stack [{params['StackName']}] already exists and cannot be created again with the changeSet"
        raise AwsError("ValidationError", f"{already} [{params['ChangeSetName']}].")
    if stack is not None and kind == "UPDATE":
        _check_updatable(stack)
    if stack is not None and any(
        each.stack is stack and each.name == params["ChangeSetName"] for each in cloudformation.change_sets.values()
    ):
        raise AwsError("AlreadyExistsException", f"ChangeSet {params['ChangeSetName']} already exists")
    reason, desired = None, None
    try:
        desired = cloudformation.desired(call, stack)
    except TemplateError as error:
        if not str(error).startswith(("Transform ", "Template format error: Unrecognized")):
            raise refused(error) from error
        reason = str(error)
    if stack is None:
        stack = cloudformation.new_stack(call, "REVIEW_IN_PROGRESS")
        stack.reason = "User Initiated"
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
            found = changes(
                stack, desired, values_of(stack, desired), partial(imported_value, cloudformation, call.region)
            )
        except TemplateError as error:
            raise refused(error) from error
        if kind == "UPDATE" and not differs(stack, desired, found):
            reason = NO_CHANGES
    name = params["ChangeSetName"]
    prefix = stack.stack_id.split(":stack/", maxsplit=1)[0]
    change_set = ChangeSet(
        change_set_id=f"{prefix}:changeSet/{name}/{uuid.uuid4()}",
        name=name,
        stack=stack,
        kind=kind,
        created=account.now(),
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
def describe_change_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the change set with all its changes on one page.

    *Source* of which members are empty and which are left out: 430 answers in LocalStack's CloudFormation snapshots.
    """
    change_set = account.service(CloudFormation).change_set(
        call.region, call.params["ChangeSetName"], call.params.get("StackName")
    )
    parameters = shown_parameters(change_set.desired) if change_set.desired else []
    tags = change_set.desired.tags if change_set.desired else {}
    return without_none(
        {
            **_change_set_summary(change_set),
            "Parameters": parameters or None,
            "NotificationARNs": change_set.stack.notification_arns,
            "RollbackConfiguration": {},
            "Capabilities": list(change_set.desired.capabilities) if change_set.desired else [],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()] or None,
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
        "IncludeNestedStacks": False,
    }


@rule("cloudformation", "ListChangeSets")
def list_change_sets(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the change sets of one stack."""
    cloudformation = account.service(CloudFormation)
    stack = cloudformation.stack(call.region, call.params["StackName"])
    found = [each for each in cloudformation.change_sets.values() if each.stack is stack]
    return {"Summaries": [without_none(_change_set_summary(each)) for each in found]}


@rule("cloudformation", "DeleteChangeSet")
def delete_change_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the change set and leave the stack as it is. Answer without an error if the change set does not exist.

    *Source:* Serverless Framework 3 deletes its change set before each update, whether or not there is one.
    """
    cloudformation = account.service(CloudFormation)
    try:
        change_set = cloudformation.change_set(call.region, call.params["ChangeSetName"], call.params.get("StackName"))
    except AwsError as error:
        if error.code != "ChangeSetNotFound":
            raise
        return {}
    del cloudformation.change_sets[change_set.change_set_id]
    return {}


@rule("cloudformation", "ExecuteChangeSet", blocking=True)
def execute_change_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start to create or update the stack as the change set describes."""
    cloudformation = account.service(CloudFormation)
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
        stack.updated, stack.change_set_id = account.now(), change_set.change_set_id
        # A change of the stack invalidates the change sets that were computed from its former state.
        for other in list(cloudformation.change_sets.values()):
            if other.stack is stack and other is not change_set:
                del cloudformation.change_sets[other.change_set_id]
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, stack.role_arn))
    operation = work.create if change_set.kind == "CREATE" else work.update
    cloudformation.run(lambda: operation(desired))
    return {}


def _needs_expansion(cloudformation: CloudFormation, call: Call, desired: Desired) -> bool:
    """Return whether the capability for macros is needed. A switch decides it for a nested stack without a macro."""
    bodies = [desired.body]
    nesting = cloudformation.nesting.get((call.region, call.params["StackName"]))
    if nesting and nesting.parent.desired and cloudformation.account.behaviour.nested_stacks_need_auto_expand:
        bodies.append(nesting.parent.desired.body)
    return any(templates.transforms(templates.parse(body)) for body in bodies)


@rule("cloudformation", "CreateStack", blocking=True)
def create_stack(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start to create a stack."""
    cloudformation, params = account.service(CloudFormation), call.params
    if any(
        each.name == params["StackName"] and each.region == call.region and each.deleted is None
        for each in cloudformation.stacks.values()
    ):
        raise AwsError("AlreadyExistsException", f"Stack [{params['StackName']}] already exists")
    try:
        desired = cloudformation.desired(call, None)
    except TemplateError as error:
        raise refused(error) from error
    if _needs_expansion(cloudformation, call, desired) and "CAPABILITY_AUTO_EXPAND" not in desired.capabilities:
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    stack = cloudformation.new_stack(call, "CREATE_IN_PROGRESS")
    stack.role_arn = params.get("RoleARN")
    stack.disable_rollback = bool(params.get("DisableRollback")) or params.get("OnFailure") == "DO_NOTHING"
    if stack.parent_id is not None:  # its parent deletes it
        stack.disable_rollback = True
    stack.deletes_on_failure = params.get("OnFailure") == "DELETE"
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, stack.role_arn))
    # The parent of a nested stack reports its id first, and then waits itself.
    cloudformation.run(lambda: work.create(desired), waits=stack.parent_id is None)
    return {"StackId": stack.stack_id}


@rule("cloudformation", "UpdateStack", blocking=True)
def update_stack(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start to update the stack."""
    cloudformation, params = account.service(CloudFormation), call.params
    stack = cloudformation.stack(call.region, params["StackName"])
    _check_updatable(stack)
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, params.get("RoleARN") or stack.role_arn))
    try:
        desired = cloudformation.desired(call, stack)
        found = changes(stack, desired, values_of(stack, desired), partial(imported_value, cloudformation, call.region))
    except TemplateError as error:
        raise refused(error) from error
    if not differs(stack, desired, found):
        raise AwsError("ValidationError", "No updates are to be performed.")
    stack.role_arn = params.get("RoleARN") or stack.role_arn
    nesting = cloudformation.nesting.get((call.region, stack.name))
    stack.disable_rollback = nesting.parent.disable_rollback if nesting else bool(params.get("DisableRollback"))
    stack.change_set_id = None
    cloudformation.run(lambda: work.update(desired, is_held=nesting is not None))
    return {"StackId": stack.stack_id}


@rule("cloudformation", "DeleteStack", blocking=True)
def delete_stack(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start to delete the stack. Answer without an error if the stack does not exist."""
    cloudformation, params = account.service(CloudFormation), call.params
    try:
        stack = cloudformation.stack(call.region, params["StackName"])
    except AwsError:
        return {}
    if stack.deleted is not None:
        return {}
    nesting = cloudformation.nesting.get((call.region, stack.name))
    if cloudformation.is_protected(stack) and nesting is None:
        raise AwsError(
            "ValidationError",
            f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled",
        )
    if params.get("RetainResources") and stack.status != "DELETE_FAILED":
        raise AwsError(
            "ValidationError",
            f"Invalid operation on stack [{stack.stack_id}]. When you delete a stack, specify which resources to "
            "retain only when the stack is in the DELETE_FAILED state.",
        )
    for name in params.get("RetainResources") or []:
        if name in stack.resources:
            stack.resources[name].deletion_policy = "Retain"
    work = Work(cloudformation, stack, cloudformation.deployer(call.caller, params.get("RoleARN") or stack.role_arn))
    cloudformation.run(lambda: work.delete(is_rollback=nesting is not None and nesting.is_rollback))
    return {}


@rule("cloudformation", "UpdateTerminationProtection")
def update_termination_protection(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Set whether the stack is protected from deletion."""
    stack = account.service(CloudFormation).stack(call.region, call.params["StackName"])
    if stack.parent_id is not None:
        message = f"Termination protection of [{stack.name}] can only be changed on its root stack"
        raise AwsError("ValidationError", message)  # not recorded
    stack.termination_protection = bool(call.params["EnableTerminationProtection"])
    return {"StackId": stack.stack_id}
