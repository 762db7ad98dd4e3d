"""CloudFormation templates: read JSON or YAML, expand macros, check parameters. This module makes no API calls."""

from __future__ import annotations

import copy
import functools
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from botocore.session import Session as BotocoreSession
from samtranslator.model.exceptions import InvalidDocumentException  # type: ignore[import-untyped]
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template  # type: ignore[import-untyped]

from sandbox.core.resource_types import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVERLESS_TRANSFORM = "AWS::Serverless-2016-10-31"
#: Transforms that are ignored, since their functions work in every template here.
_PASSED_OVER = {"AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen"}


class _NoValue:
    """The value of ``AWS::NoValue``. A property with this value is left out."""


NO_VALUE = _NoValue()


class _Loader(yaml.CSafeLoader):
    """Reads YAML as sam does: short function tags, dates as text, aliases replaced by their values."""

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


def _refuse_aliases(body: str) -> None:
    """Raise TemplateError if the text has an alias: CloudFormation takes none.

    *Source:* seeebiii/aws-cloudformation-templates, issue 1
    """
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(body, Loader=yaml.CSafeLoader)):
        raise TemplateError("Template error: YAML aliases are not allowed in CloudFormation templates")


@functools.lru_cache(maxsize=16)
def _read_yaml(body: str, *, aliases: bool) -> Any:
    """Return the content of the text. One deployment reads its template several times."""
    if not aliases:
        _refuse_aliases(body)
    return yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader


def _loaded(body: str, *, aliases: bool) -> Any:
    """Return the content of the text, which is JSON if it begins with a brace, and YAML otherwise.

    *Source* of the refusals: localstack/localstack ``cloudformation/api/test_templates.snapshot.json`` of 2024 and
    2025. Only one recording, for JSON, shows the line and column in AWS's text.
    """
    if body.lstrip().startswith("{"):
        try:
            return json.loads(body)
        except ValueError as error:
            place = f"(line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise TemplateError(f"Template format error: JSON not well-formed. {place}") from error
    try:
        return copy.deepcopy(_read_yaml(body, aliases=aliases))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"(line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise TemplateError(f"Template format error: YAML not well-formed. {place}") from error


def parse_source(text: str) -> dict[str, Any]:
    """Return the template of a file as sam sends it to CloudFormation: aliases are replaced by their values."""
    return _checked(_loaded(text, aliases=True))


def parse(body: str) -> dict[str, Any]:
    """Return the template as plain values, with every function in its long form."""
    return _checked(_loaded(body, aliases=False))


def _checked(template: Any) -> dict[str, Any]:
    """Return the template. Raise TemplateError if a section or type that CloudFormation requires is missing."""
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
    """Return the names of the macros that apply to the whole template."""
    declared = template.get("Transform") or []
    named = declared if isinstance(declared, list) else [declared]
    return [each["Name"] if isinstance(each, dict) else str(each) for each in named]


#: Allows one expansion at a time, because the translator stores the region in a class attribute.
_translation = threading.Lock()


def expand(
    template: Mapping[str, Any],
    parameters: Mapping[str, Any],
    region: str,
    managed_policies: Callable[[], dict[str, str]],
    fetch: Callable[[str], str],
) -> dict[str, Any]:
    """Return the template with its macros expanded.

    *managed_policies* returns the ARNs of AWS managed policies by name, for the serverless transform.
    *fetch* reads an ``s3://`` location, for ``AWS::Include``.
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
            translator.metrics.publish()  # without it, the translator warns about metrics that it cannot publish
    plain: dict[str, Any] = undo_mark_unicode_str_in_template(translated)
    # The translator's own types of text and dictionary become plain ones.
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
        included = copy.deepcopy(_read_yaml(fetch(str(location)), aliases=False))
        beside = {key: each for key, each in value.items() if key != "Fn::Transform"}
        return _included({**beside, **included}, parameters, fetch)
    return {key: _included(each, parameters, fetch) for key, each in value.items()}


def parameter_values(
    template: Mapping[str, Any], given: Mapping[str, str], parameter_store: Callable[[str], str]
) -> dict[str, Any]:
    """Return the value of each parameter, given or by default. Check the values; a list parameter becomes a list."""
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
    """Return a value as the text that CloudFormation uses: booleans are in lower case."""
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
    """Return the pseudo parameters, with the values of the region's partition."""
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
