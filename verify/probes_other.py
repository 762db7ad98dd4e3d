"""Points about EventBridge Scheduler and CloudTrail, and points without a probe."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.points import NotTriedError, Point, UnclearError, Value
from verify.resource_types import BUCKET, SCHEDULE, TRAIL
from verify.run import Run, refusal

_THROTTLES_OTHERS = "it would use the quota of all other callers of API Gateway in this account"


def _past_schedule(run: Run) -> Value:
    role = run.role("schedules", "scheduler.amazonaws.com")
    # Its target does not exist, and the role may call nothing: an invocation does nothing.
    queue = f"arn:{run.partition}:sqs:{run.account.region}:{run.account_id}:{run.name}"
    now = datetime.now(UTC)
    # First a schedule in the future: it shows that everything else is right, and waits until the role is known.
    try:
        run.account.patiently(
            lambda: _schedule(run, "future", now + timedelta(days=300), role, queue),
            60,
            lambda error: error_code(error) == "ValidationException",
        )
    except ClientError as error:
        raise UnclearError(f"a schedule in the future is refused too: {refusal(error)}") from error
    try:
        _schedule(run, "past", now - timedelta(days=1), role, queue)
    except ClientError as error:
        if error_code(error) != "ValidationException":
            raise
        return True
    return False


def _schedule(run: Run, purpose: str, moment: datetime, role: str, queue: str) -> None:
    name = f"{run.name}-{purpose}"
    run.create(
        SCHEDULE,
        name,
        run.client("scheduler").create_schedule,
        Name=name,
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": queue, "RoleArn": role, "RetryPolicy": {"MaximumRetryAttempts": 0}},
    )


def _trail_source_account(run: Run) -> Value:
    """Create a trail for some seconds. It never logs: logging is not started."""
    bucket = f"{run.name}-{run.account_id}-{run.account.region}"
    s3 = run.client("s3")
    region = run.account.region
    where: dict[str, Any] = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    run.create(BUCKET, bucket, s3.create_bucket, Bucket=bucket, **where)
    arn = f"arn:{run.partition}:s3:::{bucket}"
    trail_arn = f"arn:{run.partition}:cloudtrail:{region}:{run.account_id}:trail/{run.name}"

    def takes(condition: dict[str, str]) -> bool:
        statements = [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudtrail.amazonaws.com"},
                "Action": action,
                "Resource": resource,
                "Condition": {"StringEquals": condition},
            }
            for action, resource in (("s3:GetBucketAcl", arn), ("s3:PutObject", f"{arn}/AWSLogs/*"))
        ]
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        try:
            create = run.client("cloudtrail").create_trail
            run.create(TRAIL, run.name, create, Name=run.name, S3BucketName=bucket)
        except ClientError as error:
            if error_code(error) != "InsufficientS3BucketPolicyException":
                raise
            return False
        TRAIL.delete(run.account, run.name)
        return True

    # The documented condition comes last, because S3 may use an earlier policy for a while. It shows that everything
    # else is right.
    is_sent = run.account.until(lambda: takes({"aws:SourceAccount": run.account_id}), 20, 5)
    if not is_sent and not run.account.until(lambda: takes({"aws:SourceArn": trail_arn}), 30, 5):
        raise UnclearError("a bucket policy with the documented aws:SourceArn is refused too")
    return is_sent


_NEEDS_ORGANIZATION = "it needs an organization with stack sets: deploy Log Keeper with OrganizationId instead"


def _never(why: str) -> Any:
    def probe(_: Run) -> Value:
        raise NotTriedError(why)

    return probe


POINTS = (
    Point(
        "past-schedule",
        "CreateSchedule for a time in the past",
        "refuses_past_schedules",
        False,
        {True: "is refused", False: "is accepted"},
        _past_schedule,
    ),
    Point(
        "trail-source-account",
        "CloudTrail's calls of a bucket carry aws:SourceAccount",
        "trails_send_source_account",
        False,
        {True: "yes", False: "no"},
        _trail_source_account,
    ),
    Point(
        "cross-region-buses",
        "PutTargets with a bus of another region, in China and GovCloud",
        "cross_region_buses_elsewhere",
        "refused",
        {"refused": "is refused", "lost": "is accepted, and the events are lost"},
        _never("it needs an account there, and an hour to see that no event arrives"),
    ),
    Point(
        "execution-role-reads",
        "The execution role of a stack set must be allowed to read all stacks",
        "stack_sets_read_all_stacks",
        True,
        {True: "yes", False: "no"},
        _never("it needs a stack set and its two roles: deploy Log Keeper with the parameter Regions instead"),
    ),
    Point(
        "nested-stack-capability",
        "A nested stack without a transform needs CAPABILITY_AUTO_EXPAND if its parent has one",
        "nested_stacks_need_auto_expand",
        False,
        {True: "yes", False: "no"},
        _never("it needs a stack with a nested one: deploy Log Keeper without the capability instead"),
    ),
    Point(
        "organization-arn",
        "The account in the ARN of a stack set that a delegated administrator lists",
        "stack_set_arn_of_administrator",
        "management",
        {"management": "is the management account", "administrator": "is the administrator"},
        _never(_NEEDS_ORGANIZATION),
    ),
    Point(
        "organization-reads",
        "Reads of an organization's stack sets need organizations:ListDelegatedAdministrators",
        "reads_of_stack_sets_list_administrators",
        True,
        {True: "yes", False: "no"},
        _never(_NEEDS_ORGANIZATION),
    ),
    Point(
        "organization-leaving",
        "An account that leaves the organization keeps its stacks",
        "leaving_accounts_keep_stacks",
        True,
        {True: "yes", False: "no"},
        _never(_NEEDS_ORGANIZATION),
    ),
    Point(
        "organization-filters",
        "Automatic deployment leaves out what the account filter leaves out",
        "automatic_deployment_keeps_account_filters",
        True,
        {True: "yes", False: "no"},
        _never(_NEEDS_ORGANIZATION),
    ),
    Point(
        "own-stack-created",
        "A rule gets the event that its own stack was created",
        "rules_see_their_stack_created",
        True,
        {True: "yes", False: "no"},
        _never("it needs a stack: deploy Log Keeper, and see when its first sweep begins"),
    ),
    Point(
        "shared-quota",
        "REST APIs and HTTP and WebSocket APIs share ten calls a second",
        "api_versions_share_quota",
        True,
        {True: "yes", False: "no"},
        _never(_THROTTLES_OTHERS),
    ),
    Point(
        "throttled-calls-count",
        "A call that was throttled counts against the quota",
        "throttled_calls_use_quota",
        False,
        {True: "yes", False: "no"},
        _never(_THROTTLES_OTHERS),
    ),
    Point(
        "throttled-without-code",
        "Throttled calls of API Gateway that are answered without an error code",
        "throttles_without_code",
        "every other",
        {"every other": "some", "all": "all", "none": "none"},
        _never(_THROTTLES_OTHERS),
    ),
)
