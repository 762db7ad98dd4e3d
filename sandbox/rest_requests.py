"""Requests to a REST stage, so far as they reach CloudWatch Logs: access logs, written with the account's role.

Nothing is executed and no execution log is written; a test asks for a line of the access log and sees what becomes of
its group.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox import iam, identity
from sandbox.event_bus import trusts

if TYPE_CHECKING:
    from sandbox.account import Sandbox

_PRINCIPAL = "apigateway.amazonaws.com"


def write_access_log(
    sandbox: Sandbox, api_id: str, stage_name: str, line: str = "{}", *, region: str = "us-east-1"
) -> str | None:
    """Serve one request: write its line to the stage's access log. Return the log group's name, None if none got it.

    A log group that is missing is created by API Gateway itself, with the account's role and without retention, unless
    the sandbox is told otherwise (``recreates_rest_access_log_groups``). Whatever stands in the way, the stage's
    clients see nothing of it.

    *Source:* serverless/serverless issue 6906 of 2020, aws/serverless-application-model issue 2502; the session's name:
    a field report of 2026-10. None of it is recorded.
    """
    backend = apigateway_backends[sandbox.account_id][region]
    destination = (backend.apis[api_id].stages[stage_name].access_log_settings or {}).get("destinationArn", "")
    role = iam.role_by_arn(sandbox, backend.account.cloudwatch_role_arn or "")
    if ":log-group:" not in destination or role is None or not sandbox.is_propagated(role.name):
        return None
    if not trusts(role, _PRINCIPAL):
        return None
    name = destination.split(":log-group:", 1)[1].removesuffix(":*")
    session = identity.new_session(sandbox, role.arn, "BackplaneAssumeRoleSession", region)
    logs = sandbox.client("logs", region, caller=identity.assumed_role(sandbox, session), invoked_by=_PRINCIPAL)
    return name if _write(sandbox, logs, name, line) else None


def _write(sandbox: Sandbox, logs: Any, group: str, line: str) -> bool:
    stream, event = uuid.uuid4().hex, {"timestamp": int(sandbox.now().timestamp() * 1000), "message": line}
    errors = logs.exceptions
    try:
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except errors.ResourceNotFoundException:
            if not sandbox.recreates_rest_access_log_groups:
                return False
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    except errors.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True
