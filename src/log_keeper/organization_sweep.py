"""The sweep of an organization: which member accounts and regions are swept, and those that are not governed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS, MemberRoleError
from log_keeper.aws.members import Instance, Member, Members, has_role, list_instances
from log_keeper.aws.organization import active_accounts
from log_keeper.aws.sweep_queue import send_works
from log_keeper.events.sweep_work import Start, Work
from log_keeper.policy.findings import Finding, Problem
from log_keeper.postponement import PAUSES
from log_keeper.reporting import Reporter
from log_keeper.settings import Deployment, Organization


class OrganizationSweep:
    """Starts the sweeps of member accounts, and finds the clients for each. It may only read in them."""

    def __init__(
        self,
        home: Clients,
        deployment: Deployment,
        organization: Organization,
        reporter: Reporter,
        clock: Callable[[], datetime],
    ) -> None:
        self._home = home
        self._deployment = deployment
        self._organization = organization
        self._reporter = reporter
        self._members = Members(home, deployment, clock, remediates=False)
        self._left_out = {deployment.account.account_id, *organization.excluded_accounts}

    def works(self, start: Start) -> Iterator[Work]:
        """Yield a work for each member account and region that is governed.

        A sweep of all accounts also reports what should be governed and is not. While an account's stacks are being
        deployed, each one that is complete starts a sweep of the account: the others are not complete then.

        Raises BotoCoreError and ClientError.
        """
        instances = list(self._instances(self._organization.members_stack_set, start.account))
        enforcing = list(self._enforced(start.account))
        enforced = {each.account for each in enforcing if each.is_current}
        for account_id, region in sorted({(each.account, each.region) for each in instances if each.is_current}):
            # Where no rules can forward events, the sweep covers the other regions, which have no stack.
            for region_to_sweep in (region,) if self._has_stack_in_each_region else self._deployment.regions:
                yield Work(region_to_sweep, account=account_id, is_enforced=account_id in enforced)
        if start.account is None:
            active = self._active_accounts()
            self._report_instances(instances, self._organization.members_stack_set)
            self._report_instances(enforcing, str(self._organization.enforce_stack_set))
            self._report_missing(instances, active)

    def member(self, work: Work, account_id: str) -> Member | None:
        """Return the member account of a work; None if it is not governed, or if its role is refused.

        A role that is refused is assumed again later; the last time, it is reported. The deployment is in Audit mode
        unless the role that remediates exists in the account.

        Raises BotoCoreError and ClientError.
        """
        try:
            member = self._members.member(account_id)
        except MemberRoleError as error:
            self._try_again(work, account_id, error)
            return None
        if member is None:
            return None
        self._reporter.know(member.deployment.account)
        return member._replace(deployment=member.deployment._replace(is_audit=not self._is_enforced(work, member)))

    def _is_enforced(self, work: Work, member: Member) -> bool:
        """Return whether stages of the account are remediated. Report it, once in a sweep, if the role is missing."""
        account_id, role = member.deployment.account.account_id, self._organization.member_remediate_role
        is_enforced = work.is_enforced
        if is_enforced is None:
            is_enforced = any(each.is_current for each in self._enforced(account_id))
        if not is_enforced:
            return False
        if has_role(member, role):
            return True
        if work.apis is None and work.region == self._deployment.regions[0]:
            stack_set = self._organization.enforce_stack_set
            detail = (
                f"{account_id}: there is no role {role}, although the stack of {stack_set} is current. Nothing is "
                "remediated in the account until the stack is deployed again."
            )
            self._report(account_id, work.region, Problem.MEMBER_ROLE_REFUSED, detail)
        return False

    @property
    def _has_stack_in_each_region(self) -> bool:
        return bool(self._deployment.forwarding.rules)

    def _instances(self, stack_set: str, account_id: str | None) -> Iterator[Instance]:
        """Yield the stack instances, without those of accounts that are left out: they do not count if they exist."""
        for each in list_instances(self._home, self._deployment, stack_set, account_id):
            if each.account not in self._left_out:
                yield each

    def _enforced(self, account_id: str | None) -> Iterator[Instance]:
        """Yield the stack instances that create the role with which Log Keeper remediates; none in Audit mode."""
        stack_set = self._organization.enforce_stack_set
        if stack_set is not None and not self._deployment.is_audit:
            yield from self._instances(stack_set, account_id)

    def _try_again(self, work: Work, account_id: str, error: MemberRoleError) -> None:
        if work.tries < len(PAUSES):
            later = replace(work, tries=work.tries + 1)
            send_works(self._home, self._deployment, (later,), PAUSES[work.tries])
            return
        self._reporter.know(self._members.described(account_id))
        self._report(account_id, work.region, Problem.MEMBER_ROLE_REFUSED, str(error))

    def _report_instances(self, instances: Iterable[Instance], stack_set: str) -> None:
        """Report each stack that is not current."""
        for each in instances:
            if not each.is_current:
                reason = f": {each.reason}" if each.reason else ""
                detail = f"{each.account}, {each.region}, stack set {stack_set}: {each.status}{reason}"
                self._report(each.account, each.region, Problem.MEMBER_NOT_CURRENT, detail)

    def _active_accounts(self) -> set[str]:
        """Return the accounts that should be governed. Without an answer of Organizations, report that; return none."""
        home, units = self._deployment.regions[0], self._organization.units
        try:
            partition = self._deployment.account.partition
            accounts = list(active_accounts(self._home.organizations(home), units, partition))
        except CALL_ERRORS as error:
            detail = f"{', '.join(units)}: {error}"
            self._report(self._deployment.account.account_id, home, Problem.ORGANIZATION_UNREADABLE, detail)
            return set()
        for account in accounts:
            self._reporter.know(account)
        return {account.account_id for account in accounts}

    def _report_missing(self, instances: Iterable[Instance], active: set[str]) -> None:
        """Report each account, and each region of an account, that should have a stack and has none."""
        deployed: dict[str, set[str]] = {}
        for each in instances:
            deployed.setdefault(each.account, set()).add(each.region)
        home, stack_set = self._deployment.regions[0], self._organization.members_stack_set
        regions = self._deployment.regions if self._has_stack_in_each_region else (home,)
        for account_id in sorted((active or deployed.keys()) - self._left_out):
            for region in regions:
                if region not in deployed.get(account_id, ()):
                    detail = f"{account_id}, {region}: no stack of stack set {stack_set}"
                    self._report(account_id, region, Problem.MEMBER_WITHOUT_STACK, detail)

    def _report(self, account_id: str, region: str, problem: Problem, detail: str) -> None:
        self._reporter.organization_finding(account_id, region, Finding(problem, detail))
