"""Read and update stages of REST APIs over HTTP, for tests of the sandbox."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client

NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"


def stage(sandbox: Sandbox, api_id: str, name: str = "prod") -> dict[str, Any]:
    """Return a REST stage as GetStage answers, without metadata."""
    answer: dict[str, Any] = client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName=name)
    del answer["ResponseMetadata"]
    return answer


def update(sandbox: Sandbox, api_id: str, *operations: dict[str, str], region: str = "us-east-1") -> None:
    """Call UpdateStage on stage ``prod``."""
    client(sandbox, "apigateway", region).update_stage(
        restApiId=api_id, stageName="prod", patchOperations=list(operations)
    )


def replace(path: str, value: str) -> dict[str, str]:
    """Return a patch operation that replaces a value."""
    return {"op": "replace", "path": path, "value": value}
