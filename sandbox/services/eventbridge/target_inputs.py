"""The input of a rule's target: the event, or the result of Input, InputPath or InputTransformer.

*Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html ; recorded in
localstack ``test_events_inputs.snapshot.json`` and radkawar/stackd ``testdata/aws/eventbridge/inputs.json``
"""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError

type Event = dict[str, Any]

_PLACEHOLDER = re.compile(r"<([\w.-]+)>")
_PREDEFINED = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event.ingestion-time",
        "aws.events.event",
        "aws.events.event.json",
    }
)


def check(target: dict[str, Any]) -> None:
    """Raise AwsError if PutTargets refuses the input settings of the target."""
    identifier = target["Id"]
    if sum(name in target for name in ("Input", "InputPath", "InputTransformer")) > 1:
        raise AwsError(
            "ValidationException",
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {identifier}.",
        )
    if target.get("Input"):  # an empty one is accepted
        try:
            json.loads(target["Input"])
        except ValueError as error:
            where = f'[Source: (String)"{target["Input"]}"; {error}]'  # AWS's text is that of its Java parser
            raise AwsError(
                "ValidationException", f"JSON syntax error in input for target {identifier}: {where}"
            ) from None
    transformer = target.get("InputTransformer", {})
    for name in _PLACEHOLDER.findall(str(transformer.get("InputTemplate", ""))):
        if name not in _PREDEFINED and name not in transformer.get("InputPathsMap", {}):
            raise AwsError(
                "ValidationException", f"InputTemplate for target {identifier} contains invalid placeholder {name}."
            )


def payload(target: dict[str, Any], event: Event, rule_arn: str) -> str:
    """Return the JSON text that the target receives: an empty object if the path finds nothing or null."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = _at(target["InputPath"], event)
        return _json({} if found is None or found is _MISSING else found)
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event, rule_arn)
    return _json(event)


def is_valid(text: str) -> bool:
    """Tell whether a target may receive the text: JSON values one after another. EventBridge delivers no other text."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        try:
            rest = rest[decoder.raw_decode(rest)[1] :].lstrip()
        except ValueError:
            return False
    return True


class _Missing:
    """The value of a path that the event does not have."""


_MISSING = _Missing()


def _at(path: str, event: Event) -> Any:
    """Return the value at a JSON path of names, indexes and ``[*]``, or _MISSING. ``[*]`` makes a list of values."""
    return _follow(re.findall(r"([^.$\[\]]+)|\[(\d+|\*)\]", path), event)


def _follow(steps: list[tuple[str, str]], node: Any) -> Any:
    for number, (name, index) in enumerate(steps):
        if index == "*":
            found = [_follow(steps[number + 1 :], each) for each in node] if isinstance(node, list) else []
            return [each for each in found if each is not _MISSING]
        if index:
            node = node[int(index)] if isinstance(node, list) and int(index) < len(node) else _MISSING
        else:
            node = node.get(name, _MISSING) if isinstance(node, dict) else _MISSING
    return node


def _transformed(transformer: dict[str, Any], event: Event, rule_arn: str) -> str:
    """Return the template with the values of its variables. The result can be invalid: EventBridge escapes nothing.

    In a template that is an object or a list, a variable outside quotes is JSON, and within quotes its text, or the
    JSON of an object or list. In any other template it is its text, and objects and lists lose their quotes.
    """
    without_detail = {name: value for name, value in event.items() if name not in ("detail", "detail-type")}
    values: dict[str, Any] = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": Arn.parse(rule_arn).name,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {**without_detail, "detailType": event["detail-type"]},
        "aws.events.event.json": event,
    }
    values |= {name: _at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    template, filled, in_quotes = str(transformer["InputTemplate"]), "", False
    is_json = template.lstrip().startswith(("{", "["))
    for part in re.split(r'(<[\w.-]+>|\\.|")', template):
        if part == '"':
            in_quotes = not in_quotes
        if not (part.startswith("<") and part[1:-1] in values):
            filled += part
            continue
        value = values[part[1:-1]]
        if is_json and not in_quotes:
            filled += _member(value, of_object=filled.rstrip().endswith(":"))
        else:
            filled += _text(value, keeps_quotes=is_json)
    return filled


def _member(value: Any, *, of_object: bool) -> str:
    """Return the value as JSON. A missing one is an empty text as a member of an object, and nothing in a list."""
    if value is _MISSING:
        return '""' if of_object else ""
    return _json(value)


def _text(value: Any, *, keeps_quotes: bool) -> str:
    """Return the value as text. That null is an empty text is not recorded."""
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, str):
        return value
    return _json(value) if keeps_quotes else _json(value).replace('"', "")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
