"""Subscription filters of log groups, which forward their lines: reads and sets those of Log Keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from log_keeper.policy.findings import Problem
from log_keeper.policy.log_groups import Subscription

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import PutSubscriptionFilterRequestTypeDef


def read_filter(client: CloudWatchLogsClient, log_group: str, name: str) -> Subscription | None:
    """Return the subscription filter of this name; None if the log group has none. Raises ClientError.

    A log group has at most five filters, which one answer holds.
    """
    try:
        answer = client.describe_subscription_filters(logGroupName=log_group, filterNamePrefix=name)
    except ClientError as error:
        # The log group was deleted a moment ago.
        if error_code(error) != "ResourceNotFoundException":
            raise
        return None
    for found in answer["subscriptionFilters"]:
        if found["filterName"] == name:
            return Subscription(found["destinationArn"], found.get("roleArn"), found.get("filterPattern", ""))
    return None


def put_filter(client: CloudWatchLogsClient, log_group: str, name: str, subscription: Subscription) -> None:
    """Create or replace the subscription filter of this name. Raises ClientError.

    CloudWatch Logs first tries whether it may write to the destination.
    """
    request: PutSubscriptionFilterRequestTypeDef = {
        "logGroupName": log_group,
        "filterName": name,
        "filterPattern": subscription.pattern,
        "destinationArn": subscription.destination_arn,
    }
    if subscription.role_arn is not None:
        request["roleArn"] = subscription.role_arn
    client.put_subscription_filter(**request)


def problem_of(error: Exception) -> Problem | None:
    """Return the problem if only a person can remove the cause of the refusal of PutSubscriptionFilter; or else None.

    *Source:* radkawar/stackd, testdata/aws/logs/subscriptions.json and kinesis-subscriptions.json: a sixth filter is
    "Resource limit exceeded."; a function or a stream that is missing, or that CloudWatch Logs may not use, is an
    InvalidParameterException. aws/aws-cli, issue 4422: "User with accountId: ... is not authorized" if the policy of a
    destination in another account does not allow it. Of a missing destination, and of a log group of another class, no
    recording was found.
    """
    if not isinstance(error, ClientError):
        return None
    message = error_message(error)
    match error_code(error):
        case "LimitExceededException":
            return Problem.TOO_MANY_FILTERS
        case "InvalidParameterException":
            return Problem.FORWARDING_REFUSED
        case "InvalidOperationException":
            return Problem.NOT_FORWARDABLE
        case "AccessDeniedException" if message.startswith("User with accountId"):
            return Problem.FORWARDING_REFUSED
        case "ResourceNotFoundException" if "log group" not in message:
            return Problem.FORWARDING_REFUSED
    return None
