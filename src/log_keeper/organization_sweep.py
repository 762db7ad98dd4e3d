"""The sweep of an organization: which member accounts and regions are swept, and those that are not governed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from log_keeper.aws.clients import Clients
from log_keeper.aws.members import Instance, Member, MemberRoleError, Members, list_instances
from log_keeper.events.sweep_work import Start, Work
from log_keeper.policy.findings import Finding, Problem
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

    def works(self, start: Start) -> Iterator[Work]:
        """Yield a work for each member account and region that is governed; report each that should be but is not.

        Raises BotoCoreError and ClientError.
        """
        for instance in list_instances(
            self._home, self._deployment, self._organization.members_stack_set, start.account
        ):
            if instance.is_current:
                yield Work(instance.region, account=instance.account)
            else:
                self._report(instance, self._organization.members_stack_set)
        for instance in self._enforced(start.account):
            if not instance.is_current:
                self._report(instance, str(self._organization.enforce_stack_set))

    def member(self, work: Work, account_id: str) -> Member | None:
        """Return the member account of a work; None if it is not governed, or if its role is refused: this is reported.

        Its deployment is in Audit mode unless the role that remediates exists in the account.

        Raises BotoCoreError and ClientError.
        """
        try:
            member = self._members.member(account_id)
        except MemberRoleError as error:
            finding = Finding(Problem.MEMBER_ROLE_REFUSED, str(error))
            self._reporter.organization_finding(account_id, work.region, finding)
            return None
        if member is None:
            return None
        is_enforced = any(each.is_current for each in self._enforced(account_id))
        return member._replace(deployment=member.deployment._replace(is_audit=not is_enforced))

    def _enforced(self, account_id: str | None) -> Iterator[Instance]:
        """Yield the stack instances that create the role with which Log Keeper remediates; none in Audit mode."""
        stack_set = self._organization.enforce_stack_set
        if stack_set is not None and not self._deployment.is_audit:
            yield from list_instances(self._home, self._deployment, stack_set, account_id)

    def _report(self, instance: Instance, stack_set: str) -> None:
        detail = f"{instance.account}, {instance.region}, stack set {stack_set}: {instance.status}"
        finding = Finding(Problem.MEMBER_NOT_CURRENT, f"{detail}: {instance.reason}" if instance.reason else detail)
        self._reporter.organization_finding(instance.account, instance.region, finding)
