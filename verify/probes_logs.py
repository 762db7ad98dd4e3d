"""Points about CloudWatch Logs."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.points import Point, UnclearError, Value
from verify.run import Run, refusal

#: Error codes of a request with invalid content.
INVALID = frozenset({"InvalidParameterException", "ValidationException", "LimitExceededException"})


def _missing_identifier(run: Run) -> Value:
    present = run.log_group("present")
    if not run.account.until(lambda: _by_identifiers(run, [present]), 15):
        raise UnclearError("a log group that exists was not found by its name")
    try:
        found = _by_identifiers(run, [present, f"{run.name}/missing"])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise UnclearError(refusal(error)) from error
        return True
    if [group["logGroupName"] for group in found] != [present]:
        raise UnclearError(f"the answer had {len(found)} log groups, none of them {present}")
    return False


def _identifiers_hide(run: Run) -> Value:
    name = run.log_group("retention")
    found = run.account.until(lambda: _by_identifiers(run, [name]), 15)
    if not found:
        raise UnclearError("the log group was not found by its name")
    return found[0].get("retentionInDays") != 1


def _by_identifiers(run: Run, names: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.client("logs").describe_log_groups(logGroupIdentifiers=names)["logGroups"]
    return found


def _missing_destination(run: Run) -> Value:
    name = run.log_group("filter")
    arn = run.log_group_arn(name).partition(":log-group:")[0] + f":destination:{run.name}-missing"
    try:
        run.client("logs").put_subscription_filter(
            logGroupName=name, filterName=run.name, filterPattern="", destinationArn=arn
        )
    except ClientError as error:
        if error_code(error) not in ("ResourceNotFoundException", "InvalidParameterException"):
            raise UnclearError(refusal(error)) from error
        return error_code(error)
    raise UnclearError("the filter was accepted")


def _policies_without_arn(run: Run) -> Value:
    name = run.log_group("policy")
    _put_policy(run, name, _policy(run, name, 0))
    arns: list[str] = []
    more = dict[str, str]()
    while True:
        try:
            answer = run.client("logs").describe_resource_policies(policyScope="RESOURCE", **more)
        except ClientError as error:
            if error_code(error) not in INVALID:
                raise
            return "refused"
        arns += [each.get("resourceArn", "").removesuffix(":*") for each in answer.get("resourcePolicies", [])]
        if not answer.get("nextToken"):
            break
        more = {"nextToken": answer["nextToken"]}
    if run.log_group_arn(name) in arns:
        return "all"
    if arns:
        raise UnclearError(f"the answer had {len(arns)} policies, not that of {name}")
    return "none"


def _policy_limit(run: Run) -> Value:
    name = run.log_group("long-policy")
    longest, revision = 0, None
    for length in (5_120, 51_200, 51_201):
        try:
            revision = _put_policy(run, name, _policy(run, name, length), revision)
        except ClientError as error:
            if error_code(error) not in INVALID:
                raise
            break
        longest = length
    if not longest or longest > 51_200:
        raise UnclearError(f"AWS took a policy of {longest} characters, and the limit is elsewhere")
    return longest


def _put_policy(run: Run, name: str, document: str, revision: str | None = None) -> str | None:
    """Put the log group's own policy. Return its revision."""
    more = {} if revision is None else {"expectedRevisionId": revision}
    answer = run.client("logs").put_resource_policy(
        resourceArn=run.log_group_arn(name), policyDocument=document, **more
    )
    put: str | None = answer.get("revisionId")
    return put


def _policy(run: Run, name: str, length: int) -> str:
    """Return a policy that allows log delivery to write to the group, at least ``length`` characters long.

    The id of an account that does not exist makes it long: it allows nothing more.
    """

    def document(filler: str) -> str:
        statement = {
            "Sid": "LogKeeperVerify",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{run.log_group_arn(name)}:log-stream:*",
            "Condition": {"StringEquals": {"aws:SourceAccount": [run.account_id, filler]}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))

    return document("0" * max(12, length - len(document(""))))


POINTS = (
    Point(
        "missing-log-group-by-identifier",
        "DescribeLogGroups by identifiers, one of which does not exist",
        "refuses_missing_log_groups",
        False,
        {True: "refuses the call", False: "leaves it out"},
        _missing_identifier,
    ),
    Point(
        "retention-by-identifier",
        "DescribeLogGroups by identifiers: does it show the retention?",
        "identifiers_hide_retention",
        False,
        {True: "no", False: "yes"},
        _identifiers_hide,
    ),
    Point(
        "missing-log-destination",
        "PutSubscriptionFilter to a destination of CloudWatch Logs that does not exist",
        "missing_log_destination",
        "ResourceNotFoundException",
        {each: f"is refused with {each}" for each in ("ResourceNotFoundException", "InvalidParameterException")},
        _missing_destination,
    ),
    Point(
        "group-policies-without-arn",
        "DescribeResourcePolicies of scope RESOURCE without the ARN of a log group",
        "resource_policies_without_arn",
        "all",
        {"all": "shows those of all log groups", "none": "shows none", "refused": "is refused"},
        _policies_without_arn,
    ),
    Point(
        "resource-policy-limit",
        "The longest resource policy of CloudWatch Logs",
        "resource_policy_limit",
        51_200,
        {5_120: "5,120 characters", 51_200: "51,200 characters"},
        _policy_limit,
    ),
)
