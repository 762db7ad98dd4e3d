"""CloudFormation templates: read from JSON or YAML, macros expanded, intrinsic functions evaluated. Calls nothing."""

from __future__ import annotations

import base64
import copy
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from botocore.session import Session as BotocoreSession
from samtranslator.model.exceptions import InvalidDocumentException  # type: ignore[import-untyped]
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SERVERLESS_TRANSFORM = "AWS::Serverless-2016-10-31"
#: Transforms that need no work here: their functions are understood in every template.
_PASSED_OVER = {"AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen"}

_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")


class TemplateError(Exception):
    """A template, or a value given to it, that CloudFormation refuses; the text is what it answers."""


class _NoValue:
    """What ``AWS::NoValue`` stands for: the property that refers to it is left out."""


NO_VALUE = _NoValue()


class _Loader(yaml.SafeLoader):
    """YAML as CloudFormation reads it: short function tags, and dates that stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TemplateError(f"Template format error: unsupported value of !{suffix}.")
    if suffix in {"Ref", "Condition"}:
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def parse(body: str) -> dict[str, Any]:
    """The template as plain values, with every function in its long form."""
    try:
        template = yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: YAML not well-formed. {error}") from error
    if not isinstance(template, dict):
        raise TemplateError("Template format error: unsupported structure.")
    if not isinstance(template.get("Resources"), dict) or not template["Resources"]:
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    for logical_id, resource in template["Resources"].items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(
                f"Template format error: [/Resources/{logical_id}] Every Resources object must contain a Type member."
            )
    return template


def transforms(template: Mapping[str, Any]) -> list[str]:
    """The macros that the whole template names."""
    declared = template.get("Transform") or []
    named = declared if isinstance(declared, list) else [declared]
    return [each["Name"] if isinstance(each, dict) else str(each) for each in named]


#: The translator keeps the region of its partition in a class attribute: one expansion at a time.
_translation = threading.Lock()


def expand(
    template: Mapping[str, Any],
    parameters: Mapping[str, Any],
    region: str,
    managed_policies: Callable[[], dict[str, str]],
    fetch: Callable[[str], str],
) -> dict[str, Any]:
    """The template with its macros expanded.

    *managed_policies* gives the ARNs of AWS's policies by name, as the serverless transform looks them up;
    *fetch* reads an ``s3://`` location for ``AWS::Include``.
    """
    expanded: dict[str, Any] = _included(copy.deepcopy(dict(template)), parameters, fetch)
    for name in transforms(template):
        if name == SERVERLESS_TRANSFORM:
            expanded = _serverless(expanded, parameters, region, managed_policies)
        elif name not in _PASSED_OVER:
            raise TemplateError(f"No transform named {name} found.")
    expanded.pop("Transform", None)
    return expanded


def _serverless(
    template: dict[str, Any],
    parameters: Mapping[str, Any],
    region: str,
    managed_policies: Callable[[], dict[str, str]],
) -> dict[str, Any]:
    values = dict(parameters)
    with _translation:
        to_py27_compatible_template(template, values)
        translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=region))
        try:
            translated = translator.translate(template, values, get_managed_policy_map=managed_policies)
        except InvalidDocumentException as error:
            causes = " ".join(str(cause.message) for cause in error.causes)
            raise TemplateError(f"Transform {SERVERLESS_TRANSFORM} failed with: {error.message} {causes}") from error
        finally:
            translator.metrics.publish()  # it warns of unpublished metrics otherwise
    plain: dict[str, Any] = undo_mark_unicode_str_in_template(translated)
    # The translator's marked strings and dictionaries become JSON's own again.
    return dict(json.loads(json.dumps(plain)))


def _included(value: Any, parameters: Mapping[str, Any], fetch: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_included(each, parameters, fetch) for each in value]
    if not isinstance(value, dict):
        return value
    transform = value.get("Fn::Transform")
    if isinstance(transform, dict):
        if transform.get("Name") != "AWS::Include":
            raise TemplateError(f"No transform named {transform.get('Name')} found.")
        location = transform.get("Parameters", {}).get("Location")
        if isinstance(location, dict) and "Ref" in location:
            location = parameters.get(location["Ref"])
        included = yaml.load(fetch(str(location)), Loader=_Loader)  # noqa: S506 - a SafeLoader
        beside = {key: each for key, each in value.items() if key != "Fn::Transform"}
        return _included({**beside, **included}, parameters, fetch)
    return {key: _included(each, parameters, fetch) for key, each in value.items()}


def parameter_values(
    template: Mapping[str, Any], given: Mapping[str, str], parameter_store: Callable[[str], str]
) -> dict[str, Any]:
    """Each of the template's parameters with its value: as given or by default, checked, lists as lists."""
    declared: dict[str, Any] = template.get("Parameters") or {}
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, rule in declared.items() if name not in given and "Default" not in rule]
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    values: dict[str, Any] = {}
    for name, rule in declared.items():
        text = as_text(given.get(name, rule.get("Default")))
        kind = rule.get("Type", "String")
        if kind.startswith("AWS::SSM::Parameter::Value<"):
            text, kind = parameter_store(text), kind.removeprefix("AWS::SSM::Parameter::Value<")[:-1]
        several = kind == "CommaDelimitedList" or kind.startswith("List<")
        items = [item.strip() for item in text.split(",")] if several and text else [] if several else [text]
        for item in items:
            _check_parameter(name, item, rule, kind)
        values[name] = items if several else text
    return values


