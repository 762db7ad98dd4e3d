"""Operations of CloudFormation on stack sets and their instances."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import service_managed, template_validation, templates
from sandbox.services.cloudformation.stack_set_models import Instance, Operation, StackSet
from sandbox.services.cloudformation.stack_sets import StackSets
from sandbox.services.cloudformation.stacks import CloudFormation

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_SETTINGS = (
    "Description", "TemplateBody", "Parameters", "Capabilities", "Tags", "AdministrationRoleARN", "ExecutionRoleName",
    "PermissionModel", "ManagedExecution", "AutoDeployment",
)  # fmt: skip


#: Instances on a page.
_MOST_ON_A_PAGE = 100


@rule("cloudformation", "CreateStackSet", blocking=True)
def create_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The set exists and has no instances yet."""
    sets, name = _sets(account, call), call.params["StackSetName"]
    if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
        message = f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint"
        raise AwsError("ValidationError", message)
    if any(each.name == name and each.region == call.region for each in sets.sets.values()):
        raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists", 409)
    stack_set = StackSet(f"{name}:{uuid.uuid4()}", name, call.region, sets.account.account_id, {})
    stack_set.settings = _settings(account, call, {"PermissionModel": "SELF_MANAGED"})
    if stack_set.is_service_managed:
        service_managed.check(stack_set)
        organization = service_managed.organization_for(account, call)
        if sets.follow_organization not in organization.listeners:
            organization.listeners.append(sets.follow_organization)
    sets.sets[stack_set.stack_set_id] = stack_set
    return {"StackSetId": stack_set.stack_set_id}


def _sets(account: Account, call: Call) -> StackSets:
    return service_managed.administrator_of(account, call).service(StackSets)


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
    sets = _sets(account, call)
    stack_set = sets.named(call)
    targets = _existing(account, stack_set, call) if call.params.get("Regions") else list(stack_set.instances)
    before = stack_set.settings if call.params.get("UsePreviousTemplate") else {}
    kept: dict[str, Any] = {
        name: stack_set.settings[name]
        for name in ("PermissionModel", "AdministrationRoleARN", "ExecutionRoleName", "AutoDeployment")
        if name in stack_set.settings
    }
    stack_set.settings = _settings(account, call, {**kept, **before})
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackSet")
def delete_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the stack set. Refuse one that has instances."""
    sets = _sets(account, call)
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
    sets = _sets(account, call)
    stack_set = sets.named(call)
    targets = _targets(account, stack_set, call)
    overrides = call.params.get("ParameterOverrides") or []
    for (account_id, region), unit in targets.items():
        instance = Instance(account_id, region, overrides, unit_id=unit)
        stack_set.instances.setdefault((account_id, region), instance)
    if stack_set.is_service_managed:
        target = service_managed.target_of(service_managed.organization_for(account, call), call)
        stack_set.targets = [*(each for each in stack_set.targets if each != target), target]
    return sets.operate(stack_set, call, "CREATE", targets, sets.make(stack_set))


@rule("cloudformation", "UpdateStackInstances", blocking=True)
def update_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances get these overrides, and are being changed."""
    sets = _sets(account, call)
    stack_set = sets.named(call)
    targets = _existing(account, stack_set, call)
    if "ParameterOverrides" in call.params:
        for target in targets:
            stack_set.instances[target].overrides = call.params["ParameterOverrides"]
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackInstances", blocking=True)
def delete_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances are being removed; one whose stack cannot be is INOPERABLE."""
    sets = _sets(account, call)
    stack_set, retain = sets.named(call), bool(call.params.get("RetainStacks"))
    targets = [target for target in _targets(account, stack_set, call) if target in stack_set.instances]
    if stack_set.is_service_managed:
        target = service_managed.target_of(service_managed.organization_for(account, call), call)
        stack_set.targets = service_managed.without(stack_set.targets, target)
    step = sets.remove(stack_set, retain=retain)
    return sets.operate(stack_set, call, "DELETE", targets, step, broken="INOPERABLE")


def _targets(account: Account, stack_set: StackSet, call: Call) -> dict[tuple[str, str], str | None]:
    """Return the instances that the call is about, (account, region), each with its unit if it has one."""
    if stack_set.is_service_managed:
        organization = service_managed.organization_for(account, call)
        return dict(service_managed.wanted(organization, service_managed.target_of(organization, call)))
    accounts = call.params.get("Accounts") or (call.params.get("DeploymentTargets") or {}).get("Accounts") or []
    regions = call.params.get("Regions") or []
    if not accounts or not regions:
        raise AwsError("ValidationError", "Accounts and Regions are required.")  # the wording is not recorded
    return {(account_id, region): None for region in regions for account_id in accounts}


def _existing(account: Account, stack_set: StackSet, call: Call) -> list[tuple[str, str]]:
    targets = list(_targets(account, stack_set, call))
    for account_id, region in targets:
        if (account_id, region) not in stack_set.instances:
            message = f"Stack instance for account {account_id} and region {region} not found"
            raise AwsError("StackInstanceNotFoundException", message, 404)
    return targets


@rule("cloudformation", "DescribeStackSet")
def describe_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's settings."""
    stack_set = _sets(account, call).named(call)
    described = {
        **stack_set.settings,
        "StackSetName": stack_set.name,
        "StackSetId": stack_set.stack_set_id,
        "StackSetARN": stack_set.arn,
        "Status": "ACTIVE",
        "Regions": sorted({each.region for each in stack_set.instances.values()}),
        **_roles(stack_set),
    }
    return {"StackSet": described}


