"""Checks that many calls of API Gateway share: patch operations, tags, names of stages and of variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import hook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.core.account import Account
    from sandbox.core.call import Call

#: The operations of a patch, in the order of AWS's text.
_OPERATIONS = ("add", "remove", "move", "test", "replace", "copy")
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]+")
#: A path with more parts is that of a method setting, for a resource with the name ``variables``.
_VARIABLE_PATH = re.compile("/variables/([^/]+)")
#: *Source:* botocore's documentation of CreateStage.
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")


@hook
def _check(_: Account, call: Call) -> None:
    if call.service not in ("apigateway", "apigatewayv2"):
        return
    _check_operations(call)
    _check_tags(call)
    if call.service == "apigateway" and call.params.get("stageName") and call.operation == "CreateDeployment":
        check_stage_name(call.params["stageName"])
    for name, value in _variables(call):
        _check_variable(name, value)


def method_of_key(key: str) -> str:
    """Return a method setting's key in one spelling, for a path with ``~1`` and for one with slashes."""
    return key.replace("~1", "/").lstrip("/")


def check_stage_name(name: str) -> None:
    """Refuse a stage name with other characters than letters, digits, underscores and hyphens.

    *Source:* Miserlou/Zappa issue 356. AWS accepts hyphens today, which the text of the refusal does not mention.
    """
    if not _STAGE_NAME.fullmatch(name):
        raise _bad("Stage name only allows a-zA-Z0-9_")


def _check_operations(call: Call) -> None:
    """Refuse patch operations with an unknown ``op``.

    *Source:* localstack/localstack ``test_apigateway_api.snapshot.json``, of UpdateRestApi and others.
    """
    given: Iterable[dict[str, Any]] = call.params.get("patchOperations") or []
    body = f"{call.operation[0].lower()}{call.operation[1:]}Input"
    wrong = [
        f"Value '{each.get('op')}' at '{body}.patchOperations.{number}.member.op' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(_OPERATIONS)}]"
        for number, each in enumerate(given, 1)
        if each.get("op") not in _OPERATIONS
    ]
    if wrong:
        errors = "error" if len(wrong) == 1 else "errors"
        raise AwsError("ValidationException", f"{len(wrong)} validation {errors} detected: {'; '.join(wrong)}")


def _check_tags(call: Call) -> None:
    """Refuse tags that start with ``aws:``, unless a service such as CloudFormation makes the call.

    *Source:* serverless/serverless issue 9223, aws/aws-cdk issue 23738 (of version 2).
    """
    if call.caller.invoked_by is not None:
        return
    tags = call.params.get("tags") or call.params.get("Tags") or {}
    if any(key.lower().startswith("aws:") for key in tags):
        raise _bad("Invalid tag key. Tag keys cannot start with 'aws:' (case insensitive)")


def _variables(call: Call) -> Iterator[tuple[str, str]]:
    params = call.params
    yield from (params.get("StageVariables") or {}).items()
    if call.operation in ("CreateStage", "CreateDeployment"):
        yield from (params.get("variables") or {}).items()
    for each in params.get("patchOperations") or []:
        found = _VARIABLE_PATH.fullmatch(each.get("path", ""))
        if found and each.get("op") in ("add", "replace"):
            yield found[1], each.get("value") or ""


def _check_variable(name: str, value: str) -> None:
    """Refuse a stage variable with a wrong name or value.

    *Source* of the text on names: serverless/serverless issue 6133. The text on values is not recorded.
    """
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise _bad(f"Invalid stage variable name: {name}.  Please use names with only word characters.")
    if not _VARIABLE_VALUE.fullmatch(value):
        raise _bad(f"Invalid stage variable value: {value}")


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
