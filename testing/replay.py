"""Repeat the steps of a recorded case against the sandbox, and compare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from testing.recorded import Case, Step, Tagged

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MISSING = object()


def disagreements(sandbox: Sandbox, case: Case) -> list[str]:
    """Return the differences between the sandbox's answers and AWS's, each with the path of the member."""
    variables: dict[str, Any] = {"account": sandbox.account_id}
    found: list[str] = []
    for number, step in enumerate((*case.given, *case.steps), 1 - len(case.given)):
        for entry in step.each:
            entered = variables | {name: _filled(value, variables) for name, value in entry.items()}
            place = f"step {number} ({step.call or step.record}{f' {entry}' if entry else ''})"
            found += [f"{place}: {text}" for text in _take(sandbox, step, entered)]
            variables.update((name, entered[name]) for name in step.save if name in entered)
    return found


def _take(sandbox: Sandbox, step: Step, variables: dict[str, Any]) -> list[str]:
    """Run one step, save the values that it names, and return the differences."""
    try:
        answer = _answer(sandbox, step, variables)
    except ClientError as error:
        if step.error is None:
            return [f"refused: {error.response['Error']}"]
        refusal = error.response["Error"] | {"Status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
        got = {"code": refusal["Code"], "message": refusal["Message"], "status": refusal["Status"]}
        return list(_differences(_filled(step.error, variables), got, "error"))
    if step.error is not None:
        return [f"not refused: {answer}"]
    for name, path in step.save.items():
        variables[name] = _member(answer, path)
    return list(_differences(_filled(step.answer, variables), answer, "answer")) if step.answer is not None else []


def _answer(sandbox: Sandbox, step: Step, variables: dict[str, Any]) -> Any:
    if step.record is not None:
        return next(record for record in reversed(sandbox.trail) if record["eventName"] == step.record)
    assert step.call is not None
    service, operation = step.call.split(".")
    caller = None
    if step.credentials is not None:
        caller = sandbox.caller_of_key(_filled(step.credentials, variables)["AccessKeyId"])
    client = sandbox.client(service, step.region, caller=caller)
    return getattr(client, operation)(**_parameters(_filled(step.parameters, variables)))


def _filled(value: Any, variables: dict[str, Any]) -> Any:
    """Return the value with each ``${name}`` replaced. Text that is one variable takes the variable's type."""
    match value:
        case str():
            whole = _VARIABLE.fullmatch(value)
            return variables[whole[1]] if whole else _VARIABLE.sub(lambda found: str(variables[found[1]]), value)
        case dict():
            return {_filled(name, variables): _filled(member, variables) for name, member in value.items()}
        case list():
            return [_filled(member, variables) for member in value]
        case Tagged():
            return Tagged(value.tag, _filled(value.value, variables))
        case _:
            return value


def _parameters(value: Any) -> Any:
    match value:
        case Tagged("json"):
            return json.dumps(value.value)
        case dict():
            return {name: _parameters(member) for name, member in value.items()}
        case list():
            return [_parameters(member) for member in value]
        case _:
            return value


def _member(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer[int(name)] if isinstance(answer, list) else answer[name]
    return answer


def _differences(expected: Any, got: Any, path: str) -> Iterator[str]:
    """Yield each member of ``expected`` that ``got`` does not have."""
    match expected:
        case Tagged("absent"):
            if got is not _MISSING:
                yield f"{path} is there: {got!r}"
        case _ if got is _MISSING:
            yield f"{path} is missing"
        case Tagged("any"):
            return
        case Tagged("re"):
            if not isinstance(got, str) or not re.fullmatch(expected.value, got, re.DOTALL):
                yield f"{path} is {got!r}, does not match {expected.value!r}"
        case Tagged("starts"):
            if not isinstance(got, str) or not got.startswith(expected.value):
                yield f"{path} is {got!r}, does not start with {expected.value!r}"
        case Tagged("json"):
            yield from _differences(expected.value, json.loads(got) if isinstance(got, str) else got, path)
        case Tagged("only"):
            yield from _differences(expected.value, got, path)
            if more := sorted(set(got) - set(expected.value) - {"ResponseMetadata"}):
                yield f"{path} has more members: {more}"
        case dict():
            if not isinstance(got, dict):
                yield f"{path} is {got!r}, not an object"
                return
            for name, member in expected.items():
                yield from _differences(member, got.get(name, _MISSING), f"{path}.{name}")
        case list():
            if not isinstance(got, list) or len(got) != len(expected):
                yield f"{path} is {got!r}, not {len(expected)} items"
                return
            for number, (member, item) in enumerate(zip(expected, got, strict=True)):
                yield from _differences(member, item, f"{path}[{number}]")
        case _:
            if isinstance(got, bool) is not isinstance(expected, bool) or got != expected:
                yield f"{path} is {got!r}, not {expected!r}"
