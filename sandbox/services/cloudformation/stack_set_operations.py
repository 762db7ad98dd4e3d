"""Operations of CloudFormation on stack sets and their instances."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import template_validation, templates
from sandbox.services.cloudformation.stack_set_models import Instance, Operation, StackSet
from sandbox.services.cloudformation.stack_sets import StackSets
from sandbox.services.cloudformation.stacks import CloudFormation

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_SETTINGS = (
    "Description", "TemplateBody", "Parameters", "Capabilities", "Tags", "AdministrationRoleARN", "ExecutionRoleName",
    "PermissionModel", "ManagedExecution",
)  # fmt: skip


@rule("cloudformation", "CreateStackSet", blocking=True)
def create_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The set exists and has no instances yet."""
    sets, name = account.service(StackSets), call.params["StackSetName"]
    if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
        message = f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint"
        raise AwsError("ValidationError", message)
    if any(each.name == name and each.region == call.region for each in sets.sets.values()):
        raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists", 409)
    _check_model(call)
    stack_set = StackSet(f"{name}:{uuid.uuid4()}", name, call.region, call.caller.account, {})
    stack_set.settings = _settings(account, call, {"PermissionModel": "SELF_MANAGED"})
    sets.sets[stack_set.stack_set_id] = stack_set
    return {"StackSetId": stack_set.stack_set_id}


def _check_model(call: Call) -> None:
    if call.params.get("PermissionModel", "SELF_MANAGED") != "SELF_MANAGED" or call.params.get("AutoDeployment"):
        raise AwsError("NotImplemented", "The sandbox has no organization, so no service-managed stack sets", 501)


def _settings(account: Account, call: Call, before: dict[str, Any]) -> dict[str, Any]:
    settings = {**before, **{name: call.params[name] for name in _SETTINGS if name in call.params}}
    if call.params.get("TemplateURL"):
        settings["TemplateBody"] = account.service(CloudFormation).fetch(call, call.params["TemplateURL"])
    if not settings.get("TemplateBody"):
        raise AwsError("ValidationError", "Either Template URL or Template Body must be specified.")
    try:
        template = templates.parse(settings["TemplateBody"])
        template_validation.check_names(template)
    except TemplateError as error:
        raise AwsError("ValidationError", str(error)) from error
    given = {each["ParameterKey"] for each in settings.get("Parameters") or []}
    unknown = given - (template.get("Parameters") or {}).keys()
    if unknown:
        message = f"Parameters: [{', '.join(sorted(unknown))}] do not exist in the template"
        raise AwsError("ValidationError", message)
    return settings


@rule("cloudformation", "UpdateStackSet", blocking=True)
def update_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The set is as asked, and its instances are being made so."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    _check_model(call)
    targets = _existing(stack_set, call) if call.params.get("Regions") else list(stack_set.instances)
    before = stack_set.settings if call.params.get("UsePreviousTemplate") else {}
    kept: dict[str, Any] = {
        name: stack_set.settings[name]
        for name in ("PermissionModel", "AdministrationRoleARN", "ExecutionRoleName")
        if name in stack_set.settings
    }
    stack_set.settings = _settings(account, call, {**kept, **before})
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackSet")
def delete_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the stack set. Refuse one that has instances."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    if stack_set.instances:
        raise AwsError("StackSetNotEmptyException", "StackSet is not empty", 409)
    del sets.sets[stack_set.stack_set_id]
    return {}


@rule("cloudformation", "CreateStackInstances", blocking=True)
def create_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances are being made; those that exist and are OUTDATED are tried again, the others stay as they are.

    *Source:* botocore's documentation of CreateStackInstances, OperationId
    """
    sets = account.service(StackSets)
    stack_set, targets = sets.named(call), _targets(call)
    overrides = call.params.get("ParameterOverrides") or []
    for account_id, region in targets:
        stack_set.instances.setdefault((account_id, region), Instance(account_id, region, overrides))
    return sets.operate(stack_set, call, "CREATE", targets, sets.make(stack_set))


@rule("cloudformation", "UpdateStackInstances", blocking=True)
def update_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances get these overrides, and are being changed."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    targets = _existing(stack_set, call)
    if "ParameterOverrides" in call.params:
        for target in targets:
            stack_set.instances[target].overrides = call.params["ParameterOverrides"]
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackInstances", blocking=True)
def delete_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances are being removed; one whose stack cannot be is INOPERABLE."""
    sets = account.service(StackSets)
    stack_set, retain = sets.named(call), bool(call.params.get("RetainStacks"))
    targets = [target for target in _targets(call) if target in stack_set.instances]
    step = sets.remove(stack_set, retain=retain)
    return sets.operate(stack_set, call, "DELETE", targets, step, broken="INOPERABLE")


def _targets(call: Call) -> list[tuple[str, str]]:
    accounts = call.params.get("Accounts") or (call.params.get("DeploymentTargets") or {}).get("Accounts") or []
    regions = call.params.get("Regions") or []
    if not accounts or not regions:
        raise AwsError("ValidationError", "Accounts and Regions are required.")  # the wording is not recorded
    return [(account_id, region) for region in regions for account_id in accounts]


