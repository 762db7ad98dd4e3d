"""Writes lines of requests to the access log and the execution log of a stage, as API Gateway does.

The lines themselves come from ``execute_api``, which serves requests, or from a test.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox.core.iam import authorization, identity
from sandbox.core.iam.trust import trusts
from sandbox.services.apigateway import account_settings
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from sandbox.services.logs import deliveries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sandbox.core.account import Account

#: The most bytes of a line in an execution log group that API Gateway manages, without the mark of a line that was cut.
#: *Source:* API Gateway developer guide, "Set up CloudWatch logging for REST APIs".
MOST_BYTES = 1024
_PRINCIPAL = "apigateway.amazonaws.com"


def write_access_log(
    account: Account,
    api_id: str,
    stage_name: str,
    *,
    region: str = "us-east-1",
    begun: datetime | None = None,
    suffix: str = "",
    **values: str,
) -> str | None:
    """Write the line of one request to the stage's access log. Return the log group's name, or None if no group got it.

    The line is the stage's format with ``values`` (by variable, without ``$context.``). ``begun``: when the request
    began, which is the time of the line; None for now. ``suffix``: ``/Canary`` for a request to the stage's canary.

    API Gateway creates a missing log group itself, with the account's role and without retention, unless switch
    ``recreates_rest_access_log_groups`` is off. Clients of the stage see no failure.

    *Source:* serverless/serverless issue 6906 of 2020, aws/serverless-application-model issue 2502; for the name of the
    session a field report of 2026-10. Nothing of this is recorded. The time of the line: a recording of 2023-10 in
    ministryofjustice/modernisation-platform-environments, pull request 3807.
    """
    backend = apigateway_backends[account.account_id][region]
    settings = backend.apis[api_id].stages[stage_name].access_log_settings or {}
    destination = settings.get("destinationArn", "")
    if ":log-group:" not in destination:
        return None
    name = destination.split(":log-group:", 1)[1].removesuffix(":*") + suffix
    logs = client_of_log_role(account, region, name)
    line = access_log_line(settings.get("format", ""), values, Escaping(account.behaviour.access_log_escaping))
    creates = account.behaviour.recreates_rest_access_log_groups
    lines = [(begun or account.now(), line)]
    return name if logs is not None and write_lines(logs, name, lines, creates=creates) else None


def write_execution_log(
    account: Account, api_id: str, stage_name: str, line: str = "{}", *, region: str = "us-east-1"
) -> list[str]:
    """Write a line of one request to the stage's execution log, unless each level is OFF.

    Return the names of the log groups that got it.
    """
    settings = apigateway_backends[account.account_id][region].apis[api_id].stages[stage_name].method_settings or {}
    if not any((each.get("loggingLevel") or "OFF").upper() != "OFF" for each in settings.values()):
        return []
    return write_execution_lines(account, api_id, stage_name, [(account.now(), line)], region=region)


def write_execution_lines(
    account: Account,
    api_id: str,
    stage_name: str,
    lines: Sequence[tuple[datetime, str]],
    *,
    region: str = "us-east-1",
    suffix: str = "",
) -> list[str]:
    """Write the lines of one request, with their times. Return the names of the log groups that got them.

    A stage with log deliveries writes to their destinations (here only to log groups), and not to
    ``API-Gateway-Execution-Logs_*``. Any other stage writes to that group with the account's role, and creates it,
    without retention, if it is missing. ``suffix``: ``/Canary`` for a request to the stage's canary.

    *Source:* API Gateway developer guide, "Delete a log delivery for REST API execution logs"; no recording shows
    a delivery whose log group is missing: here its lines are lost.
    """
    stream = execution_stream()
    if destinations := deliveries.destinations_of_stage(account, region, api_id, stage_name):
        names = [arn.split(":log-group:", 1)[1].removesuffix(":*") for arn in destinations if ":log-group:" in arn]
        deliverer = account.client("logs", region, invoked_by="delivery.logs.amazonaws.com")
        return [name for name in names if write_lines(deliverer, name, lines, creates=False, stream=stream)]
    name = f"API-Gateway-Execution-Logs_{api_id}/{stage_name}{suffix}"
    logs = client_of_log_role(account, region, name)
    short = [(time, cut(line)) for time, line in lines]
    is_written = logs is not None and write_lines(logs, name, short, creates=True, stream=stream)
    return [name] if is_written else []


def cut(line: str) -> str:
    """Return the line as an execution log group of API Gateway gets it: a long one ends with a mark.

    *Source* of the mark: recordings of 2017-06 (REST) and of 2026-09 (REST and WebSocket) in radkawar/stackd.
    """
    short = line.encode()[:MOST_BYTES].decode(errors="ignore")
    return short if short == line else f"{short} [TRUNCATED]"


def execution_stream() -> str:
    """Return the name of one of the streams of an execution log group: the MD5 hash of a number below 300.

    *Source:* the names in four recordings are the hashes of 34, 60, 88 and 152: three of 2019-02 in the tests of a
    subscriber named ship-logs, one of 2018-09 in tmobile/jazz. That there are 300 is what users count; which request
    goes to which stream is not known.
    """
    return hashlib.md5(str(secrets.randbelow(300)).encode(), usedforsecurity=False).hexdigest()


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


def write_lines(
    logs: Any,
    group: str,
    lines: Sequence[tuple[datetime, str]],
    *,
    creates: bool,
    stream: str | None = None,
) -> bool:
    """Write the lines with their times to a stream of the log group with the client. Return whether they arrived.

    ``creates``: create the log group if it is missing. ``stream``: None for a new one.
    """
    stream = stream or uuid.uuid4().hex
    events = [{"timestamp": int(time.timestamp() * 1000), "message": line} for time, line in lines]
    errors = logs.exceptions
    try:
        try:
            _create_stream(logs, group, stream)
        except errors.ResourceNotFoundException:
            if not creates:
                return False
            logs.create_log_group(logGroupName=group)
            _create_stream(logs, group, stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    except errors.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def _create_stream(logs: Any, group: str, stream: str) -> None:
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
