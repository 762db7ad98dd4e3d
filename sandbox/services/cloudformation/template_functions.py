"""The intrinsic functions of a template: the names that they refer to, and their results."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation.templates import NO_VALUE, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")


def references(value: Any, branches: Callable[[list[Any]], list[Any]]) -> Iterator[str]:
    """Return the names that *value* refers to. *branches* chooses which values of an ``Fn::If`` are searched."""
    if isinstance(value, list):
        for each in value:
            yield from references(each, branches)
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Ref":
            yield str(argument)
            return
        if function == "Fn::GetAtt":
            yield str(argument.split(".")[0] if isinstance(argument, str) else argument[0])
            return
        if function == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
            yield from references(branches(argument), branches)
            return
        if function == "Fn::Sub":
            text, given = (argument, {}) if isinstance(argument, str) else argument
            yield from references(given, branches)
            for literal, name in _SUBSTITUTION.findall(text):
                if not literal and name.strip() not in given:
                    yield name.strip().split(".")[0]
            return
    for each in value.values():
        yield from references(each, branches)


@dataclass(slots=True)
class Scope:
    """The values of the names in one template, during the creation or update of one stack."""

    template: Mapping[str, Any]
    #: Parameters and pseudo parameters.
    values: Mapping[str, Any]
    #: Returns the physical id of a resource that exists, by its logical id.
    reference: Callable[[str], str]
    #: Returns an attribute of a resource that exists.
    attribute: Callable[[str, str], Any]
    #: Returns the value of an export of another stack in this account and region.
    imported: Callable[[str], str]
    _conditions: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        """Tell whether the condition with this name holds."""
        if name not in self._conditions:
            declared = self.template.get("Conditions") or {}
            if name not in declared:
                raise TemplateError(f"Template format error: Unresolved condition dependency {name}")
            self._conditions[name] = self.holds(declared[name])
        return self._conditions[name]

    def wanted(self, declaration: Mapping[str, Any]) -> bool:
        """Tell whether the conditions of the template include this resource or output."""
        return "Condition" not in declaration or self.condition(declaration["Condition"])

    def holds(self, expression: Any) -> bool:
        """Tell whether the expression of a condition or a rule is true."""
        if isinstance(expression, dict) and len(expression) == 1:
            ((function, argument),) = expression.items()
            if function == "Condition":
                return self.condition(argument)
            if function == "Fn::Not":
                return not self.holds(argument[0])
            if function == "Fn::And":
                return all(self.holds(each) for each in argument)
            if function == "Fn::Or":
                return any(self.holds(each) for each in argument)
            if function == "Fn::Equals":
                if not isinstance(argument, list) or len(argument) != 2:
                    message = "Template error: every Fn::Equals object requires a list of 2 string parameters."
                    raise TemplateError(message)
                left, right = (self.evaluate(each) for each in argument)
                return bool(_comparable(left) == _comparable(right))
            if function == "Fn::Contains":
                items, wanted = (self.evaluate(each) for each in argument)
                return _comparable(wanted) in map(_comparable, items)
            if function == "Fn::EachMemberEquals":
                items, wanted = (self.evaluate(each) for each in argument)
                return all(_comparable(item) == _comparable(wanted) for item in items)
            if function == "Fn::EachMemberIn":
                items, allowed = (self.evaluate(each) for each in argument)
                return all(_comparable(item) in map(_comparable, allowed) for item in items)
        return bool(self.evaluate(expression) in (True, "true"))

    def dependencies(self, value: Any) -> set[str]:
        """Return the logical ids that *value* refers to, in the branches that the conditions choose."""
        chosen = references(value, lambda choice: [choice[1] if self.condition(choice[0]) else choice[2]])
        return {name for name in chosen if name in self.template["Resources"]}

    def evaluate(self, value: Any) -> Any:
        """Return *value* with each function replaced by its result.

        Members with the value ``AWS::NoValue`` are left out.
        """
        if isinstance(value, list):
            return [item for item in map(self.evaluate, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref":
                return self._ref(argument)
            if (
                function == "Condition"
                and isinstance(argument, str)
                and argument in (self.template.get("Conditions") or {})
            ):
                return self.condition(argument)
            if isinstance(function, str) and function.startswith("Fn::"):
                evaluation = getattr(self, "_" + function.removeprefix("Fn::").lower(), None)
                if evaluation is None:
                    raise TemplateError(f"Template error: {function} is not a supported function")
                return evaluation(argument)
        evaluated = {key: self.evaluate(each) for key, each in value.items()}
        return {key: each for key, each in evaluated.items() if each is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name in self.template["Resources"]:
            return self.reference(name)
        raise TemplateError(
            f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
        )

    def _getatt(self, argument: str | list[Any]) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) != 2 or not all(parts):
            raise TemplateError(
                "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
                "resource attribute"
            )
        name, attribute = parts
        if name not in self.template["Resources"]:
            raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
        return self.attribute(name, self.evaluate(attribute))

    def _if(self, argument: list[Any]) -> Any:
        return self.evaluate(argument[1] if self.condition(argument[0]) else argument[2])

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else (argument[0], self.evaluate(argument[1]))

        def replacement(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return "${" + name + "}"
            if name in given:
                return as_text(given[name])
            return as_text(self._getatt(name) if "." in name else self._ref(name))

        return _SUBSTITUTION.sub(replacement, text)

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(as_text(item) for item in self.evaluate(argument[1]))

    def _split(self, argument: list[Any]) -> list[str]:
        if not isinstance(argument, list) or len(argument) != 2:
            raise TemplateError(
                "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a "
                "string to be split or a function that returns a string to be split."
            )
        return str(self.evaluate(argument[1])).split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        wrong = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        if not isinstance(argument, list) or len(argument) != 2:
            raise TemplateError(wrong)
        items, index = self.evaluate(argument[1]), str(self.evaluate(argument[0]))
        if not isinstance(items, list) or not index.isdecimal():
            raise TemplateError(wrong)
        if int(index) >= len(items):
            late = f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            raise TemplateError(wrong if isinstance(argument[1], list) else late)
        return items[int(index)]

    def _findinmap(self, argument: list[Any]) -> Any:
        names = [self.evaluate(each) for each in argument[:3]]
        found: Any = self.template.get("Mappings") or {}
        for name in names:
            if not isinstance(found, dict) or name not in found:
                if len(argument) > 3 and "DefaultValue" in argument[3]:
                    return self.evaluate(argument[3]["DefaultValue"])
                raise TemplateError(
                    f"Template error: Unable to get mapping for {'::'.join(str(each) for each in names)}"
                )
            found = found[name]
        return self.evaluate(found)

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(str(self.evaluate(argument)).encode()).decode()

    def _importvalue(self, argument: Any) -> str:
        return self.imported(str(self.evaluate(argument)))

    def _getazs(self, argument: Any) -> list[str]:
        region = self.evaluate(argument) or self.values["AWS::Region"]
        return [f"{region}{zone}" for zone in "abc"]

    def _tojsonstring(self, argument: Any) -> str:
        return json.dumps(self.evaluate(argument), separators=(",", ":"))

    def _length(self, argument: Any) -> int:
        return len(self.evaluate(argument))

    def _equals(self, argument: list[Any]) -> bool:
        return self.holds({"Fn::Equals": argument})


def _comparable(value: Any) -> Any:
    return value if isinstance(value, (list, dict)) else as_text(value)
