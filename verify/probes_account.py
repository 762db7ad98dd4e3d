"""Points that take another log role for a few minutes: the only ones that change what the account has already.

While such a role is set, API Gateway writes the logs of every REST and WebSocket API of the region with it.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.bench import FORMAT, Bench, refusal
from verify.log_role import PACE, WRITES, everything, log_policy, remember, set_log_role, use_own_log_role
from verify.points import NotTriedError, Point, UnclearError, Value
from verify.probes_requests import is_logged, log_to, needs_lines, stop_logging

#: Seconds that IAM may take until API Gateway sees a change; 33 were measured in 2026-09 (radkawar/stackd).
_SPREAD = 60


def _takes(bench: Bench, arn: str, seconds: float) -> bool:
    try:
        set_log_role(bench, arn, seconds)
    except ClientError as error:
        if error_code(error) != "BadRequestException":
            raise UnclearError(refusal(error)) from error
        return False
    return True


def _must_be_allowed(bench: Bench) -> None:
    if not bench.options.account_settings:
        raise NotTriedError("it sets another log role for some minutes, which --with-account-settings allows")


def _tests_all_groups(bench: Bench) -> Value:
    _must_be_allowed(bench)
    groups = f"arn:{bench.partition}:logs:*:*:log-group:/aws/apigateway/welcome*"
    arn = bench.role("welcome", "apigateway.amazonaws.com", log_policy(groups))
    remember(bench, "welcome")
    is_taken = _takes(bench, arn, _SPREAD)
    if not is_taken:
        bench.put_role_policy("welcome", log_policy(everything(bench)))
        if not _takes(bench, arn, 120):
            raise UnclearError("AWS refused a role that may write all log groups, too")
    return not is_taken


def _tests_set_role(bench: Bench) -> Value:
    _must_be_allowed(bench)
    arn = use_own_log_role(bench)
    bench.put_role_policy("logs", log_policy(everything(bench), ("logs:PutLogEvents",)))
    bench.account.wait(_SPREAD)
    is_taken = _takes(bench, arn, PACE)
    bench.put_role_policy("logs", log_policy(everything(bench)))
    bench.account.wait(_SPREAD)
    return not is_taken


def _needs_create_log_group(bench: Bench) -> Value:
    _must_be_allowed(bench)
    use_own_log_role(bench)
    needs_lines(bench, log_to(bench, "role-before", FORMAT))
    # Another group than the one that API Gateway has a stream in.
    group = log_to(bench, "role-after", FORMAT)
    bench.put_role_policy("logs", log_policy(everything(bench), WRITES[1:]))
    bench.account.wait(_SPREAD)
    is_lost = not is_logged(bench, group)
    bench.put_role_policy("logs", log_policy(everything(bench)))
    stop_logging(bench)
    return is_lost


POINTS = (
    Point(
        "update-account-groups",
        "UpdateAccount with a role that may write the welcome group alone",
        "update_account_tests_all_groups",
        False,
        {True: "is refused", False: "is accepted"},
        _tests_all_groups,
    ),
    Point(
        "update-account-again",
        "UpdateAccount with the role that is set, which may not write any more",
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
