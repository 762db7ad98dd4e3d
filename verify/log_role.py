"""The log role of the account in the region: read it; set another one and restore it, if the user allows that."""

from __future__ import annotations

from typing import Any

from log_keeper.aws.errors import error_code
from verify.account import is_throttled
from verify.points import NotTriedError
from verify.resource_types import FORMER
from verify.run import Run

WRITES = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
_READS = ("logs:DescribeLogGroups", "logs:FilterLogEvents", "logs:GetLogEvents")
#: UpdateAccount may be called once in so many seconds.
PACE = 20
#: Seconds that AWS may take to accept a role that may write all logs.
_PATIENCE = 180


def needs_log_role(run: Run) -> None:
    """Make sure that a log role is set. Raise NotTriedError if none is set and the run may not set one."""
    if _current(run):
        return
    if not run.options.account_settings:
        raise NotTriedError(
            "API Gateway has no log role in this region: set one, or allow --with-account-settings to do so"
        )
    use_own_log_role(run)


def use_own_log_role(run: Run) -> str:
    """Set a role of the run that may write all logs as log role. Return its ARN."""
    arn = run.shared.get("log role")
    if arn is None:
        arn = run.role("logs", "apigateway.amazonaws.com", log_policy(everything(run)))
        run.shared["log role"] = arn
    if _current(run) != arn:
        remember(run, "logs")
        set_log_role(run, str(arn), _PATIENCE)
    return str(arn)


def remember(run: Run, purpose: str) -> None:
    """Note the current log role, before the run's role for this purpose replaces it.

    It is restored at the end. A tag of the run's role lets ``--clean-up`` restore it if the program is killed.
    """
    is_noted = "former log role" in run.shared
    before = str(run.shared.setdefault("former log role", _current(run)))
    run.client("iam").tag_role(RoleName=run.role_name(purpose), Tags=[{"Key": FORMER, "Value": before}])
    if is_noted:
        return
    run.ledger.add_step(
        f"the log role of API Gateway ({before or 'none'})",
        f"apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value='{before}'",
        lambda: set_log_role(run, before, _PATIENCE),
    )


def set_log_role(run: Run, arn: str, seconds: float) -> None:
    """Call UpdateAccount until AWS accepts the role: it takes a while after a change in IAM. Empty ``arn``: no role."""
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
    run.account.patiently(
        lambda: run.client("apigateway").update_account(patchOperations=[operation]),
        seconds,
        lambda error: is_throttled(error) or error_code(error) == "BadRequestException",
        every=PACE,
    )


def _current(run: Run) -> str:
    arn: str = run.client("apigateway").get_account().get("cloudwatchRoleArn") or ""
    return arn


def everything(run: Run) -> str:
    """Return the ARN of all log groups."""
    return f"arn:{run.partition}:logs:*:*:*"


def log_policy(resource: str, actions: tuple[str, ...] = WRITES) -> dict[str, Any]:
    """Return a policy that allows to write to the log groups."""
    statements = [
        {"Effect": "Allow", "Action": list(_READS), "Resource": "*"},
        {"Effect": "Allow", "Action": list(actions), "Resource": resource},
    ]
    return {"Version": "2012-10-17", "Statement": statements}
