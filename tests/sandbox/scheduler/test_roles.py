"""A schedule's target is called with its role, and calls that fail are retried."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.clients import client, refusal
from testing.iam import allow, role, trust
from testing.schedules import ACCOUNT, QUEUE, ROLE, names, received, request, schedule, texts

ROLE_REFUSED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


def test_role_must_exist_and_trust_the_scheduler(sandbox: Sandbox) -> None:
    other = role(sandbox, "other", "events.amazonaws.com", allow("sqs:SendMessage"))
    for arn in (other, f"arn:aws:iam::{ACCOUNT}:role/none"):
        refused = refusal(lambda: schedule(sandbox, Target={"RoleArn": arn}))  # noqa: B023
        assert refused == ("ValidationException", ROLE_REFUSED)


def test_trust_is_compared_with_the_schedules_group(sandbox: Sandbox) -> None:
    def only(source: str) -> str:
        document = json.loads(trust("scheduler.amazonaws.com"))
        document["Statement"][0]["Condition"] = {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:{source}"},
        }
        return json.dumps(document)

    iam = client(sandbox, "iam")
    iam.update_assume_role_policy(RoleName="scheduler", PolicyDocument=only("schedule/default/*"))
    assert refusal(lambda: schedule(sandbox)) == ("ValidationException", ROLE_REFUSED)
    iam.update_assume_role_policy(RoleName="scheduler", PolicyDocument=only("schedule-group/default"))
    schedule(sandbox)


def test_caller_needs_permissions_to_create_and_to_pass_the_role(sandbox: Sandbox) -> None:
    create = allow("scheduler:CreateSchedule", resource=f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/until")
    caller = role(sandbox, "caller", policy=create)

    def call(**more: Any) -> None:
        keys = sandbox.caller_of_role(caller, "test")
        client(sandbox, "scheduler", credentials=keys).create_schedule(**request(**more))

    code, message = refusal(call)
    assert code == "AccessDeniedException"
    assert f"iam:PassRole on resource: {ROLE}" in message
    assert "scheduler:CreateSchedule on resource" in refusal(lambda: call(Name="other"))[1]
    for service, is_let in (("events", False), ("scheduler", True)):
        condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        client(sandbox, "iam").put_role_policy(
            RoleName="caller",
            PolicyName="pass",
            PolicyDocument=allow("iam:PassRole", resource=ROLE, Condition=condition),
        )
        if is_let:
            call()
        else:
            assert refusal(call)[0] == "AccessDeniedException"


def test_call_that_fails_is_retried_and_becomes_a_dead_letter(sandbox: Sandbox, clock: MovableClock) -> None:
    allowed = allow("sqs:SendMessage", resource=f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead")
    client(sandbox, "iam").put_role_policy(RoleName="scheduler", PolicyName="inline", PolicyDocument=allowed)
    arn = schedule(
        sandbox,
        ActionAfterCompletion="DELETE",
        Target={
            "Input": "try <aws.scheduler.attempt-number>",
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"},
        },
    )
    clock.advance(timedelta(hours=1))
    assert (received(sandbox, "dead"), names(sandbox)) == ([], ["until"])

    clock.advance(timedelta(hours=1))

    assert (texts(sandbox), names(sandbox)) == ([], [])
    [letter] = received(sandbox, "dead")
    attributes = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert letter["Body"] == "try 3"
    assert attributes["ERROR_CODE"] == "AccessDenied"
    assert f"sqs:SendMessage on resource: {QUEUE}" in attributes["ERROR_MESSAGE"]
    assert (attributes["EXHAUSTED_RETRY_CONDITION"], attributes["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "2")
    assert (attributes["SCHEDULE_ARN"], attributes["TARGET_ARN"]) == (arn, QUEUE)
    assert attributes["SCHEDULED_TIME"] == "2027-03-01T13:00:00Z"


def test_no_retry_follows_a_success(sandbox: Sandbox, clock: MovableClock) -> None:
    iam = client(sandbox, "iam")
    iam.delete_role_policy(RoleName="scheduler", PolicyName="inline")
    schedule(sandbox)
    clock.advance(timedelta(hours=1))
    assert texts(sandbox) == []
    iam.put_role_policy(RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("sqs:SendMessage"))
    clock.advance(timedelta(hours=2))
    assert texts(sandbox) == ["back to ERROR"]
