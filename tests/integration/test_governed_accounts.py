"""Which account the Enforce function works in, by the account that EventBridge says an event is from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import MemberRoleError
from log_keeper.aws.pace import Pace
from log_keeper.events.hints import Ignored, IgnoreReason, UnreadableEventError
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.governed_accounts import CredentialsRefusedError, GovernedAccounts
from log_keeper.policy.findings import Finding, Problem
from log_keeper.stages import ApiVersion, StageRef
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.clock import MovableClock
from sandbox.services.organizations.organization import Organization
from testing.builders import ORGANIZATION_SETTINGS, SETTINGS, updated
from testing.organizations import add_role, add_stack_set, caller_with, new_member, new_organization

MEMBER, STRANGER = "111111111111", "444444444444"
REMEDIATE = "log-keeper-member-remediate"
ALLOWED = {
    "Effect": "Allow",
    "Action": [
        "sts:AssumeRole", "cloudformation:ListStackInstances", "organizations:ListDelegatedAdministrators",
        "organizations:DescribeAccount", "sqs:SendMessage",
    ],
    "Resource": "*",
}  # fmt: skip


class Reports:
    """Takes what is reported, and keeps the findings."""

    def __init__(self) -> None:
        self.findings: list[tuple[str, Problem]] = []

    def organization_finding(self, account_id: str, _region: str, finding: Finding) -> None:
        self.findings.append((account_id, finding.problem))

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


@pytest.fixture
def hub() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        sandbox.client("sqs").create_queue(QueueName="log-keeper-StageQueue")
        yield sandbox


@pytest.fixture
def organization(hub: Sandbox) -> Organization:
    found = new_organization(hub)
    for name in ("log-keeper-members", "log-keeper-enforce"):
        add_stack_set(hub, name)
    return found


@pytest.fixture
def member(hub: Sandbox, organization: Organization) -> Account:
    found = new_member(hub, organization, MEMBER, organization.add_unit("workloads"))
    add_role(found, REMEDIATE, "apigateway:GET")
    return found


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def accounts(hub: Sandbox, member: Account, reports: Reports) -> GovernedAccounts:
    deployment = SETTINGS.deployment._replace(organization=ORGANIZATION_SETTINGS)
    session = hub.session(caller_with(hub, "enforce", ALLOWED))
    clients = Clients(lambda: Pace(10, burst=4), session)
    reporter: Any = reports
    return GovernedAccounts(clients, SETTINGS._replace(deployment=deployment), reporter, hub.now, lambda _: None)


def event_of(account_id: str) -> dict[str, Any]:
    event: dict[str, Any] = updated("a1b2c3d4e5", "prod")
    return event | {"account": account_id}


def test_event_of_a_member_is_about_its_own_stage(accounts: GovernedAccounts) -> None:
    message = accounts.read(event_of(MEMBER))
    assert message.account_id == MEMBER
    assert message.hint.ref.account == MEMBER  # type: ignore[union-attr]


def test_event_of_an_account_that_is_not_governed_is_refused(accounts: GovernedAccounts) -> None:
    with pytest.raises(UnreadableEventError, match=f"account {STRANGER}, which is not governed"):
        accounts.read(event_of(STRANGER))


@pytest.mark.parametrize("account_id", [None, 5, "", "..", "\u0661" * 12])
def test_event_without_an_account_is_refused(accounts: GovernedAccounts, account_id: object) -> None:
    with pytest.raises(UnreadableEventError):
        accounts.read(event_of(MEMBER) | {"account": account_id})


def test_own_message_about_an_account_that_has_left_is_ignored(accounts: GovernedAccounts) -> None:
    """The end of an opt-in is scheduled long before."""
    message = accounts.read(stage_to_evaluate(StageRef(STRANGER, "us-east-1", ApiVersion.V1, "a1b2c3d4e5", "prod")))
    assert isinstance(message.hint, Ignored)
    assert message.hint.reason is IgnoreReason.ACCOUNT_LEFT


def test_role_is_assumed_again_after_it_was_created_again(
    hub: Sandbox, member: Account, accounts: GovernedAccounts
) -> None:
    """The credentials of a deleted role are refused, although a role of the same name exists."""
    accounts.follow(accounts.read(event_of(MEMBER)))
    iam = member.client("iam")
    iam.delete_role_policy(RoleName=REMEDIATE, PolicyName="own")
    iam.delete_role(RoleName=REMEDIATE)
    with pytest.raises(CredentialsRefusedError, match=f"account {MEMBER}: .*AccessDenied"):
        accounts.follow(accounts.read(event_of(MEMBER)))
    add_role(member, REMEDIATE, "apigateway:GET")
    before = len(hub.calls)
    accounts.follow(accounts.read(event_of(MEMBER)))
    assert "AssumeRole" in [record.call.operation for record in hub.calls[before:]]


def test_message_of_a_busy_account_is_put_back_and_that_of_the_hub_too(
    hub: Sandbox, accounts: GovernedAccounts
) -> None:
    for number, account_id in enumerate((MEMBER, hub.account_id)):
        message = accounts.read(event_of(account_id))
        record = {"messageId": f"id-{number}", "body": json.dumps(message.event)}
        assert not accounts.postpones(message, record)
        message.governed.clients.pace("us-east-1").take(20)
        assert accounts.postpones(message, record)
    assert list(accounts.put_back()) == []
    [sent] = [record.call.params for record in hub.calls if record.call.operation == "SendMessageBatch"]
    assert [json.loads(entry["MessageBody"])["account"] for entry in sent["Entries"]] == [MEMBER, hub.account_id]


def test_event_that_leads_to_no_call_is_not_postponed(accounts: GovernedAccounts) -> None:
    event = event_of(MEMBER)
    event["detail"]["errorCode"] = "BadRequestException"
    message = accounts.read(event)
    message.governed.clients.pace("us-east-1").take(20)
    assert isinstance(message.hint, Ignored)
    assert not accounts.postpones(message, {"messageId": "id", "body": json.dumps(event)})


def record_of(refusals: int) -> dict[str, Any]:
    attribute = {"stringValue": str(refusals), "dataType": "Number"}
    return {"messageId": "id", "body": "{}", "messageAttributes": {"refusals": attribute} if refusals else {}}


def delays(hub: Sandbox) -> list[int]:
    sent = [record.call.params["Entries"] for record in hub.calls if record.call.operation == "SendMessageBatch"]
    return [entry["DelaySeconds"] for entries in sent for entry in entries]


def test_message_is_tried_again_twice_after_its_role_was_refused_and_then_fails_and_is_reported_once(
    hub: Sandbox, accounts: GovernedAccounts, reports: Reports
) -> None:
    error = MemberRoleError(MEMBER, "refused")
    for refusals in (0, 1):
        assert accounts.tries_again(error, record_of(refusals))
        assert list(accounts.put_back()) == []
    assert delays(hub) == [15, 60]
    assert reports.findings == []
    for _ in range(3):
        assert not accounts.tries_again(error, record_of(2))
    assert reports.findings == [(MEMBER, Problem.MEMBER_ROLE_REFUSED)]
    clock = hub.clock
    assert isinstance(clock, MovableClock)
    clock.advance(timedelta(hours=1))
    assert not accounts.tries_again(error, record_of(2))
    assert len(reports.findings) == 2


def test_refused_credentials_are_tried_again_and_other_errors_are_not(accounts: GovernedAccounts) -> None:
    assert accounts.tries_again(CredentialsRefusedError("refused"), record_of(0))
    assert not accounts.tries_again(ValueError("another"), record_of(0))


def test_refused_call_in_the_hub_itself_is_not_tried_again_as_a_member(
    hub: Sandbox, accounts: GovernedAccounts
) -> None:
    """The hub's role in this test may not read stages."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.follow(accounts.read(event_of(hub.account_id)))
