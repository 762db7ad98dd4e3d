"""What an operation would change in a stack: order of resources, change sets, required capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.resource_types import TemplateError, changed_properties, type_of
from sandbox.services.cloudformation.template_functions import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sandbox.services.cloudformation.stack_models import Desired, Stack

#: Value in a change set for the physical id of a resource that does not exist yet.
_TO_BE_KNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
#: Why a change set always contains a nested stack: its own template may have changed.
#: *Source:* the example of a change set for nested stacks in the CloudFormation user guide; aws/aws-cdk issue 4488
_AUTOMATIC = {
    "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
    "Evaluation": "Dynamic",
    "ChangeSource": "Automatic",
}


def dependencies(scope: Scope, declared: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return, for each declared resource, the names of the declared resources that it depends on."""
    needs: dict[str, set[str]] = {}
    for name, declaration in declared.items():
        explicit = declaration.get("DependsOn") or []
        named = {explicit} if isinstance(explicit, str) else set(explicit)
        needs[name] = (scope.dependencies(declaration.get("Properties") or {}) | named) & declared.keys() - {name}
    return needs


def in_order(scope: Scope, declared: Mapping[str, Any]) -> list[str]:
    """Return the names of the declared resources. Each name follows those that its resource depends on."""
    needs = dependencies(scope, declared)
    order: list[str] = []
    while needs:
        ready = [name for name, wanted in needs.items() if not wanted]
        if not ready:
            raise TemplateError(f"Circular dependency between resources: [{', '.join(needs)}]")
        order += ready
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted.difference_update(ready)
    return order


def changes(
    stack: Stack, desired: Desired, values: Mapping[str, Any], imported: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Return how the stack's resources would change, as DescribeChangeSet shows it.

    ``values``: values of parameters and pseudo parameters. ``imported``: returns the value of ``Fn::ImportValue``.
    """
    unknown: set[str] = set()

    def reference(name: str) -> str:
        return _TO_BE_KNOWN if name in unknown or name not in stack.resources else stack.resources[name].physical_id

    def attribute(name: str, wanted: str) -> Any:
        return _TO_BE_KNOWN if reference(name) == _TO_BE_KNOWN else stack.resources[name].attributes.get(wanted)

    scope = Scope(desired.template, values, reference, attribute, imported)
    declared = {name: each for name, each in desired.template["Resources"].items() if scope.wanted(each)}
    found: list[dict[str, Any]] = []
    for name in in_order(scope, declared):
        change = {"LogicalResourceId": name, "ResourceType": declared[name]["Type"]}
        properties = scope.evaluate(declared[name].get("Properties") or {})
        old = stack.resources.get(name)
        if old is None:
            unknown.add(name)
            found.append({**change, "Action": "Add", "Details": [], "Scope": []})
        elif (changed := changed_properties(old.properties, properties)) or type_of(old.type).always_updated:
            replaced = type_of(old.type).replaces(old.properties, properties)
            if replaced:
                unknown.add(name)
            found.append(
                {
                    **change,
                    "Action": "Modify",
                    "PhysicalResourceId": old.physical_id,
                    "Replacement": "True" if replaced else "False",
                    "Scope": ["Properties"],
                    "Details": [
                        *(
                            {"Target": {"Attribute": "Properties", "Name": each}, "Evaluation": "Static"}
                            for each in sorted(changed)
                        ),
                        *([_AUTOMATIC] if type_of(old.type).always_updated else []),
                    ],
                }
            )
    for name, old in stack.resources.items():
        if name not in declared:
            found.append(
                {
                    "LogicalResourceId": name,
                    "ResourceType": old.type,
                    "PhysicalResourceId": old.physical_id,
                    "Action": "Remove",
                    "PolicyAction": "Retain" if old.deletion_policy.startswith("Retain") else "Delete",
                    "Details": [],
                    "Scope": [],
                }
            )
    return [{"Type": "Resource", "ResourceChange": change} for change in found]


def differs(stack: Stack, desired: Desired, found: Iterable[Any]) -> bool:
    """Tell whether an update has something to change: resources, outputs or tags. A failed update can be tried again.

    *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
    """
    before = stack.desired
    if before is None or stack.status == "UPDATE_FAILED" or list(found):
        return True
    return before.template.get("Outputs") != desired.template.get("Outputs") or before.tags != desired.tags


#: Types of IAM, each with the property for its name. A template that sets a name needs CAPABILITY_NAMED_IAM.
IAM_NAMES = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::RolePolicy": None,
}


def check_capabilities(template: Mapping[str, Any], given: Iterable[str]) -> None:
    wanted = ""
    for resource in template["Resources"].values():
        if resource["Type"] not in IAM_NAMES:
            continue
        named = IAM_NAMES[resource["Type"]]
        if named and named in (resource.get("Properties") or {}):
            wanted = "CAPABILITY_NAMED_IAM"
            break
        wanted = "CAPABILITY_IAM"
    enough = {"CAPABILITY_NAMED_IAM", wanted}
    if wanted and not enough & set(given):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{wanted}]")
