"""The sweep of an organization: which accounts and regions are swept, and what is reported of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.events.sweep_work import Start, Work
from log_keeper.organization_sweep import OrganizationSweep
from log_keeper.policy.findings import Finding, Problem
from log_keeper.stages import Account as StageAccount
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.organizations.organization import Organization
from testing.builders import DEPLOYMENT, ORGANIZATION_SETTINGS
from testing.organizations import add_role, add_stack_set, caller_with, new_member, new_organization

HOME, OTHER = "us-east-1", "eu-west-1"
GOVERNED, WITHOUT_STACK, EXCLUDED = "111111111111", "222222222222", "333333333333"
READ, REMEDIATE = "log-keeper-member-read", "log-keeper-member-remediate"
MEMBERS, ENFORCE = "log-keeper-members", "log-keeper-enforce"
#: What the Sweep function may do; the permission that a test takes away is the last one.
ALLOWED = (
    "sts:AssumeRole", "cloudformation:ListStackInstances", "organizations:ListDelegatedAdministrators",
    "sqs:SendMessage", "organizations:DescribeAccount", "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListAccountsForParent",
)  # fmt: skip


class Reports:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.findings: list[tuple[str, str, Finding]] = []
        self.accounts: list[StageAccount] = []

    def organization_finding(self, account_id: str, region: str, finding: Finding) -> None:
        self.findings.append((account_id, region, finding))

    def know(self, account: StageAccount) -> None:
        self.accounts.append(account)

    def problems(self) -> list[tuple[str, str, Problem]]:
        return [(account_id, region, finding.problem) for account_id, region, finding in self.findings]


@pytest.fixture
def hub() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        sandbox.client("sqs").create_queue(QueueName="log-keeper-SweepQueue")
        yield sandbox


@pytest.fixture
def organization(hub: Sandbox) -> Organization:
    """Return an organization of which one unit is governed, with a unit below it."""
    return new_organization(hub)


@pytest.fixture
def unit(organization: Organization) -> str:
    return organization.add_unit("governed")


@pytest.fixture
def reports() -> Reports:
    return Reports()


def sweep_of(
    hub: Sandbox, unit: str, reports: Reports, *, regions: tuple[str, ...] = (HOME, OTHER), may_list: bool = True
) -> OrganizationSweep:
    allowed = ALLOWED if may_list else ALLOWED[:-1]
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
    settings = ORGANIZATION_SETTINGS._replace(units=(unit,), excluded_accounts=(EXCLUDED,))
    deployment = DEPLOYMENT._replace(organization=settings, regions=regions)
    clients = Clients(lambda: Pace(10), hub.session(caller_with(hub, "sweep", *statements)))
    reporter: Any = reports
    return OrganizationSweep(clients, deployment, settings, reporter, hub.now)


def works_and_problems(
    sweep: OrganizationSweep, reports: Reports, account: str | None = None
) -> tuple[set[tuple[str | None, str]], set[tuple[str, str, Problem]]]:
    works = {(work.account, work.region) for work in sweep.works(Start(account))}
    return works, set(reports.problems())


def test_each_region_of_each_account_with_a_current_stack_is_swept(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME, OTHER])
    add_stack_set(hub, ENFORCE, [], [])
    works, problems = works_and_problems(sweep_of(hub, unit, reports), reports)
    assert works == {(GOVERNED, HOME), (GOVERNED, OTHER)}
    assert problems == set()


def test_accounts_and_regions_without_a_stack_are_reported(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    """One joins a unit below the governed one, where the stack set has no stack; one is left out, and not reported."""
    new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    add_stack_set(hub, ENFORCE, [], [])
    new_member(hub, organization, WITHOUT_STACK, organization.add_unit("below", unit))
    new_member(hub, organization, EXCLUDED, unit)
    works, problems = works_and_problems(sweep_of(hub, unit, reports), reports)
    assert works == {(GOVERNED, HOME)}
    missing = Problem.MEMBER_WITHOUT_STACK
    assert problems == {(GOVERNED, OTHER, missing), (WITHOUT_STACK, HOME, missing), (WITHOUT_STACK, OTHER, missing)}
    assert f"{WITHOUT_STACK}, {HOME}: no stack of stack set {MEMBERS}" in {
        found.detail for *_, found in reports.findings
    }


def test_management_account_is_not_reported_where_the_root_is_governed(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    new_member(hub, organization, GOVERNED, unit, "payments")
    add_stack_set(hub, MEMBERS, [organization.root_id], [HOME])
    add_stack_set(hub, ENFORCE, [], [])
    _, problems = works_and_problems(sweep_of(hub, organization.root_id, reports, regions=(HOME,)), reports)
    assert problems == set()
    assert [account.known() for account in reports.accounts if account.account_id == GOVERNED] == [
        {"accountName": "payments", "organizationalUnitId": unit}
    ]


def test_accounts_of_stacks_are_swept_although_the_units_cannot_be_listed(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    add_stack_set(hub, ENFORCE, [], [])
    works, problems = works_and_problems(sweep_of(hub, unit, reports, may_list=False), reports)
    assert works == {(GOVERNED, HOME)}
    assert problems == {
        (hub.account_id, HOME, Problem.ORGANIZATION_UNREADABLE), (GOVERNED, OTHER, Problem.MEMBER_WITHOUT_STACK),
    }  # fmt: skip


def test_sweep_of_one_account_reports_nothing_about_others(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    new_member(hub, organization, GOVERNED, unit)
    new_member(hub, organization, WITHOUT_STACK, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    add_stack_set(hub, ENFORCE, [], [])
    works, problems = works_and_problems(sweep_of(hub, unit, reports), reports, GOVERNED)
    assert works == {(GOVERNED, HOME)}
    assert problems == set()


def test_role_that_is_refused_is_tried_again_twice_and_then_reported(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    sweep = sweep_of(hub, unit, reports)
    for tries, delay in ((0, 15), (1, 60)):
        assert sweep.member(Work(HOME, account=GOVERNED, tries=tries), GOVERNED) is None
        sent = [record.call.params for record in hub.calls if record.call.operation == "SendMessageBatch"]
        [entry] = sent[-1]["Entries"]
        assert entry["DelaySeconds"] == delay
        again = Work.from_message(entry["MessageBody"], (HOME,), hub.account_id)
        assert again == Work(HOME, account=GOVERNED, tries=tries + 1)
        assert reports.findings == []
    assert sweep.member(Work(HOME, account=GOVERNED, tries=2), GOVERNED) is None
    assert [account.organizational_unit_id for account in reports.accounts] == [unit]
    assert reports.problems() == [(GOVERNED, HOME, Problem.MEMBER_ROLE_REFUSED)]


@pytest.mark.parametrize("is_enforced", [True, False])
def test_account_is_swept_in_the_mode_of_its_unit_and_with_its_name(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports, *, is_enforced: bool
) -> None:
    member = new_member(hub, organization, GOVERNED, unit, "payments")
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    add_stack_set(hub, ENFORCE, [unit] if is_enforced else [], [HOME])
    add_role(member, READ, "iam:GetRole")
    if is_enforced:
        add_role(member, REMEDIATE, "iam:GetRole")
    found = sweep_of(hub, unit, reports).member(Work(HOME, account=GOVERNED), GOVERNED)
    assert found is not None
    assert found.deployment.is_audit is not is_enforced
    assert [account.known() for account in reports.accounts] == [
        {"accountName": "payments", "organizationalUnitId": unit}
    ]


@pytest.mark.parametrize("is_enforced", [True, False])
def test_sweep_of_all_accounts_reads_the_stacks_of_the_enforced_ones_once(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports, *, is_enforced: bool
) -> None:
    member = new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME])
    add_stack_set(hub, ENFORCE, [unit] if is_enforced else [], [HOME])
    add_role(member, READ, "iam:GetRole")
    add_role(member, REMEDIATE, "iam:GetRole")
    sweep = sweep_of(hub, unit, reports)
    [work] = sweep.works(Start())
    sent = Work.from_message(work.to_message(), (HOME,), hub.account_id)
    assert isinstance(sent, Work)
    before = len(hub.calls)
    found = sweep.member(sent, GOVERNED)
    assert found is not None
    assert found.deployment.is_audit is not is_enforced
    assert "ListStackInstances" not in [record.call.operation for record in hub.calls[before:]]


def test_account_whose_role_was_deleted_is_reported_once_and_swept_as_in_audit_mode(
    hub: Sandbox, organization: Organization, unit: str, reports: Reports
) -> None:
    """An administrator of the account can delete the role, or its stack. CloudFormation does not notice either."""
    member = new_member(hub, organization, GOVERNED, unit)
    add_stack_set(hub, MEMBERS, [unit], [HOME, OTHER])
    add_stack_set(hub, ENFORCE, [unit], [HOME])
    add_role(member, READ, "iam:GetRole")
    sweep = sweep_of(hub, unit, reports)
    for work in (Work(HOME, account=GOVERNED), Work(OTHER, account=GOVERNED), Work(HOME, (), account=GOVERNED)):
        found = sweep.member(work, GOVERNED)
        assert found is not None
        assert found.deployment.is_audit
    assert reports.problems() == [(GOVERNED, HOME, Problem.MEMBER_ROLE_REFUSED)]
