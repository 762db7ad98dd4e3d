"""Checks of the constraints in botocore's models, which a service does first: required members, lengths, patterns.

boto3 checks only a few of them before it sends a call, and moto none. This module is for EventBridge and EventBridge
Scheduler, whose texts are recorded. Other services have other texts.

*Source:* localstack ``test_events.snapshot.json`` (targets, connections, PutEvents of 11 entries: patterns stand before
lengths, errors are joined by "; ") and getmoto/moto pull request 8172 (Scheduler)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from moto.core.utils import get_service_model

from sandbox.core.call import AwsError
from sandbox.core.registry import hook

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call

SERVICES = frozenset({"events", "scheduler"})
#: Members that ``event_bus`` checks for each entry.
_PER_ENTRY = frozenset({"PutEvents"})


@hook
def check(_: Account, call: Call) -> None:
    """Refuse a call whose parameters violate the model."""
    if call.service not in SERVICES:
        return
    shape = get_service_model(call.service).operation_model(call.operation).input_shape
    if shape is None:
        return
    errors = list(_errors(shape, call.params, "", deep=call.operation not in _PER_ENTRY))
    if errors:
        plural = "s" if len(errors) > 1 else ""
        text = f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}"
        raise AwsError("ValidationException", text)


def _errors(shape: Any, value: Any, path: str, *, deep: bool = True) -> Iterator[str]:
    """Yield the errors of the value and of its members. A path looks like ``targets.1.member.id``."""
    yield from (
        f"Value {_written(value)} at '{path}' failed to satisfy constraint: Member must {constraint}"
        for constraint in _broken(shape, value)
    )
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                inner = ".".join(filter(None, (path, name[:1].lower() + name[1:])))
                if value.get(name) is not None:
                    yield from _errors(member, value[name], inner, deep=deep)
                elif name in shape.required_members:
                    yield f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"
        case "list" if deep:
            for number, item in enumerate(value, 1):
                yield from _errors(shape.member, item, f"{path}.{number}.member")
        case "map" if deep:
            for key, item in value.items():
                yield from _errors(shape.value, item, f"{path}.{key}.member")


def _broken(shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    if shape.type_name == "string":
        pattern = limits.get("pattern")
        if pattern is not None and not re.fullmatch(in_python(pattern), value, re.DOTALL):
            yield f"satisfy regular expression pattern: {pattern.removeprefix('^').removesuffix('$')}"
        if "enum" in limits and value not in limits["enum"]:
            yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"
    if shape.type_name in ("string", "list", "map", "blob"):
        size, what = len(value), "have length"
    elif shape.type_name in ("integer", "long"):
        size, what = value, "have value"
    else:
        return
    if "max" in limits and size > limits["max"]:
        yield f"{what} less than or equal to {limits['max']}"
    if "min" in limits and size < limits["min"]:
        yield f"{what} greater than or equal to {limits['min']}"


def in_python(pattern: str) -> str:
    """Return a pattern of the model, which is written for Java, in Python's syntax."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\w"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    return pattern


def _written(value: Any) -> str:
    return f"'{value}'"
