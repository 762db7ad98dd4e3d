"""Points that set another log role for a few minutes: the only ones that change a setting of the account.

Meanwhile, API Gateway writes the logs of every REST and WebSocket API of the region with that role.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.log_role import PACE, WRITES, everything, log_policy, remember, set_log_role, use_own_log_role
from verify.points import NotTriedError, Point, UnclearError, Value
from verify.probes_requests import is_logged, log_to, needs_lines, stop_logging
from verify.run import FORMAT, Run, refusal

#: Seconds that IAM may take until API Gateway sees a change; 33 were measured in 2026-09 (radkawar/stackd).
_SPREAD = 60


def _takes(run: Run, arn: str, seconds: float) -> bool:
    try:
        set_log_role(run, arn, seconds)
    except ClientError as error:
        if error_code(error) != "BadRequestException":
            raise UnclearError(refusal(error)) from error
        return False
    return True


def _must_be_allowed(run: Run) -> None:
    if not run.options.account_settings:
        raise NotTriedError("it sets another log role for some minutes, which --with-account-settings allows")


def _tests_all_groups(run: Run) -> Value:
    _must_be_allowed(run)
    groups = f"arn:{run.partition}:logs:*:*:log-group:/aws/apigateway/welcome*"
    arn = run.role("welcome", "apigateway.amazonaws.com", log_policy(groups))
    remember(run, "welcome")
    is_taken = _takes(run, arn, _SPREAD)
    if not is_taken:
        run.put_role_policy("welcome", log_policy(everything(run)))
        if not _takes(run, arn, 120):
            raise UnclearError("AWS refused a role that may write all log groups, too")
    return not is_taken


def _tests_set_role(run: Run) -> Value:
    _must_be_allowed(run)
    arn = use_own_log_role(run)
    run.put_role_policy("logs", log_policy(everything(run), ("logs:PutLogEvents",)))
    run.account.wait(_SPREAD)
    is_taken = _takes(run, arn, PACE)
    run.put_role_policy("logs", log_policy(everything(run)))
    run.account.wait(_SPREAD)
    return not is_taken


def _needs_create_log_group(run: Run) -> Value:
    _must_be_allowed(run)
    use_own_log_role(run)
    needs_lines(run, log_to(run, "role-before", FORMAT))
    # A new group, in which API Gateway has no stream yet.
    group = log_to(run, "role-after", FORMAT)
    run.put_role_policy("logs", log_policy(everything(run), WRITES[1:]))
    run.account.wait(_SPREAD)
    is_lost = not is_logged(run, group)
    run.put_role_policy("logs", log_policy(everything(run)))
    stop_logging(run)
    return is_lost


POINTS = (
    Point(
        "update-account-groups",
        "UpdateAccount with a role that may write only the welcome group",
        "update_account_tests_all_groups",
        False,
        {True: "is refused", False: "is accepted"},
        _tests_all_groups,
    ),
    Point(
        "update-account-again",
        "UpdateAccount with the current role, which may not write any more",
        "retests_log_role_that_is_set",
        True,
        {True: "is refused", False: "is accepted"},
        _tests_set_role,
    ),
    Point(
        "role-without-create-log-group",
        "Lines of a log role without logs:CreateLogGroup, in a group that exists",
        "log_role_needs_create_log_group",
        True,
        {True: "are lost", False: "arrive"},
        _needs_create_log_group,
    ),
)
