"""Several accounts in one process: each has its own state, and only what AWS lets through passes between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from testing.accounts import make_rest_stage
from testing.clients import refusal
from testing.organizations import caller_with

MEMBER, OUTSIDER, ORGANIZATION = "210987654321", "310987654321", "o-a1b2c3d4e5"
HUB_ROLE = "arn:aws:iam::123456789012:role/hub"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/hub"


@pytest.fixture
def member(sandbox: Sandbox) -> Iterator[Account]:
    sandbox.organization_id = ORGANIZATION
    yield sandbox.add_account(MEMBER, organization_id=ORGANIZATION)
    sandbox.organization_id = ""


def role(account: Account, name: str, trust: dict[str, Any], *statements: dict[str, Any]) -> str:
    """Create a role. Return its ARN."""
    iam = account.client("iam")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **trust}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    return arn


def session(sandbox: Sandbox, credentials: dict[str, str]) -> boto3.Session:
    """Return a session of these credentials, whose clients call over HTTP as any other program does."""
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name="us-east-1",
    )


def test_accounts_have_their_own_resources(sandbox: Sandbox, member: Account) -> None:
    api_id = make_rest_stage(member)
    assert [each["id"] for each in member.client("apigateway").get_rest_apis()["items"]] == [api_id]
    assert sandbox.client("apigateway").get_rest_apis()["items"] == []
    assert {record["recipientAccountId"] for record in member.trail} == {MEMBER}
    assert sandbox.trail == []
    assert member.client("sts").get_caller_identity()["Account"] == MEMBER


def test_account_has_one_id_of_its_own(sandbox: Sandbox, member: Account) -> None:
    with pytest.raises(ValueError, match="there is an account 210987654321 already"):
        sandbox.add_account(MEMBER)
    assert [account.account_id for account in sandbox.accounts] == ["123456789012", MEMBER]


ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{MEMBER}:role/read"}


def hub_session(sandbox: Sandbox, *statements: dict[str, Any]) -> Any:
    role(sandbox, "hub", {"Principal": {"Service": "lambda.amazonaws.com"}}, *statements)
    credentials = sandbox.caller_of_role(HUB_ROLE, "function")
    return session(sandbox, credentials).client("sts", endpoint_url=sandbox.endpoint)


TRUST = {
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Condition": {
        "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION},
        "ArnEquals": {"aws:PrincipalArn": HUB_ROLE},
    },
}


def test_role_of_another_account_is_assumed_over_http_and_acts_there(sandbox: Sandbox, member: Account) -> None:
    arn = role(member, "read", TRUST, {"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"})
    api_id = make_rest_stage(member)
    in_organization = {"StringEquals": {"aws:ResourceOrgID": ORGANIZATION, "aws:ResourceAccount": MEMBER}}
    sts = hub_session(sandbox, ASSUME | {"Condition": in_organization})
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="log-keeper")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{MEMBER}:assumed-role/read/log-keeper"
    there = session(sandbox, answer["Credentials"]).client("apigateway", endpoint_url=sandbox.endpoint)
    assert [each["id"] for each in there.get_rest_apis()["items"]] == [api_id]
    assert refusal(lambda: there.delete_rest_api(restApiId=api_id))[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("trust", "statements"),
    [
        pytest.param(TRUST, [], id="the caller's policies do not allow it"),
        pytest.param({"Principal": {"AWS": HUB_ROLE}}, [], id="across accounts, trust in the caller is not enough"),
        pytest.param({"Principal": {"AWS": f"arn:aws:iam::{OUTSIDER}:root"}}, [ASSUME], id="trusts another account"),
        pytest.param(
            TRUST | {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-another0000"}}}, [ASSUME],
            id="another organization is trusted",
        ),
        pytest.param(
            TRUST, [ASSUME | {"Condition": {"StringEquals": {"aws:ResourceOrgID": "o-another0000"}}}],
            id="only roles of another organization may be assumed",
        ),
    ],
)  # fmt: skip
def test_role_of_another_account_is_refused(
    sandbox: Sandbox, member: Account, trust: dict[str, Any], statements: list[dict[str, Any]]
) -> None:
    if OUTSIDER in json.dumps(trust):
        sandbox.add_account(OUTSIDER)
    arn = role(member, "read", trust)
    sts = hub_session(sandbox, *statements)
    code, message = refusal(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="log-keeper"))
    assert code == "AccessDenied"
    assert "is not authorized to perform: sts:AssumeRole" in message


def test_role_of_an_account_that_does_not_exist_is_refused_like_any_other(sandbox: Sandbox) -> None:
    sts = sandbox.client("sts")
    wanted = f"arn:aws:iam::{OUTSIDER}:role/read"
    assert refusal(lambda: sts.assume_role(RoleArn=wanted, RoleSessionName="log-keeper"))[0] == "AccessDenied"


# ---- event buses


def listen(sandbox: Sandbox, condition: dict[str, Any]) -> str:
    """Create a bus with a rule that sends all events to a queue. Return the queue's URL."""
    events, sqs = sandbox.client("events"), sandbox.client("sqs")
    events.create_event_bus(Name="hub")
    allow = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS, "Sid": "members"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow | {"Condition": condition}]})
    events.put_permission(EventBusName="hub", Policy=policy)
    pattern = json.dumps({"source": [{"prefix": ""}]})
    rule = events.put_rule(Name="all", EventBusName="hub", EventPattern=pattern)["RuleArn"]
    arn = "arn:aws:sqs:us-east-1:123456789012:received"
    send = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
    url: str = sqs.create_queue(QueueName="received", Attributes={"Policy": policy})["QueueUrl"]
    events.put_targets(Rule="all", EventBusName="hub", Targets=[{"Id": "queue", "Arn": arn}])
    return url


