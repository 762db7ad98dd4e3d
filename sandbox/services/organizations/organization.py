"""An organization: its management account, its units, its accounts, and the policies that are attached to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.services.organizations.policies import Attachments, Policy

if TYPE_CHECKING:
    from sandbox.core.account import Account

#: The principal of CloudFormation whose delegated administrators manage stack sets of the organization.
#: *Source:* CloudFormation user guide, "Register a delegated administrator".
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"

#: Called after an account was moved, has joined or has left: with its ID.
type Listener = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """An organizational unit, or the root, which has no parent."""

    unit_id: str
    name: str
    parent: str | None


@dataclass(slots=True)
class Organization:
    """The organization of a management account. All accounts of it must be accounts of this process."""

    organization_id: str
    management: Account
    #: By ID. The first is the root.
    units: dict[str, Unit] = field(default_factory=dict)
    #: The unit in which each account is, the management account too.
    parents: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    #: The states of accounts that are not ACTIVE, such as SUSPENDED.
    states: dict[str, str] = field(default_factory=dict)
    #: Service principal -> its delegated administrators.
    delegated: dict[str, set[str]] = field(default_factory=dict)
    policies: Attachments = field(default_factory=Attachments)
    listeners: list[Listener] = field(default_factory=list)

    @classmethod
    def create(cls, management: Account, organization_id: str = "o-a1b2c3d4e5") -> Organization:
        """Create the organization of this management account, with a root."""
        found = cls(organization_id, management)
        management.state(_Managed).organization = found
        found._add(Unit("r-ab12", "Root", None))
        found.join(management, "management")
        return found

    @property
    def root_id(self) -> str:
        """Return the ID of the root."""
        return next(iter(self.units))

    def add_unit(self, name: str, parent: str | None = None) -> str:
        """Create a unit below another one, or below the root. Return its ID."""
        digest = hashlib.sha256(f"{parent}/{name}".encode()).hexdigest()
        unit = Unit(f"ou-{self.root_id.removeprefix('r-')}-{digest[:8]}", name, parent or self.root_id)
        self._add(unit)
        return unit.unit_id

    def join(self, account: Account, name: str, parent: str | None = None) -> None:
        """Add an account, in a unit or the root."""
        account.organization_id = self.organization_id
        account.management_account_id = self.management.account_id
        self.names[account.account_id] = name
        self.policies.add_target(account.account_id)
        self.move(account.account_id, parent or self.root_id)

    def move(self, account_id: str, parent: str) -> None:
        """Move an account to another unit."""
        self.parents[account_id] = parent
        self._changed(account_id)

    def leave(self, account: Account) -> None:
        """Remove an account from the organization."""
        account.organization_id = account.management_account_id = ""
        del self.parents[account.account_id], self.names[account.account_id]
        self.policies.remove_target(account.account_id)
        for administrators in self.delegated.values():
            administrators.discard(account.account_id)
        account.service_control_policies.clear()
        account.allow_lists.clear()
        self._changed(account.account_id)

    def attach_policy(self, document: str, target: str) -> Policy:
        """Create a service control policy, and attach it to the root, a unit or an account."""
        policy = self.policies.create(document)
        self.attach(policy, target)
        return policy

    def attach(self, policy: Policy, target: str) -> None:
        """Attach a service control policy to the root, a unit or an account."""
        self.policies.attached[target].append(policy)
        self._apply_all_policies()

    def detach(self, policy: Policy, target: str) -> None:
        """Detach a service control policy. Where it was FullAWSAccess, only what other policies allow is allowed."""
        self.policies.attached[target].remove(policy)
        self._apply_all_policies()

    def path(self, account_id: str) -> list[str]:
        """Return the IDs of the units that the account is in, the nearest first, the root last."""
        found, unit_id = [], self.parents.get(account_id)
        while unit_id is not None:
            found.append(unit_id)
            unit_id = self.units[unit_id].parent
        return found

    def accounts_in(self, unit_id: str) -> list[str]:
        """Return the accounts of a unit and of all units below it."""
        return [account_id for account_id in self.parents if unit_id in self.path(account_id)]

    def account_arn(self, account_id: str) -> str:
        """Return the ARN of an account. Its own account is the management account's."""
        management = self.management.account_id
        return f"arn:aws:organizations::{management}:account/{self.organization_id}/{account_id}"

    def unit_arn(self, unit_id: str) -> str:
        """Return the ARN of a unit or of the root. Its account is the management account's."""
        kind = "root" if unit_id == self.root_id else "ou"
        return f"arn:aws:organizations::{self.management.account_id}:{kind}/{self.organization_id}/{unit_id}"

    def _add(self, unit: Unit) -> None:
        self.units[unit.unit_id] = unit
        self.policies.add_target(unit.unit_id)

    def _changed(self, account_id: str) -> None:
        self._apply_policies(account_id)
        for listener in self.listeners:
            listener(account_id)

    def _apply_all_policies(self) -> None:
        for account_id in self.parents:
            self._apply_policies(account_id)

    def _apply_policies(self, account_id: str) -> None:
        """Give the account the policies of all units above it, and its own. They do not bind the management account.

        *Source:* Organizations user guide, "SCP effects on permissions".
        """
        account = self.management.accounts.get(account_id)
        if account is None or account is self.management or account_id not in self.parents:
            return
        targets = [account_id, *self.path(account_id)]
        account.service_control_policies[:] = self.policies.documents(targets)
        account.allow_lists[:] = self.policies.allow_lists(targets)


class _Managed:
    """The organization that an account manages, if any."""

    organization: Organization | None = None


def organization_of(account: Account) -> Organization | None:
    """Return the organization of which the account is a member, None if there is none."""
    for other in account.accounts:
        found = other.state(_Managed).organization
        if found is not None and account.account_id in found.parents:
            return found
    return None
