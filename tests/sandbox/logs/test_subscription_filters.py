"""Subscription filters: what CloudWatch Logs accepts, and where lines arrive.

*Source:* radkawar/stackd, testdata/aws/logs/subscriptions.json and kinesis-subscriptions.json, of 2026-09.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_role
from testing.builders import ACCOUNT
from testing.clients import refusal
from testing.log_destinations import (
    allow_logs,
    bucket_records,
    make_forward_role,
    make_siem_firehose,
    make_siem_function,
    make_siem_stream,
    received,
    stream_records,
)
from testing.organizations import caller_with

GROUP = "/shop"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:siem"
STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/siem"
HINT = "Make sure you have given CloudWatch Logs permission to execute your function."
NO_FUNCTION = "InvalidParameterException", f"Could not execute the lambda function. {HINT}"
NO_STREAM = "Could not deliver test message to specified Kinesis stream."


@pytest.fixture
def here() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        sandbox.client("logs").create_log_group(logGroupName=GROUP)
        yield sandbox


def put(sandbox: Sandbox, destination: str, name: str = "siem", logs: Any = None, **more: Any) -> None:
    (logs or sandbox.client("logs")).put_subscription_filter(
        **{"logGroupName": GROUP, "filterName": name, "filterPattern": "", "destinationArn": destination} | more
    )


def write(sandbox: Sandbox, *lines: str) -> None:
    logs = sandbox.client("logs")
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    events = [{"timestamp": int(sandbox.now().timestamp() * 1000), "message": line} for line in lines]
    logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)


def filters(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.client("logs").describe_subscription_filters(logGroupName=GROUP)[
        "subscriptionFilters"
    ]
    return found


def test_lines_arrive_at_a_function(here: Sandbox) -> None:
    put(here, make_siem_function(here), filterPattern="")
    write(here, "one", "two")
    here.wait_until(lambda: len(received(here)) == 2)
    assert received(here) == ["one", "two"]


def test_pattern_selects_lines(here: Sandbox) -> None:
    put(here, make_siem_function(here), filterPattern="ERROR")
    write(here, "fine", "an ERROR")
    here.wait_until(lambda: received(here) == ["an ERROR"])


def test_function_needs_a_policy_for_the_log_group(here: Sandbox) -> None:
    make_siem_function(here, is_allowed=False)
    assert refusal(lambda: put(here, FUNCTION)) == NO_FUNCTION
    allow_logs(here, GROUP)  # without :*
    assert refusal(lambda: put(here, FUNCTION)) == NO_FUNCTION
    allow_logs(here, f"{GROUP}:*")
    put(here, FUNCTION)
    assert refusal(lambda: put(here, f"{FUNCTION}-missing")) == NO_FUNCTION


def test_lines_arrive_at_a_kinesis_stream_after_a_test_message(here: Sandbox) -> None:
    put(here, make_siem_stream(here), roleArn=make_forward_role(here, "kinesis:PutRecord"))
    write(here, "one")
    control, data = stream_records(here)
    assert (control["messageType"], control["owner"]) == ("CONTROL_MESSAGE", "CloudwatchLogs")
    assert [line["message"] for line in data.pop("logEvents")] == ["one"]
    assert data == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": GROUP,
        "logStream": "one",
        "subscriptionFilters": ["siem"],
    }


def test_lines_arrive_at_a_firehose_stream(here: Sandbox) -> None:
    put(here, make_siem_firehose(here), roleArn=make_forward_role(here, "firehose:PutRecord"))
    write(here, "one")
    assert {record["messageType"] for record in bucket_records(here)} == {"CONTROL_MESSAGE", "DATA_MESSAGE"}


def test_role_of_a_stream_is_tried(here: Sandbox) -> None:
    arn = make_siem_stream(here)
    code = "InvalidParameterException"
    assert refusal(lambda: put(here, arn)) == (code, "destinationArn for vendor kinesis cannot be used without roleArn")
    state = f"{NO_STREAM} Check if the given Kinesis stream is in ACTIVE state."
    missing = f"arn:aws:iam::{ACCOUNT}:role/missing"
    assert refusal(lambda: put(here, arn, roleArn=missing)) == (code, state)
    assert refusal(lambda: put(here, arn, roleArn=make_role(here))) == (code, state)  # trusts API Gateway
    role = make_forward_role(here)
    found, text = refusal(lambda: put(here, arn, roleArn=role))
    assert found == code
    assert text.startswith(f"{NO_STREAM} User: arn:aws:sts::{ACCOUNT}:assumed-role/ForwardLogs/")
    assert "is not authorized to perform: kinesis:PutRecord" in text


def test_function_takes_no_role(here: Sandbox) -> None:
    expected = "InvalidParameterException", "destinationArn for vendor lambda cannot be used with roleArn"
    assert refusal(lambda: put(here, make_siem_function(here), roleArn=make_forward_role(here))) == expected


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:sns:us-east-1:{ACCOUNT}:siem",
        f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:siem",
        "arn:aws:lambda:us-east-1:210987654321:function:siem",
    ],
)
def test_other_services_regions_and_accounts_are_refused(here: Sandbox, arn: str) -> None:
    assert refusal(lambda: put(here, arn))[0] == "InvalidParameterException"


def test_log_group_has_at_most_five_filters(here: Sandbox) -> None:
    arn = make_siem_function(here)
    for number in range(5):
        put(here, arn, f"siem-{number}")
    assert refusal(lambda: put(here, arn, "siem-5")) == ("LimitExceededException", "Resource limit exceeded.")
    created = filters(here)[0]["creationTime"]
    put(here, arn, "siem-0", filterPattern="ERROR")
    assert (filters(here)[0]["filterPattern"], filters(here)[0]["creationTime"]) == ("ERROR", created)


def test_failed_replacement_leaves_the_filter(here: Sandbox) -> None:
    put(here, make_siem_function(here))
    before = filters(here)
    assert refusal(lambda: put(here, f"{FUNCTION}-missing")) == NO_FUNCTION
    assert filters(here) == before


def test_filters_are_deleted_by_name_and_with_the_log_group(here: Sandbox) -> None:
    logs = here.client("logs")
    put(here, make_siem_function(here))
    logs.delete_subscription_filter(logGroupName=GROUP, filterName="siem")
    code, text = refusal(lambda: logs.delete_subscription_filter(logGroupName=GROUP, filterName="siem"))
    assert (code, text) == ("ResourceNotFoundException", "The specified subscription filter does not exist.")
    put(here, FUNCTION)
    logs.delete_log_group(logGroupName=GROUP)
    logs.create_log_group(logGroupName=GROUP)
    assert filters(here) == []


def test_log_group_of_another_class_takes_none(here: Sandbox) -> None:
    logs = here.client("logs")
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    found = refusal(lambda: put(here, make_siem_function(here), logGroupName="/rare"))
    assert found[0] == "InvalidOperationException"


def test_caller_needs_the_permission_on_the_log_group_and_for_the_role(here: Sandbox) -> None:
    arn, role = make_siem_stream(here), make_forward_role(here, "kinesis:PutRecord")
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
    for name, statements, is_allowed in (
        ("wide", [("logs:PutSubscriptionFilter", f"{group}:*")], False),
        ("no-role", [("logs:PutSubscriptionFilter", group)], False),
        ("both", [("logs:PutSubscriptionFilter", group), ("iam:PassRole", role)], True),
    ):
        allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
        caller = caller_with(here, name, *allowed)
        logs = here.session(caller).client("logs")
        if is_allowed:
            put(here, arn, logs=logs, roleArn=role)
        else:
            refused = refusal(lambda logs=logs: put(here, arn, logs=logs, roleArn=role))  # type: ignore[misc]
            assert refused[0] == "AccessDeniedException"


class TestDestinationOfAnotherAccount:
    """A destination of CloudWatch Logs receives lines of the accounts that its policy names."""

    @staticmethod
    def destination(owner: Any, policy: dict[str, Any] | None) -> str:
        stream, role = make_siem_stream(owner), make_forward_role(owner, "kinesis:PutRecord")
        logs = owner.client("logs")
        arn: str = logs.put_destination(destinationName="siem", targetArn=stream, roleArn=role)["destination"]["arn"]
        if policy is not None:
            action = {"Effect": "Allow", "Action": "logs:PutSubscriptionFilter", "Resource": arn}
            document = {"Version": "2012-10-17", "Statement": [action | policy]}
            logs.put_destination_policy(destinationName="siem", accessPolicy=json.dumps(document))
        return arn

    def test_lines_arrive(self, here: Sandbox) -> None:
        owner = here.add_account("210987654321")
        put(here, self.destination(owner, {"Principal": {"AWS": ACCOUNT}}))
        write(here, "one")
        assert [record["owner"] for record in stream_records(owner)] == [ACCOUNT]

    def test_account_that_the_policy_does_not_name_is_refused(self, here: Sandbox) -> None:
        owner = here.add_account("210987654321")
        arn = self.destination(owner, {"Principal": {"AWS": "111111111111"}})
        expected = f"User with accountId: {ACCOUNT} is not authorized to perform: logs:PutSubscriptionFilter"
        assert refusal(lambda: put(here, arn)) == ("AccessDeniedException", f"{expected} on resource: {arn}")

    def test_policy_for_an_organization_wants_a_role(self, here: Sandbox) -> None:
        owner = here.add_account("210987654321")
        condition = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
        arn = self.destination(owner, {"Principal": "*", "Condition": condition})
        assert "Role ARN is required" in refusal(lambda: put(here, arn))[1]

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "InvalidParameterException"])
    def test_missing_one_is_refused(self, here: Sandbox, code: str) -> None:
        here.turn(missing_log_destination=code)
        arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:destination:siem"
        assert refusal(lambda: put(here, arn))[0] == code