def _roles(stack_set: StackSet) -> dict[str, str]:
    """Return the roles of a set with self-managed permissions, by name."""
    if stack_set.is_service_managed:
        return {}
    return {
        "AdministrationRoleARN": stack_set.administration_role_arn,
        "ExecutionRoleName": stack_set.execution_role_name,
    }


@rule("cloudformation", "ListStackSets")
def list_stack_sets(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The region's sets that are not deleted, on one page."""
    found = [each for each in _sets(account, call).sets.values() if each.region == call.region]
    if call.params.get("Status") == "DELETED":
        found = []
    return {
        "Summaries": [
            {
                "StackSetName": each.name,
                "StackSetId": each.stack_set_id,
                "Status": "ACTIVE",
                "PermissionModel": each.settings["PermissionModel"],
            }
            for each in found
        ]
    }


def _described(stack_set: StackSet, instance: Instance) -> dict[str, Any]:
    described = {
        "StackSetId": stack_set.stack_set_id,
        "Account": instance.account,
        "Region": instance.region,
        "OrganizationalUnitId": instance.unit_id,
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
    stack_set = _sets(account, call).named(call)
    target = call.params["StackInstanceAccount"], call.params["StackInstanceRegion"]
    if target not in stack_set.instances:
        message = f"Stack instance for account {target[0]} and region {target[1]} not found"
        raise AwsError("StackInstanceNotFoundException", message, 404)
    instance = stack_set.instances[target]
    return {"StackInstance": _described(stack_set, instance) | {"ParameterOverrides": instance.overrides}}


@rule("cloudformation", "ListStackInstances")
def list_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """List the set's instances, or those of one account or region, in pages.

    *Source:* CloudFormation API reference, ListStackInstances: at most 100 on a page.
    """
    stack_set, params = _sets(account, call).named(call), call.params
    found = [
        _described(stack_set, each)
        for each in stack_set.instances.values()
        if params.get("StackInstanceAccount") in (None, each.account)
        and params.get("StackInstanceRegion") in (None, each.region)
    ]
    start = int(params.get("NextToken") or 0)
    end = start + int(params.get("MaxResults") or _MOST_ON_A_PAGE)
    return {"Summaries": found[start:end], **({"NextToken": str(end)} if end < len(found) else {})}


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
        **_roles(stack_set),
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "StatusReason": "; ".join(dict.fromkeys(failed)) if operation.status == "FAILED" else None,
        "StatusDetails": {"FailedStackInstancesCount": operation.failures},
    }
    return {name: value for name, value in described.items() if value is not None}


@rule("cloudformation", "DescribeStackSetOperation")
def describe_stack_set_operation(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """One operation."""
    stack_set = _sets(account, call).named(call)
    return {"StackSetOperation": _described_operation(stack_set, _operation(stack_set, call))}


@rule("cloudformation", "ListStackSetOperations")
def list_stack_set_operations(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's operations, newest first, on one page."""
    stack_set = _sets(account, call).named(call)
    left = ("OperationId", "Action", "Status", "CreationTimestamp", "EndTimestamp", "StatusReason", "StatusDetails",
            "OperationPreferences")  # fmt: skip
    described = [_described_operation(stack_set, each) for each in reversed(stack_set.operations.values())]
    return {"Summaries": [{name: each[name] for name in left if name in each} for each in described]}


@rule("cloudformation", "ListStackSetOperationResults")
def list_stack_set_operation_results(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """What an operation did, instance by instance, on one page."""
    stack_set = _sets(account, call).named(call)
    return {"Summaries": list(_operation(stack_set, call).results)}
