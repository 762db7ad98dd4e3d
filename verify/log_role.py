"""The role with which API Gateway writes logs, of the account in the region: read, and with leave set and restored."""

from __future__ import annotations

from typing import Any

from log_keeper.aws.errors import error_code
from verify.account import is_throttled
from verify.bench import Bench
from verify.kinds import FORMER
from verify.points import NotTriedError

WRITES = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
_READS = ("logs:DescribeLogGroups", "logs:FilterLogEvents", "logs:GetLogEvents")
#: UpdateAccount may be called once in so many seconds.
PACE = 20
#: Seconds that AWS may take to accept a role that may write all logs.
_PATIENCE = 180


def needs_log_role(bench: Bench) -> None:
    """Make sure that there is a log role. Raise NotTriedError if there is none and none may be set."""
    if _current(bench):
        return
    if not bench.options.account_settings:
        raise NotTriedError(
            "API Gateway has no log role in this region: set one, or allow --with-account-settings to do so"
        )
    use_own_log_role(bench)


def use_own_log_role(bench: Bench) -> str:
    """Set a role of the run's own that may write all logs. Return its ARN."""
    arn = bench.shared.get("log role")
    if arn is None:
        arn = bench.role("logs", "apigateway.amazonaws.com", log_policy(everything(bench)))
        bench.shared["log role"] = arn
    if _current(bench) != arn:
        remember(bench, "logs")
        set_log_role(bench, str(arn), _PATIENCE)
    return str(arn)


def remember(bench: Bench, purpose: str) -> None:
    """Note the log role that is set, before the run's role for this purpose takes its place.

    It is restored in the end; the role's tag lets a clean-up restore it should the program be killed.
    """
    is_noted = "former log role" in bench.shared
    before = str(bench.shared.setdefault("former log role", _current(bench)))
    bench.client("iam").tag_role(RoleName=bench.role_name(purpose), Tags=[{"Key": FORMER, "Value": before}])
    if is_noted:
        return
    bench.ledger.add_step(
        f"the log role of API Gateway ({before or 'none'})",
        f"apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value='{before}'",
        lambda: set_log_role(bench, before, _PATIENCE),
    )


def set_log_role(bench: Bench, arn: str, seconds: float) -> None:
    """Call UpdateAccount until AWS accepts the role, which takes a while after a change of IAM; empty for none."""
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
    bench.account.patiently(
        lambda: bench.client("apigateway").update_account(patchOperations=[operation]),
        seconds,
        lambda error: is_throttled(error) or error_code(error) == "BadRequestException",
        every=PACE,
    )


def _current(bench: Bench) -> str:
    arn: str = bench.client("apigateway").get_account().get("cloudwatchRoleArn") or ""
    return arn


def everything(bench: Bench) -> str:
    """Return the ARN of all log groups."""
    return f"arn:{bench.partition}:logs:*:*:*"


def log_policy(resource: str, actions: tuple[str, ...] = WRITES) -> dict[str, Any]:
    """Return a policy that allows to write to the log groups."""
    statements = [
        {"Effect": "Allow", "Action": list(_READS), "Resource": "*"},
        {"Effect": "Allow", "Action": list(actions), "Resource": resource},
    ]
    return {"Version": "2012-10-17", "Statement": statements}
