"""The values of a stack: parameters, pseudo parameters, imported values, outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import templates

if TYPE_CHECKING:
    from sandbox.services.cloudformation.stack_models import Desired, Stack
    from sandbox.services.cloudformation.stacks import CloudFormation
    from sandbox.services.cloudformation.template_functions import Scope


def values_of(stack: Stack, desired: Desired) -> dict[str, Any]:
    """Return the values of parameters and pseudo parameters by name."""
    pseudo = templates.pseudo_parameters(stack.account, stack.region, stack.name, stack.stack_id)
    return {**pseudo, "AWS::NotificationARNs": stack.notification_arns, **desired.values}


def imported_value(cloudformation: CloudFormation, region: str, name: str) -> str:
    """Return the value that a stack of the region exports under this name. Raise TemplateError if none does."""
    exports = cloudformation.exports(region)
    if name not in exports:
        raise TemplateError(f"No export named {name} found.")
    return exports[name][0]


def outputs_of(cloudformation: CloudFormation, stack: Stack, scope: Scope, desired: Desired) -> list[dict[str, str]]:
    """Return the outputs that the template declares. Raise TemplateError if another stack exports one of the names."""
    outputs = []
    for key, declaration in (desired.template.get("Outputs") or {}).items():
        if not scope.wanted(declaration):
            continue
        output = {"OutputKey": key, "OutputValue": templates.as_text(scope.evaluate(declaration["Value"]))}
        if "Description" in declaration:
            output["Description"] = declaration["Description"]
        if "Export" in declaration:
            name = str(scope.evaluate(declaration["Export"]["Name"]))
            exported = cloudformation.exports(stack.region).get(name)
            if exported and exported[1] is not stack:
                raise TemplateError(f"Export with name {name} is already exported by stack {exported[1].name}.")
            output["ExportName"] = name
        outputs.append(output)
    return outputs
