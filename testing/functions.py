"""Lambda functions for tests of the sandbox: create them, invoke them and read their log."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client
from testing.iam import allow, role

NAME = "greeter"


LOGS = allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def package(code: str, **more: str) -> bytes:
    """Return a zip archive with the module ``main``, and further modules by name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, text in {"main": code, **more}.items():
            zipped.writestr(f"{name}.py", text)
    return archive.getvalue()


def function(sandbox: Sandbox, code: str, *, policy: str = LOGS, name: str = NAME, **more: Any) -> str:
    """Create a function with the handler ``main.handler`` and return its ARN."""
    arn: str = client(sandbox, "lambda").create_function(
        FunctionName=name,
        Role=role(sandbox, f"{name}-role", policy=policy),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": package(code)},
        **more,
    )["FunctionArn"]
    return arn


def invoke(sandbox: Sandbox, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
    """Invoke the function. Return its result, and the whole answer."""
    answer = client(sandbox, "lambda").invoke(FunctionName=NAME, Payload=json.dumps(event or {}), **more)
    payload = answer["Payload"].read()
    return json.loads(payload) if payload else None, answer


def messages(sandbox: Sandbox, group: str = f"/aws/lambda/{NAME}") -> list[str]:
    """Return the lines of a log group."""
    events = client(sandbox, "logs").filter_log_events(logGroupName=group)["events"]
    return [event["message"] for event in events]
