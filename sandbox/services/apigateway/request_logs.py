"""The lines that requests to a REST stage write to CloudWatch Logs: access logs and execution logs.

No integration runs. A test writes a line to either log and checks what happens to the log group.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox.core.iam import authorization, identity
from sandbox.core.iam.trust import trusts
from sandbox.services.apigateway import account_settings
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.logs import deliveries

if TYPE_CHECKING:
    from sandbox.core.account import Account

_PRINCIPAL = "apigateway.amazonaws.com"


def write_access_log(
    account: Account, api_id: str, stage_name: str, *, region: str = "us-east-1", **values: str
) -> str | None:
    """Write the line of one request to the stage's access log. Return the log group's name, or None if no group got it.

    The line is the stage's format with ``values`` (by variable, without ``$context.``).

    API Gateway creates a missing log group itself, with the account's role and without retention, unless switch
    ``recreates_rest_access_log_groups`` is off. Clients of the stage see no failure.

    *Source:* serverless/serverless issue 6906 of 2020, aws/serverless-application-model issue 2502; for the name of the
    session a field report of 2026-10. Nothing of this is recorded.
    """
    backend = apigateway_backends[account.account_id][region]
    settings = backend.apis[api_id].stages[stage_name].access_log_settings or {}
    destination = settings.get("destinationArn", "")
    if ":log-group:" not in destination:
        return None
    name = destination.split(":log-group:", 1)[1].removesuffix(":*")
    logs = client_of_log_role(account, region, name)
    line = access_log_line(settings.get("format", ""), values, Escaping(account.behaviour.access_log_escaping))
    creates = account.behaviour.recreates_rest_access_log_groups
    return name if logs is not None and write_line(account, logs, name, line, creates=creates) else None


def write_execution_log(
    account: Account, api_id: str, stage_name: str, line: str = "{}", *, region: str = "us-east-1"
) -> list[str]:
    """Write a line of one request to the stage's execution log. Return the names of the log groups that got it.

    A stage with log deliveries writes to their destinations (here only to log groups), and not to
    ``API-Gateway-Execution-Logs_*``. Any other stage writes to that group with the account's role, and creates it,
    without retention, if it is missing.

    *Source:* API Gateway developer guide, "Delete a log delivery for REST API execution logs"; no recording shows
    a delivery whose log group is missing: here its lines are lost.
    """
    settings = apigateway_backends[account.account_id][region].apis[api_id].stages[stage_name].method_settings or {}
    if not any((each.get("loggingLevel") or "OFF").upper() != "OFF" for each in settings.values()):
        return []
    if destinations := deliveries.destinations_of_stage(account, region, api_id, stage_name):
        names = [arn.split(":log-group:", 1)[1].removesuffix(":*") for arn in destinations if ":log-group:" in arn]
        deliverer = account.client("logs", region, invoked_by="delivery.logs.amazonaws.com")
        return [name for name in names if write_line(account, deliverer, name, line, creates=False)]
    name = f"API-Gateway-Execution-Logs_{api_id}/{stage_name}"
    logs = client_of_log_role(account, region, name)
    return [name] if logs is not None and write_line(account, logs, name, line, creates=True) else []


def client_of_log_role(account: Account, region: str, group: str) -> Any:
    """Return a client with which API Gateway writes, with the account's role.

    Return None if the region has no log role, or if its lines for the group are lost (``account_settings.writes_to``).
    """
    backend = apigateway_backends[account.account_id][region]
    role = authorization.role_by_arn(account, backend.account.cloudwatch_role_arn or "")
    if role is None or not account.is_propagated(role.name) or not trusts(role, _PRINCIPAL):
        return None
    if not account_settings.writes_to(account, region, group):
        return None
    session = identity.new_session(account, role.arn, "BackplaneAssumeRoleSession", region)
    return account.client("logs", region, caller=identity.assumed_role(account, session), invoked_by=_PRINCIPAL)


def write_line(account: Account, logs: Any, group: str, line: str, *, creates: bool) -> bool:
    """Write the line to a new stream of the log group with the client. Return whether it arrived."""
    stream, event = uuid.uuid4().hex, {"timestamp": int(account.now().timestamp() * 1000), "message": line}
    errors = logs.exceptions
    try:
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except errors.ResourceNotFoundException:
            if not creates:
                return False
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    except errors.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True