PUT = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS}


def forward(
    account: Account, region: str = "us-east-1", role_name: str = "forward", put: dict[str, Any] = PUT, **target: Any
) -> None:
    """Create a rule that sends API Gateway's events of one region to the hub's bus."""
    arn = role(account, role_name, {"Principal": {"Service": "events.amazonaws.com"}}, put)
    events = account.client("events", region)
    events.put_rule(Name="stages", EventPattern=json.dumps({"source": ["aws.apigateway"]}))
    events.put_targets(Rule="stages", Targets=[{"Id": "hub", "Arn": BUS, "RoleArn": arn} | target])


def undelivered(account: Account) -> tuple[str, str]:
    """Create a queue for events that a rule of the account cannot deliver. Return its ARN and URL."""
    arn = f"arn:aws:sqs:us-east-1:{account.account_id}:undelivered"
    send = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
    return arn, account.client("sqs").create_queue(QueueName="undelivered", Attributes={"Policy": policy})["QueueUrl"]


def received(account: Account, url: str) -> list[dict[str, Any]]:
    answer = account.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


FORWARDERS = {
    "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION},
    "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/forward*"},
}


def test_event_of_a_member_reaches_the_hubs_bus_from_each_region(sandbox: Sandbox, member: Account) -> None:
    url = listen(sandbox, FORWARDERS)
    forward(member)
    forward(member, "eu-west-1", "forward-eu")
    for region in ("us-east-1", "eu-west-1"):
        member.client("apigateway", region).create_rest_api(name="shop")
    found = received(sandbox, url)
    assert [(event["account"], event["region"]) for event in found] == [(MEMBER, "us-east-1"), (MEMBER, "eu-west-1")]