def _existing(stack_set: StackSet, call: Call) -> list[tuple[str, str]]:
    targets = _targets(call)
    for account_id, region in targets:
        if (account_id, region) not in stack_set.instances:
            message = f"Stack instance for account {account_id} and region {region} not found"
            raise AwsError("StackInstanceNotFoundException", message, 404)
    return targets


@rule("cloudformation", "DescribeStackSet")
def describe_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's settings."""
    stack_set = account.service(StackSets).named(call)
    described = {
        **stack_set.settings,
        "StackSetName": stack_set.name,
        "StackSetId": stack_set.stack_set_id,
        "StackSetARN": stack_set.arn,
        "Status": "ACTIVE",
        "AdministrationRoleARN": stack_set.administration_role_arn,
        "ExecutionRoleName": stack_set.execution_role_name,
        "Regions": sorted({each.region for each in stack_set.instances.values()}),
    }
    return {"StackSet": described}


@rule("cloudformation", "ListStackSets")
def list_stack_sets(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The region's sets that are not deleted, on one page."""
    found = [each for each in account.service(StackSets).sets.values() if each.region == call.region]
    if call.params.get("Status") == "DELETED":
        found = []
    return {
        "Summaries": [
            {
                "StackSetName": each.name,
                "StackSetId": each.stack_set_id,
                "Status": "ACTIVE",
                "PermissionModel": "SELF_MANAGED",
            }
            for each in found
        ]
    }


def _described(stack_set: StackSet, instance: Instance) -> dict[str, Any]:
    described = {
        "StackSetId": stack_set.stack_set_id,
        "Account": instance.account,
        "Region": instance.region,
        "StackId": instance.stack_id,
        "Status": instance.status,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed},
        "StatusReason": instance.reason,
        "DriftStatus": "NOT_CHECKED",
        "LastOperationId": instance.operation_id,
    }
    return {name: value for name, value in described.items() if value is not None}


@rule("cloudformation", "DescribeStackInstance")
def describe_stack_instance(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """One instance."""
    stack_set = account.service(StackSets).named(call)
    target = call.params["StackInstanceAccount"], call.params["StackInstanceRegion"]
    if target not in stack_set.instances:
        message = f"Stack instance for account {target[0]} and region {target[1]} not found"
        raise AwsError("StackInstanceNotFoundException", message, 404)
    instance = stack_set.instances[target]
    return {"StackInstance": _described(stack_set, instance) | {"ParameterOverrides": instance.overrides}}


@rule("cloudformation", "ListStackInstances")
def list_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's instances, or those of one account or region, on one page."""
    stack_set, params = account.service(StackSets).named(call), call.params
    found = [
        _described(stack_set, each)
        for each in stack_set.instances.values()
        if params.get("StackInstanceAccount") in (None, each.account)
        and params.get("StackInstanceRegion") in (None, each.region)
    ]
    return {"Summaries": found}


def _operation(stack_set: StackSet, call: Call) -> Operation:
    found = stack_set.operations.get(call.params["OperationId"])
    if found is None:
        raise AwsError("OperationNotFoundException", f"Operation {call.params['OperationId']} not found", 404)
    return found


def _described_operation(stack_set: StackSet, operation: Operation) -> dict[str, Any]:
    failed = [result["StatusReason"] for result in operation.results if result["Status"] == "FAILED"]
    described = {
        "OperationId": operation.operation_id,
        "StackSetId": stack_set.stack_set_id,
        "Action": operation.action,
        "Status": operation.status,
        "OperationPreferences": operation.preferences,
        "RetainStacks": operation.retain,
        "AdministrationRoleARN": stack_set.administration_role_arn,
        "ExecutionRoleName": stack_set.execution_role_name,
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "StatusReason": "; ".join(dict.fromkeys(failed)) if operation.status == "FAILED" else None,
        "StatusDetails": {"FailedStackInstancesCount": operation.failures},
    }
    return {name: value for name, value in described.items() if value is not None}


@rule("cloudformation", "DescribeStackSetOperation")
def describe_stack_set_operation(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """One operation."""
    stack_set = account.service(StackSets).named(call)
    return {"StackSetOperation": _described_operation(stack_set, _operation(stack_set, call))}


@rule("cloudformation", "ListStackSetOperations")
def list_stack_set_operations(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's operations, newest first, on one page."""
    stack_set = account.service(StackSets).named(call)
    left = ("OperationId", "Action", "Status", "CreationTimestamp", "EndTimestamp", "StatusReason", "StatusDetails",
            "OperationPreferences")  # fmt: skip
    described = [_described_operation(stack_set, each) for each in reversed(stack_set.operations.values())]
    return {"Summaries": [{name: each[name] for name in left if name in each} for each in described]}


@rule("cloudformation", "ListStackSetOperationResults")
def list_stack_set_operation_results(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """What an operation did, instance by instance, on one page."""
    stack_set = account.service(StackSets).named(call)
    return {"Summaries": list(_operation(stack_set, call).results)}
