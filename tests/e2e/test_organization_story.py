"""From the first deployment in an organization, in audit, to accounts that join, move and leave. In this order.

``ORGANIZATION=full`` takes the organization of the demo: 12 accounts with 240 stages, instead of 4 with 24.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.clock import MovableClock
from testing.member_stages import FURTHER, HOME, REGIONS, StageKey
from testing.organization_attempts import (
    changes_with_the_role_that_reads,
    forged_by_a_member,
    forged_by_a_stranger,
    roles_that_are_refused,
)
from testing.organization_story import (
    AUDIT_ONLY,
    CANARY,
    ENFORCE_SET,
    FULL,
    MEMBERS_SET,
    PRODUCTS,
    SMALL,
    UNITS,
    WOULD_BE_REMEDIATED,
    Story,
    stage_of,
)
from testing.snapshots import changed, snapshot

JOINING = "joining"
#: Roles, rules, queues and log groups of the stack sets. Everything else belongs to the teams of an account.
OWN = ("log-keeper", "stacksets-exec")
#: Seconds within which a new stage of a member is compliant. It takes less than one on a machine without other load.
SOON = 20
PAUSE = timedelta(seconds=2)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """Return an organization with accounts and stages, in which Log Keeper is not deployed."""
    with Sandbox(iam_propagation_seconds=1, clock=MovableClock()) as hub:
        yield Story.begin(hub, FULL if os.environ.get("ORGANIZATION") == "full" else SMALL)


@pytest.fixture(scope="module")
def before(story: Story) -> dict[str, dict[str, Any]]:
    """Return what each account had before the first deployment."""
    return {name: snapshot(account) for name, account in story.accounts.items()}


@pytest.fixture(scope="module")
def audited(built: None, story: Story, before: object) -> None:
    """Deploy Log Keeper without any unit that is enforced."""
    story.deploy()


def members(story: Story) -> list[Account]:
    return [account for name, account in story.accounts.items() if story.unit_of(name) in UNITS]


def calls_of_log_keeper(account: Account, since: int = 0) -> list[str]:
    return [each.call.operation for each in account.calls[since:] if "log-keeper" in each.call.user_agent]


def test_in_audit_every_stage_is_reported(story: Story, audited: None) -> None:
    # Where the rules of a member account do not see the creation of their own stack, the sweep begins after 15 minutes.
    story.wait_until(lambda: story.reported(WOULD_BE_REMEDIATED, "sweep") >= story.stages, pausing=5 * PAUSE)
    assert story.reported(WOULD_BE_REMEDIATED) == story.stages
    accounts = {account.account_id: name for name, account in story.accounts.items()}
    for line in story.lines("sweep"):
        name = accounts[line["accountId"]]
        unit = story.units[story.unit_of(name) or ""]
        assert (line["accountName"], line["organizationalUnitId"]) == (name, unit)
        if line.get("outcome") == WOULD_BE_REMEDIATED:
            assert stage_of(line) in story.stages
            assert line["changes"]


def test_in_audit_nothing_is_changed(story: Story, audited: None, before: dict[str, dict[str, Any]]) -> None:
    story.wait_until_idle()
    assert story.changes(*story.accounts.values()) == []
    for name, account in story.accounts.items():
        theirs = {each for each in changed(before[name], snapshot(account)) if not any(own in each for own in OWN)}
        assert theirs == set()
        roles = [each["RoleName"] for each in account.client("iam").list_roles()["Roles"]]
        assert "log-keeper-member-remediate" not in roles
    current = {(account.account_id, region, "CURRENT") for account in story.accounts.values() for region in REGIONS}
    assert story.instances(MEMBERS_SET) == current


def test_canary_unit_is_enforced_by_an_update_of_the_stack(story: Story, audited: None) -> None:
    canary = story.in_unit(CANARY)
    others = [account for account in members(story) if account not in canary]
    story.deploy(CANARY)
    story.wait_until(lambda: story.compliant(*canary) == story.stages_of(*canary), pausing=PAUSE)
    story.wait_until(lambda: story.reported("remediated") == story.stages_of(*canary), pausing=PAUSE)
    assert story.instances(ENFORCE_SET) == {(each.account_id, HOME, "CURRENT") for each in canary}
    assert story.changes(*others) == []
    assert story.compliant(*others) == set()


def test_all_units_are_enforced(story: Story, audited: None) -> None:
    story.deploy(*UNITS)
    story.wait_until(lambda: story.compliant(*members(story)) == story.stages, 300, pausing=PAUSE)
    assert story.instances(ENFORCE_SET) == {(each.account_id, HOME, "CURRENT") for each in members(story)}
    assert story.stack.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}


def test_remediation_changes_logging_only(story: Story, audited: None, before: dict[str, dict[str, Any]]) -> None:
    """Log Keeper creates log groups and the log role, sets the role, and changes stages: nothing else in an account."""
    operations = {f"{each.call.service}:{each.call.operation}" for each in story.changes(*members(story))}
    assert operations <= {
        "apigateway:UpdateStage",
        "apigateway:UpdateAccount",
        "apigatewayv2:UpdateStage",
        "iam:AttachRolePolicy",
        "iam:CreateRole",
        "logs:CreateLogGroup",
        "logs:PutRetentionPolicy",
    }
    apis = {key.api_id for key in story.stages}
    for name, account in story.accounts.items():
        theirs = {each for each in changed(before[name], snapshot(account)) if not any(own in each for own in OWN)}
        settings = {*(f"{region} account" for region in REGIONS), "role APIGatewayCloudWatchLogs"}
        assert {each for each in theirs - settings if not any(api in each for api in apis)} <= {
            f"{region} /aws/apigateway/welcome" for region in REGIONS
        }


@pytest.mark.parametrize("region", REGIONS)
def test_stage_made_in_a_member_is_compliant_within_seconds(story: Story, audited: None, region: str) -> None:
    stage = story.create_stage("products-1", region)
    account = story.accounts["products-1"]
    assert story.wait_until(lambda: stage in story.compliant(account)) < SOON
    story.wait_until(lambda: stage in story.reported("remediated", "enforce"))
    [line] = [line for line in story.lines("enforce") if line.get("outcome") and stage_of(line) == stage][-1:]
    assert (line["accountName"], line["organizationalUnitId"]) == ("products-1", story.units[PRODUCTS])


def test_account_that_joins_an_enforced_unit_is_governed_without_anybody_doing_anything(
    story: Story, audited: None
) -> None:
    account = story.create_account(JOINING)
    stages = story.stages_of(account)
    before = len(story.hub.calls)
    story.join(JOINING, PRODUCTS)
    story.wait_until(lambda: story.compliant(account) == stages, pausing=PAUSE)
    administrator = story.hub.administrator.arn
    by_people = [
        each.call.operation
        for each in story.hub.calls[before:]
        if each.call.caller.arn == administrator and not each.call.operation.startswith(("Get", "List", "Filter"))
    ]
    assert by_people == []
    assert (account.account_id, HOME, "CURRENT") in story.instances(ENFORCE_SET)


def test_account_that_moves_to_an_audited_unit_is_reported_and_not_changed(story: Story, audited: None) -> None:
    name, account = "platform-1", story.accounts["platform-1"]
    compliant = story.compliant(account)
    story.move(name, AUDIT_ONLY)
    story.wait_until(lambda: account.account_id not in {each[0] for each in story.instances(ENFORCE_SET)})
    before = len(story.changes(account))
    stage = story.create_stage(name, HOME)
    # Where Log Keeper still had credentials of the role that was deleted, the message is tried again after minutes.
    story.wait_until(lambda: stage in story.reported(WOULD_BE_REMEDIATED, "enforce"), pausing=5 * PAUSE)
    assert len(story.changes(account)) == before
    assert story.compliant(account) == compliant  # what is on stays on
    assert {each for each in story.instances(MEMBERS_SET) if each[0] == account.account_id} == {
        (account.account_id, region, "CURRENT") for region in REGIONS
    }


def test_function_can_do_in_a_member_what_the_role_that_reads_allows_and_nothing_else(
    story: Story, audited: None
) -> None:
    tried = [
        *changes_with_the_role_that_reads(story, "platform-1"),
        *roles_that_are_refused(story, "platform-1", "canary-1"),
    ]
    assert len(tried) == 9
    assert {each.answer for each in tried} == {"AccessDenied", "AccessDeniedException"}


@pytest.fixture
def victim(story: Story) -> StageKey:
    """Return a stage of an enforced account, which others forge events about."""
    return next(key for key in story.stages_of(*story.in_unit(CANARY)) if key.protocol == "REST")


@pytest.fixture
def events_change_nothing(story: Story, victim: StageKey) -> Iterator[None]:
    """Check at the end of the test that Log Keeper has made no call in the account of the victim."""
    [account] = [each for each in members(story) if each.account_id == victim.account_id]
    story.wait_until_idle()
    before = len(account.calls)
    yield
    later = story.create_stage("products-1", HOME)  # events are processed in their order: the forged ones came first
    story.wait_until(lambda: later in story.compliant(story.accounts["products-1"]))
    story.wait_until_idle()
    assert calls_of_log_keeper(account, before) == []


@pytest.mark.usefixtures("audited", "events_change_nothing")
def test_forged_events_from_outside_the_organization_are_refused(story: Story, victim: StageKey) -> None:
    stranger = story.hub.add_account("555555555555")
    answers = [each.answer for each in forged_by_a_stranger(story, stranger, victim)]
    assert answers == ["NotAuthorizedForSourceException", "AccessDeniedException"]


@pytest.mark.usefixtures("audited", "events_change_nothing")
def test_forged_events_of_a_member_about_another_member_change_nothing(story: Story, victim: StageKey) -> None:
    answers = [each.answer for each in forged_by_a_member(story, "products-1", victim)]
    assert answers == ["NotAuthorizedForSourceException", ""]


@pytest.mark.usefixtures("audited", "events_change_nothing")
def test_true_record_of_a_member_is_about_its_own_stages_only(story: Story, victim: StageKey) -> None:
    """The record names the API of another account. Log Keeper finds none of that ID in the account of the record."""
    arn = f"arn:aws:apigateway:{victim.region}::/restapis/{victim.api_id}/stages/{victim.stage_name}"
    client = story.accounts["products-1"].client("apigateway", victim.region)
    with pytest.raises(client.exceptions.NotFoundException):
        client.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO"})


def test_account_that_leaves_is_not_touched_and_keeps_its_logs(story: Story, audited: None) -> None:
    name, account = "products-2", story.accounts["products-2"]
    story.wait_until_idle()
    compliant = story.compliant(account)
    story.leave(name)
    story.wait_until(lambda: account.account_id not in {each[0] for each in story.instances(MEMBERS_SET)})
    before = len(account.calls)
    story.create_stage(name, HOME)
    if story.hub.behaviour.leaving_accounts_keep_stacks:
        story.wait_until(lambda: account.dropped_events)
        assert "event-bus/log-keeper" in str(account.dropped_events[-1])
    else:
        story.wait_until(lambda: not account.client("events", HOME).list_rules()["Rules"])
    _sweep_of_the_day(story)
    assert calls_of_log_keeper(account, before) == []
    assert story.compliant(account) == compliant
    assert story.findings(name) == []


def _sweep_of_the_day(story: Story) -> None:
    """Pass a day, and wait until the schedule's sweep has evaluated the regions of an account."""

    def swept() -> int:
        return sum(line["message"] == "Swept" for line in story.lines("sweep"))

    before = swept()
    story.pass_time(timedelta(days=1))
    story.wait_until(lambda: swept() >= before + len(REGIONS))


DELETIONS: dict[str, tuple[str, Callable[[Story, str], None], str, str]] = {
    "rule": ("products-1", lambda story, name: story.delete_rule(name, FURTHER), FURTHER, "forwarder of the region"),
    "stack": (JOINING, lambda story, name: story.delete_stack(name, HOME), HOME, "cannot be assumed"),
    "role that remediates": (
        "canary-1", lambda story, name: story.delete_stack(name, HOME, ENFORCE_SET), HOME, "cannot be assumed"
    ),
}  # fmt: skip


def test_deletions_by_administrators_of_members_are_found_by_the_daily_sweep(story: Story, audited: None) -> None:
    for name, delete, _, _ in DELETIONS.values():
        delete(story, name)
        assert not story.findings(name)
    story.pass_time(timedelta(days=1))
    for name, _, region, problem in DELETIONS.values():

        def found(name: str = name, region: str = region, problem: str = problem) -> bool:
            return any(each["region"] == region and problem in each["problem"] for each in story.findings(name))

        story.wait_until(found, pausing=PAUSE)