@pytest.mark.parametrize(
    ("condition", "organization_id"),
    [(FORWARDERS, "o-another0000"), ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/another"}}, ORGANIZATION)],
)
def test_event_whose_sender_the_bus_does_not_let_in_is_lost(
    sandbox: Sandbox, member: Account, condition: dict[str, Any], organization_id: str
) -> None:
    member.organization_id = organization_id
    url = listen(sandbox, condition)
    forward(member)
    member.client("apigateway").create_rest_api(name="shop")
    assert received(sandbox, url) == []
    assert "does not let" in member.dropped_events[-1].reason


def with_condition(**keys: str) -> dict[str, Any]:
    return PUT | {"Condition": {"StringEquals": {key.replace("_", ":"): value for key, value in keys.items()}}}


@pytest.mark.parametrize(
    ("condition", "put", "target", "reason"),
    [
        (FORWARDERS, PUT | {"Resource": f"{BUS}-other"}, {}, "may not put events"),
        (FORWARDERS, with_condition(aws_ResourceOrgID="o-another0000"), {}, "may not put events"),
        (FORWARDERS, with_condition(aws_ResourceAccount=MEMBER), {}, "may not put events"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-another0000"}}, PUT, {}, "does not let"),
        (FORWARDERS, PUT, {"Arn": f"{BUS}-none"}, "there is no bus"),
    ],
)
def test_event_that_cannot_be_delivered_is_in_the_dead_letter_queue_of_the_sender(
    sandbox: Sandbox,
    member: Account,
    condition: dict[str, Any],
    put: dict[str, Any],
    target: dict[str, Any],
    reason: str,
) -> None:
    url = listen(sandbox, condition)
    queue, dead_letters = undelivered(member)
    forward(member, put=put, DeadLetterConfig={"Arn": queue}, **target)
    member.client("apigateway").create_rest_api(name="shop")
    assert received(sandbox, url) == []
    assert reason in member.dropped_events[-1].reason
    assert [event["detail"]["eventName"] for event in received(member, dead_letters)] == ["CreateRestApi"]


def test_role_that_may_put_events_on_buses_of_the_organization_only_reaches_the_hub(
    sandbox: Sandbox, member: Account
) -> None:
    url = listen(sandbox, FORWARDERS)
    forward(member, put=with_condition(aws_ResourceOrgID=ORGANIZATION, aws_ResourceAccount=sandbox.account_id))
    member.client("apigateway").create_rest_api(name="shop")
    assert [event["account"] for event in received(sandbox, url)] == [MEMBER]


def test_event_of_another_account_is_not_sent_on_to_a_third(sandbox: Sandbox, member: Account) -> None:
    third = sandbox.add_account(OUTSIDER, organization_id=ORGANIZATION)
    url = listen(sandbox, {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}})
    forward(member)
    from_third = f"arn:aws:events:us-east-1:{MEMBER}:event-bus/default"
    allow = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": from_third, "Sid": "third"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    member.client("events").put_permission(EventBusName="default", Policy=policy)
    put = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": from_third}
    arn = role(third, "forward", {"Principal": {"Service": "events.amazonaws.com"}}, put)
    events = third.client("events")
    events.put_rule(Name="stages", EventPattern=json.dumps({"source": ["aws.apigateway"]}))
    events.put_targets(Rule="stages", Targets=[{"Id": "next", "Arn": from_third, "RoleArn": arn}])
    third.client("apigateway").create_rest_api(name="shop")
    assert received(sandbox, url) == []
    assert "third" in member.dropped_events[-1].reason


@pytest.mark.parametrize(("organization_id", "is_taken"), [(ORGANIZATION, True), ("o-another0000", False)])
def test_events_are_put_on_a_bus_of_another_account_if_its_policy_allows_it(
    sandbox: Sandbox, member: Account, organization_id: str, *, is_taken: bool
) -> None:
    member.organization_id = organization_id
    url = listen(sandbox, {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}})
    entry = {"Source": "own", "DetailType": "test", "Detail": "{}", "EventBusName": BUS}
    put = lambda: member.client("events").put_events(Entries=[entry])  # noqa: E731
    if is_taken:
        assert put()["FailedEntryCount"] == 0
        assert [event["account"] for event in received(sandbox, url)] == [MEMBER]
    else:
        assert refusal(put)[0] == "AccessDeniedException"
        assert received(sandbox, url) == []


@pytest.mark.parametrize(("resource", "is_taken"), [(BUS, True), (BUS.replace("123456789012", MEMBER), False)])
def test_caller_needs_the_permission_for_the_bus_of_the_other_account(
    sandbox: Sandbox, member: Account, resource: str, *, is_taken: bool
) -> None:
    url = listen(sandbox, {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}})
    entry = {"Source": "own", "DetailType": "test", "Detail": "{}", "EventBusName": BUS}
    events = member.client("events", caller=caller_with(member, "sender", PUT | {"Resource": resource}))
    if is_taken:
        events.put_events(Entries=[entry])
    else:
        code, message = refusal(lambda: events.put_events(Entries=[entry]))
        assert (code, f"on resource: {BUS} because no identity-based policy" in message) == (
            "AccessDeniedException", True,
        )  # fmt: skip
    assert len(received(sandbox, url)) == is_taken
