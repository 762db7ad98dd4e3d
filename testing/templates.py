"""The templates as values, and what tests ask about them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sandbox.services.cloudformation import templates
from testing.builders import OWN_ROLE_ARN

ROOT = Path(__file__).parent.parent
TEMPLATE = templates.parse_source((ROOT / "template.yaml").read_text())
ORGANIZATION = templates.parse_source((ROOT / "organization.yaml").read_text())
OBSERVABILITY = templates.parse_source((ROOT / "observability.yaml").read_text())
FORWARDERS = templates.parse((ROOT / "forwarders.yaml").read_text())
MEMBERS = templates.parse((ROOT / "members.yaml").read_text())
ENFORCEMENT = templates.parse((ROOT / "enforcement.yaml").read_text())


def with_arguments(value: Any, arguments: dict[str, Any]) -> Any:
    """Return a part of a nested stack's template with the parent's values in place of its parameters."""
    match value:
        case {"Ref": name} if name in arguments:
            return arguments[name]
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": _text_with_arguments(text, arguments)}
        case {"Fn::Sub": [str(text), dict() as variables]}:
            return {"Fn::Sub": [_text_with_arguments(text, arguments), with_arguments(variables, arguments)]}
        case dict():
            return {key: with_arguments(inner, arguments) for key, inner in value.items()}
        case list():
            return [with_arguments(inner, arguments) for inner in value]
        case _:
            return value


def _text_with_arguments(text: str, arguments: dict[str, Any]) -> str:
    """Return the text with the names of what the parent passes; a parameter stays where that has no name."""

    def named(parameter: re.Match[str]) -> str:
        match arguments.get(parameter[1]):
            case {"Ref": name}:
                return f"${{{name}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{name}.{attribute}}}"
            case _:
                return parameter[0]

    return re.sub(r"\$\{(\w+)\}", named, text)


def _of_nested_stack(name: str, template: dict[str, Any]) -> dict[str, Any]:
    arguments = TEMPLATE["Resources"][name]["Properties"]["Parameters"]
    resources: dict[str, Any] = with_arguments(template["Resources"], arguments)
    return resources


#: The resources of the stack and of its nested stacks, as if they were in one template.
RESOURCES: dict[str, Any] = (
    TEMPLATE["Resources"]
    | _of_nested_stack("Organization", ORGANIZATION)
    | _of_nested_stack("Observability", OBSERVABILITY)
)


def rules_of(template: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of a template, by logical id."""
    return {name: rule for name, rule in template["Resources"].items() if rule["Type"] == "AWS::Events::Rule"}


#: The rules in further regions.
FORWARDING_RULES = rules_of(FORWARDERS)


def resolved(value: Any) -> Any:
    """Return the value with the role's ARN and the parameters' defaults instead of references."""
    match value:
        case {"Fn::GetAtt": ["EnforceRole", "Arn"] | "EnforceRole.Arn"}:
            return OWN_ROLE_ARN
        case {"Ref": name} if name in TEMPLATE["Parameters"]:
            return TEMPLATE["Parameters"][name]["Default"]
        case {"Ref": str(name)}:
            return name
        case {"Fn::Select": [0, {"Fn::Split": ["${", {"Fn::If": ["HasAccessLogGroupName", _, otherwise]}]}]}:
            return otherwise
        case {"Fn::Sub": [str(text), dict() as variables]}:
            named = {name: resolved(each) for name, each in variables.items()}
            return resolved({"Fn::Sub": re.sub(r"\$\{(\w+)\}", lambda match: named.get(match[1], match[0]), text)})
        case {"Fn::Sub": str(text)}:
            values = {name: str(TEMPLATE["Parameters"][name]["Default"]) for name in ("LogRoleName", "RolePath")}
            values |= {"EnforceRole.Arn": OWN_ROLE_ARN, "AWS::StackName": "log-keeper"}
            return re.sub(r"\$\{([\w.:]+)\}", lambda match: values.get(match[1], match[0]), text)
        case dict():
            return {key: resolved(inner) for key, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
        case _:
            return value


def pattern(rule: str) -> dict[str, Any]:
    """Return the event pattern of a rule in the stack's own region."""
    found: Any = resolved(RESOURCES[rule]["Properties"]["EventPattern"])
    value: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    return value


def rules_with_patterns() -> list[str]:
    """Return the logical ids of the rules on the account's own bus that have a pattern, and no schedule."""
    rules = {name: rule["Properties"] for name, rule in rules_of({"Resources": RESOURCES}).items()}
    return [name for name, rule in rules.items() if "EventPattern" in rule and "EventBusName" not in rule]


def hub_rules() -> list[str]:
    """Return the logical ids of the rules on the bus for events of the organization's other accounts."""
    return list(rules_of(ORGANIZATION))


def statements(template: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the statements of all policies of the template's roles. ``None``: of the stack and its nested stacks."""
    found: list[dict[str, Any]] = []
    for resource in (RESOURCES if template is None else template["Resources"]).values():
        match resource:
            case {"Type": "AWS::IAM::Role", "Properties": properties}:
                for policy in properties.get("Policies", []):
                    found += statements_of(policy["PolicyDocument"])
            case {"Type": "AWS::IAM::Policy", "Properties": properties}:
                found += statements_of(properties["PolicyDocument"])
    return found


def statements_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a policy document, also those that exist under a condition only."""
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in document["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement, of which it may have one or several."""
    action = statement["Action"]
    return action if isinstance(action, list) else [action]


def name_after_the_stacks(value: Any) -> str:
    """Return the part of a physical name that follows the name of the stack."""
    suffix = re.fullmatch(r"\$\{(?:AWS::StackName|StackName)\}(.*)", value["Fn::Sub"])
    assert suffix is not None
    return suffix[1]


def forwarding_rules() -> list[str]:
    """Return what follows the name of the stack in the name of each rule in further regions."""
    return [name_after_the_stacks(rule["Properties"]["Name"]) for rule in FORWARDING_RULES.values()]


def rows(page: str) -> list[list[str]]:
    """Return the rows of a page's tables that begin with code, without backticks."""
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def nothing(*_: object) -> str:
    """Return an empty text for whatever a template asks from outside of it."""
    return ""
