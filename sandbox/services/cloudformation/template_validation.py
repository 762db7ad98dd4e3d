"""Checks of a template that CloudFormation makes before it creates anything.

*Source* of the refusals without another source: LocalStack's recordings ``test_validations``, ``test_templates``,
``test_conditions``, ``test_mappings``, ``test_references`` and ``test_change_set_fn_*``; of the quotas
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation.template_functions import Scope, references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The longest template in a call, in bytes. A template in a bucket may be longer.
LONGEST_BODY = 51_200
_MOST = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
_OF_A_RESOURCE = frozenset({
    "Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy",
    "CreationPolicy", "Version",
})  # fmt: skip


def check_length(body: str) -> None:
    """Check the length of a template in a call."""
    if len(body.encode()) > LONGEST_BODY:
        raise TemplateError(
            f"1 validation error detected: Value '{body}' at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LONGEST_BODY}"
        )


def check_structure(template: Mapping[str, Any]) -> None:
    """Check the sections of a template with expanded macros: their sizes, names and contents."""
    for section, most in _MOST.items():
        if len(template.get(section) or {}) > most:
            number = len(template[section])
            raise TemplateError(
                f"Template format error: Number of {section.lower()}, {number}, is greater than maximum allowed, {most}"
            )
    for section, singular in (("Resources", "Resource"), ("Parameters", "Parameter")):
        for name in template.get(section) or {}:
            if not re.fullmatch(r"[A-Za-z0-9]+", str(name)):
                raise TemplateError(f"Template format error: {singular} name {name} is non alphanumeric.")
    for output in (template.get("Outputs") or {}).values():
        if not isinstance(output, dict) or "Value" not in output:
            raise TemplateError("Template format error: Every Outputs member must contain a Value object")
    for section in ("Resources", "Outputs", "Parameters", "Conditions", "Mappings"):
        for path in _nulls(template.get(section) or {}, f"/{section}"):
            raise TemplateError(f"[{path}] 'null' values are not allowed in templates")
    for resource in template["Resources"].values():
        for key in resource:
            if key not in _OF_A_RESOURCE:
                raise TemplateError(f"Invalid template resource property '{key}'")
    for name, mapping in (template.get("Mappings") or {}).items():
        if not isinstance(mapping, dict) or not all(isinstance(each, dict) for each in mapping.values()):
            raise TemplateError(f"Template format error: Every Mappings member {name} must be a map")
        if any(isinstance(value, dict) for each in mapping.values() for value in each.values()):
            raise TemplateError("Template format error: Every Mappings attribute must be a String or a List.")


def _nulls(value: Any, path: str) -> Iterator[str]:
    if value is None:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in members:
        yield from _nulls(each, f"{path}/{key}")


def check_conditions(template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Check that no included resource or output refers to a resource that its condition excludes."""

    def nothing(name: str, *_: str) -> str:
        raise TemplateError(f"Template error: {name} is not known yet")

    scope = Scope(template, values, nothing, nothing, nothing)
    resources = template["Resources"]
    there = {name for name, each in resources.items() if scope.wanted(each)}
    used = {"Resources": set[str](), "Outputs": set[str]()}
    for section, names in used.items():
        for declaration in (template.get(section) or {}).values():
            if scope.wanted(declaration):
                wanted = {key: declaration[key] for key in ("Properties", "Value") if key in declaration}
                names |= scope.dependencies(wanted) - there
    if used["Resources"]:
        listed = ", ".join(sorted(used["Resources"]))
        raise TemplateError(
            f"Template format error: Unresolved resource dependencies [{listed}] in the Resources block of the template"
        )
    if used["Outputs"]:
        listed = ", ".join(sorted(used["Outputs"]))
        raise TemplateError(f"Unresolved resource dependencies [{listed}] in the Outputs block of the template")


def check_names(template: Mapping[str, Any]) -> None:
    """Check that the template declares every name that it uses. Raise TemplateError if it does not."""
    resources, conditions = template["Resources"], template.get("Conditions") or {}
    known = resources.keys() | (template.get("Parameters") or {}).keys()
    outputs = template.get("Outputs") or {}
    for block, declared in (("Resources", resources), ("Outputs", outputs)):
        missing: set[str] = set()
        for declaration in declared.values():
            condition = declaration.get("Condition")
            if condition is not None and condition not in conditions:
                raise TemplateError(f"Template format error: Unresolved condition dependency {condition}")
            used = {key: each for key, each in declaration.items() if key not in {"Metadata", "DependsOn"}}
            named = set(references(used, lambda choice: choice[1:]))
            if block == "Resources":
                explicit = declaration.get("DependsOn") or []
                named |= {explicit} if isinstance(explicit, str) else set(explicit)
            missing |= {name for name in named - known if not name.startswith("AWS::")}
        if missing:
            names = ", ".join(sorted(missing))
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{names}] "
                f"in the {block} block of the template"
            )


def check_rules(template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Check the parameters' values against the template's rules. Raise TemplateError if an assertion does not hold.

    *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html ; it documents
    that the refusal contains the assertion's description. The text before the description is not recorded.
    """

    def nothing(name: str, *_: str) -> str:
        raise TemplateError(f"Template format error: Rules refer to parameters alone, and {name} is none.")

    scope = Scope({**template, "Resources": {}}, values, nothing, nothing, nothing)
    for name, rule in (template.get("Rules") or {}).items():
        if "RuleCondition" in rule and not scope.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not scope.holds(assertion["Assert"]):
                description = assertion.get("AssertDescription", "an assertion does not hold")
                raise TemplateError(f"Template validation error: Rule {name} failed: {description}")
