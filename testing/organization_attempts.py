"""Attempts that must change nothing: the hub's functions beyond their roles, and forged events."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from sandbox.core.account import Account
from sandbox.core.call import Caller
from testing.member_stages import HOME, StageKey
from testing.organization_story import Story
from testing.organizations import caller_with
from testing.permissions import TRIAL

READ_ROLE, REMEDIATE_ROLE = "log-keeper-member-read", "log-keeper-member-remediate"
FORWARD_ROLE = f"log-keeper-forward-{HOME}"
_ASSUME = "sts:AssumeRole, to remediate"
_ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Attempt(NamedTuple):
    """A call and its answer. ``answer``: the code of the error, empty if the call succeeded."""

    who: str
    call: str
    answer: str


def code_of(call: Callable[[], Any]) -> str:
    """Return the code of the error that the call raises, empty if it succeeds."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def session(story: Story, function: str) -> Caller:
    """Return a session of the role of a function in the hub. ``function``: ``Enforce`` or ``Sweep``."""
    arn = story.stack.outputs[f"{function}Function"]
    role = story.hub.client("lambda").get_function_configuration(FunctionName=arn)["Role"]
    return story.hub.caller_of_key(story.hub.caller_of_role(role, TRIAL)["AccessKeyId"])


def assume(story: Story, function: str, member: Account, role: str) -> Caller:
    """Return a session of a member's role that the function has assumed. Raises ClientError."""
    arn = f"arn:aws:iam::{member.account_id}:role/{role}"
    client = story.hub.client("sts", caller=session(story, function))
    given = client.assume_role(RoleArn=arn, RoleSessionName=TRIAL)["Credentials"]
    return story.hub.caller_of_key(given["AccessKeyId"])


def changes_with_the_role_that_reads(story: Story, name: str) -> list[Attempt]:
    """Try each change that remediation makes, with the role that reads, in the named account."""
    member = story.accounts[name]
    there = assume(story, "Enforce", member, READ_ROLE)
    rest, v2 = member.client("apigateway", caller=there), member.client("apigatewayv2", caller=there)
    logs, iam = member.client("logs", caller=there), member.client("iam", caller=there)
    keys = {key.protocol: key for key in story.stages_of(member) if key.region == HOME}
    level = [{"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"}]
    role = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{member.account_id}:role/x"}]
    group, stage = "/aws/vendedlogs/apigateway/x/prod", keys["REST"]
    calls: dict[str, Callable[[], Any]] = {
        "apigateway:UpdateStage": lambda: rest.update_stage(
            restApiId=stage.api_id, stageName=stage.stage_name, patchOperations=level
        ),
        "apigateway:UpdateAccount": lambda: rest.update_account(patchOperations=role),
        "apigatewayv2:UpdateStage": lambda: v2.update_stage(
            ApiId=keys["HTTP"].api_id, StageName=keys["HTTP"].stage_name, Description="x"
        ),
        "logs:CreateLogGroup": lambda: logs.create_log_group(logGroupName=group),
        "logs:PutRetentionPolicy": lambda: logs.put_retention_policy(logGroupName=group, retentionInDays=1),
        "iam:CreateRole": lambda: iam.create_role(RoleName="APIGatewayCloudWatchLogs", AssumeRolePolicyDocument="{}"),
    }
    return [Attempt(f"Enforce in {name}", what, code_of(call)) for what, call in calls.items()]


def roles_that_are_refused(story: Story, audited: str, enforced: str) -> list[Attempt]:
    """Try to assume the role that remediates: where it does not exist, and as one whom it does not trust."""
    found = []
    for function, name in (("Enforce", audited), ("Sweep", enforced)):
        answer = code_of(functools.partial(assume, story, function, story.accounts[name], REMEDIATE_ROLE))
        found.append(Attempt(f"{function} in {name}", _ASSUME, answer))
    administrator = story.hub.client("sts", caller=caller_with(story.hub, "Administrator", _ALLOW_ALL))
    arn = f"arn:aws:iam::{story.accounts[enforced].account_id}:role/{REMEDIATE_ROLE}"
    answer = code_of(lambda: administrator.assume_role(RoleArn=arn, RoleSessionName=TRIAL))
    return [*found, Attempt("the hub's administrator", _ASSUME, answer)]


def forged_event(story: Story, victim: StageKey) -> dict[str, str]:
    """Return an entry for PutEvents on the hub's bus: a record that says that this stage was changed."""
    bus = f"arn:aws:events:{HOME}:{story.hub.account_id}:event-bus/log-keeper"
    api = {"restApiId": victim.api_id, "stageName": victim.stage_name}
    detail = {"eventSource": "apigateway.amazonaws.com", "eventName": "UpdateStage", "awsRegion": victim.region,
              "recipientAccountId": victim.account_id, "requestParameters": api}  # fmt: skip
    return {
        "Source": "aws.apigateway",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": json.dumps(detail),
        "EventBusName": bus,
    }


def forged_by_a_stranger(story: Story, stranger: Account, victim: StageKey) -> list[Attempt]:
    """Put forged events on the hub's bus from an account outside the organization, as a role with the right name."""
    return _forge(story, "a foreign account", stranger, FORWARD_ROLE, victim)


def forged_by_a_member(story: Story, name: str, victim: StageKey) -> list[Attempt]:
    """Put forged events about another account's stage on the hub's bus, as a role of a member with the right name.

    The second is not refused: its source is the member's own, for which the bus has no rule.
    """
    return _forge(story, f"the member {name}", story.accounts[name], "log-keeper-forward-mine", victim)


def _forge(story: Story, who: str, account: Account, role: str, victim: StageKey) -> list[Attempt]:
    events = account.client("events", caller=caller_with(account, role, _ALLOW_ALL))
    forged = forged_event(story, victim)
    attempts = []
    for entry in (forged, forged | {"Source": "log-keeper", "DetailType": "Stage To Evaluate"}):
        try:
            answer = events.put_events(Entries=[entry])["Entries"][0].get("ErrorCode", "")
        except ClientError as error:
            answer = error.response["Error"]["Code"]
        attempts.append(Attempt(who, f"PutEvents as {entry['Source']}", answer))
    return attempts
