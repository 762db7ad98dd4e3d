"""Log forwarding: which subscription filter each log group of a stage should have, and what it requires."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from log_keeper.aws.subscription_filters import problem_of
from log_keeper.policy.findings import Problem
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, Subscription, log_groups_of
from log_keeper.policy.subscriptions import readable_filters, required_filters
from log_keeper.stages import Protocol
from testing.builders import ACCOUNT, POLICY, REF, rest_stage

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform/Forward"
CREATED = datetime(2026, 11, 1, tzinfo=UTC)
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:siem:live"
STREAM = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/siem"
DESTINATION = f"arn:aws:logs:us-east-1:{OTHER}:destination:siem"
WANTED = Subscription(FUNCTION)
GROUP = LogGroup("one", 30, None, subscription=WANTED)


@pytest.mark.parametrize(
    ("destination", "region", "account", "expected"),
    [
        (FUNCTION, "us-east-1", ACCOUNT, Subscription(FUNCTION)),
        (FUNCTION, "eu-west-1", ACCOUNT, Subscription(FUNCTION.replace("us-east-1", "eu-west-1"))),
        (FUNCTION, "us-east-1", OTHER, None),
        (STREAM, "us-east-1", ACCOUNT, Subscription(STREAM, ROLE)),
        (STREAM, "us-east-1", OTHER, None),
        (DESTINATION, "us-east-1", ACCOUNT, Subscription(DESTINATION, ROLE)),
        (DESTINATION, "us-east-1", OTHER, Subscription(DESTINATION, ROLE.replace(ACCOUNT, OTHER))),
    ],
)
def test_destination_is_in_the_region_and_a_stream_or_function_in_the_account_of_the_log_group(
    destination: str, region: str, account: str, expected: Subscription | None
) -> None:
    policy = replace(POLICY, forward_access_logs_to=destination, forward_role_arn=ROLE)
    ref = replace(REF, region=region, account=account)
    stage = rest_stage(ref=ref, destination=None, has_canary=True)
    assert {group.name: group.subscription for group in log_groups_of(stage, policy)} == {
        "API-Gateway-Execution-Logs_a1b2c3d4e5/prod": None,
        "API-Gateway-Execution-Logs_a1b2c3d4e5/prod/Canary": None,
        "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod": expected,
        "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod/Canary": expected,
    }


def test_log_group_that_the_owner_chose_is_not_forwarded() -> None:
    policy = replace(POLICY, forward_access_logs_to=FUNCTION, forward_execution_logs_to=FUNCTION)
    stage = rest_stage(destination=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:mine")
    assert {group.name: group.subscription for group in log_groups_of(stage, policy)} == {
        "API-Gateway-Execution-Logs_a1b2c3d4e5/prod": WANTED,
        "mine": None,
    }
    http = rest_stage(protocol=Protocol.HTTP, destination=None)
    assert [group.subscription for group in log_groups_of(http, policy)] == [WANTED]


EXISTS = {"one": LogGroupFacts(CREATED, True)}


@pytest.mark.parametrize(
    ("found", "before", "after"),
    [
        (None, None, FUNCTION),
        (Subscription(STREAM, ROLE), STREAM, FUNCTION),
        (Subscription(FUNCTION, pattern="x"), f"{FUNCTION}, lines that match x", FUNCTION),
        (Subscription(FUNCTION, ROLE), f"{FUNCTION} as {ROLE}", FUNCTION),
    ],
)
def test_missing_or_changed_filter_is_a_change(found: Subscription | None, before: str | None, after: str) -> None:
    required = required_filters([GROUP], EXISTS, {} if found is None else {"one": found})
    [change] = required.changes
    assert (change.before, change.after, change.log_group) == (before, after, "one")
    assert change.to_dict()["logGroup"] == "one"
    assert (required.subscriptions, required.findings) == ({"one": WANTED}, ())


def test_filter_as_it_should_be_is_no_change() -> None:
    assert required_filters([GROUP], EXISTS, {"one": WANTED}) == ((), {}, ())


def test_log_group_of_another_class_is_a_finding_and_is_not_read() -> None:
    rare = {"one": LogGroupFacts(CREATED, True, "INFREQUENT_ACCESS")}
    required = required_filters([GROUP], rare, {})
    assert [finding.problem for finding in required.findings] == [Problem.NOT_FORWARDABLE]
    assert (required.changes, readable_filters([GROUP], rare)) == ((), [])
    [finding] = required_filters([GROUP._replace(log_class="INFREQUENT_ACCESS")], {}, {}).findings
    assert finding.problem == Problem.NOT_FORWARDABLE


def test_filters_of_existing_log_groups_are_read() -> None:
    assert readable_filters([GROUP, GROUP._replace(name="two"), LogGroup("three", 30, None)], EXISTS) == ["one"]


@pytest.mark.parametrize(
    ("code", "message", "problem"),
    [
        ("LimitExceededException", "Resource limit exceeded.", Problem.TOO_MANY_FILTERS),
        ("InvalidParameterException", "Could not execute the lambda function. ...", Problem.FORWARDING_REFUSED),
        ("InvalidOperationException", "... not supported for this log class.", Problem.NOT_FORWARDABLE),
        ("AccessDeniedException", "User with accountId: 1 is not authorized ...", Problem.FORWARDING_REFUSED),
        ("AccessDeniedException", "User: arn:aws:sts::1:... is not authorized to perform: iam:PassRole", None),
        ("ResourceNotFoundException", "The specified destination does not exist.", Problem.FORWARDING_REFUSED),
        ("ResourceNotFoundException", "The specified log group does not exist.", None),
        ("OperationAbortedException", "", None),
        ("ServiceUnavailableException", "", None),
    ],
)
def test_refusals_that_only_a_person_can_end(code: str, message: str, problem: Problem | None) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "PutSubscriptionFilter")
    assert problem_of(error) is problem