def as_text(value: Any) -> str:
    """A value where CloudFormation wants text: booleans in lower case."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _check_parameter(name: str, value: str, rule: Mapping[str, Any], kind: str) -> None:
    why = rule.get("ConstraintDescription")
    refused: str | None = None
    if "AllowedValues" in rule and value not in [as_text(allowed) for allowed in rule["AllowedValues"]]:
        refused = f"Parameter '{name}' must be one of AllowedValues"
    elif "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
        refused = f"Parameter '{name}' must match pattern {rule['AllowedPattern']}"
    elif "MinLength" in rule and len(value) < int(rule["MinLength"]):
        refused = f"Parameter '{name}' must contain at least {rule['MinLength']} characters"
    elif "MaxLength" in rule and len(value) > int(rule["MaxLength"]):
        refused = f"Parameter '{name}' must contain at most {rule['MaxLength']} characters"
    elif kind in {"Number", "List<Number>"}:
        try:
            number = float(value)
        except ValueError:
            raise TemplateError(f"Parameter '{name}' must be a number.") from None
        if "MinValue" in rule and number < float(rule["MinValue"]):
            refused = f"Parameter '{name}' must be a number not less than {rule['MinValue']}"
        elif "MaxValue" in rule and number > float(rule["MaxValue"]):
            refused = f"Parameter '{name}' must be a number not greater than {rule['MaxValue']}"
    if refused:
        raise TemplateError(f"Parameter {name} failed to satisfy constraint: {why}" if why else refused)


def pseudo_parameters(account: str, region: str, stack_name: str, stack_id: str) -> dict[str, Any]:
    """CloudFormation's own parameters, right for the region's partition."""
    partition = BotocoreSession().get_partition_for_region(region)
    return {
        "AWS::AccountId": account,
        "AWS::NotificationARNs": [],
        "AWS::NoValue": NO_VALUE,
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }


def references(value: Any, branches: Callable[[list[Any]], list[Any]]) -> Iterator[str]:
    """The names that *value* refers to; *branches* gives those of an ``Fn::If``'s values that count."""
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


def check(template: Mapping[str, Any]) -> None:
    """Every name that the template uses is declared in it; TemplateError otherwise."""
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


@dataclass(slots=True)
class Scope:
    """What the names in one template mean while one stack is made or changed."""

    template: Mapping[str, Any]
    #: Parameters and pseudo parameters.
    values: Mapping[str, Any]
    #: Physical id of a resource that exists, by logical id.
    reference: Callable[[str], str]
    #: An attribute of a resource that exists.
    attribute: Callable[[str, str], Any]
    #: Value of an export of another stack in this account and region.
    imported: Callable[[str], str]
    _conditions: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        """Whether the template's condition holds."""
        if name not in self._conditions:
            declared = self.template.get("Conditions") or {}
            if name not in declared:
                raise TemplateError(f"Template format error: Unresolved condition dependency {name}")
            self._conditions[name] = self._holds(declared[name])
        return self._conditions[name]

    def wanted(self, declaration: Mapping[str, Any]) -> bool:
        """Whether this resource or output is to exist."""
        return "Condition" not in declaration or self.condition(declaration["Condition"])

    def _holds(self, expression: Any) -> bool:
        if isinstance(expression, dict) and len(expression) == 1:
            ((function, argument),) = expression.items()
            if function == "Condition":
                return self.condition(argument)
            if function == "Fn::Not":
                return not self._holds(argument[0])
            if function == "Fn::And":
                return all(self._holds(each) for each in argument)
            if function == "Fn::Or":
                return any(self._holds(each) for each in argument)
            if function == "Fn::Equals":
                left, right = (self.evaluate(each) for each in argument)
                return bool(_comparable(left) == _comparable(right))
        return bool(self.evaluate(expression) in (True, "true"))

    def dependencies(self, value: Any) -> set[str]:
        """The logical ids that *value* refers to, in the branches its conditions choose."""
        chosen = references(value, lambda choice: [choice[1] if self.condition(choice[0]) else choice[2]])
        return {name for name in chosen if name in self.template["Resources"]}

    def evaluate(self, value: Any) -> Any:
        """*value* with every function replaced by its result; members that are ``AWS::NoValue`` are left out."""
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
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else (argument[0], argument[1])
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
        return str(self.evaluate(argument[1])).split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        items = self.evaluate(argument[1])
        index = int(self.evaluate(argument[0]))
        if not 0 <= index < len(items):
            raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
        return items[index]

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
        return self._holds({"Fn::Equals": argument})


def _comparable(value: Any) -> Any:
    return value if isinstance(value, (list, dict)) else as_text(value)
