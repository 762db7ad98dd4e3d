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
        return _json({} if found is None else found)
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event, rule_arn)
    return _json(event)


def _at(path: str, event: Event) -> Any:
    """Return the value at a JSON path of names and indexes, or None."""
    node: Any = event
    for name, index in re.findall(r"([^.$\[\]]+)|\[(\d+)\]", path):
        if index:
            node = node[int(index)] if isinstance(node, list) and int(index) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node


def _transformed(transformer: dict[str, Any], event: Event, rule_arn: str) -> str:
    """Return the template with the values of its variables: as JSON outside quotes, as text within quotes.

    Within quotes, the quotes of objects and lists are removed.
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
    for part in re.split(r'(<[\w.-]+>|\\.|")', template):
        if part == '"':
            in_quotes = not in_quotes
        if part.startswith("<") and part[1:-1] in values:
            value = values[part[1:-1]]
            if not in_quotes:
                filled += _json("" if value is None else value)
            elif isinstance(value, str):
                filled += _json(value)[1:-1]
            else:
                filled += "" if value is None else _json(value).replace('"', "")
        else:
            filled += part
    return filled


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
