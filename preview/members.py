"""The accounts of an organization, what was read of each, and the totals of all, as plain values. Pure.

The stages of an account are forgotten when it is added to the totals: an organization can have very many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from log_keeper.policy.findings import Finding
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol
from preview.model import Count, Preview, RegionPreview, count, count_by_protocol
from preview.words import role_in_words, trail_in_words

ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the organization, also the caller's own and the management account.

    ``state``: as Organizations says it, such as ``ACTIVE`` or ``SUSPENDED``. ``unit_ids``, ``unit_names``: the root,
    then each unit, the last of which contains the account. Names are printable.
    """

    account_id: str
    name: str
    state: str
    unit_ids: tuple[str, ...]
    unit_names: tuple[str, ...]

    @property
    def unit_id(self) -> str:
        """Return the ID of the unit that contains the account, or of the root."""
        return self.unit_ids[-1]

    @property
    def unit_path(self) -> str:
        """Return the names of the root and of the units, as in ``Root/workloads/prod``."""
        return "/".join(self.unit_names)

    @property
    def label(self) -> str:
        return f"{self.account_id} ({self.name})"

    def to_dict(self) -> dict[str, str]:
        """Return the fields that each row about the account has."""
        return {"accountId": self.account_id, "accountName": self.name, "organizationalUnitId": self.unit_id}


@dataclass(frozen=True, slots=True)
class Organization:
    """The accounts of an organization, sorted by unit and name. ``unit_ids``: all units and the root."""

    organization_id: str
    members: tuple[Member, ...]
    unit_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class MemberPreview:
    """What was read of an account. ``preview`` is None if nothing could be read; ``reason`` then says why."""

    member: Member
    preview: Preview | None = None
    reason: str = ""

    @property
    def errors(self) -> list[str]:
        """Return what could not be read, each with the account, the reason and what to do."""
        label = self.member.label
        return [f"{label}: {error}" for error in ([self.reason] if self.preview is None else self.preview.errors)]


@dataclass(frozen=True, slots=True)
class Row:
    """A region of an account in the table of accounts. Without a region: the account could not be read."""

    member: Member
    region: str = ""
    count: Count | None = None
    role: str = ""
    trail: str = ""
    needs_valid_role: bool = False
    has_trail: bool = True
    reason: str = ""

    @classmethod
    def of_region(cls, member: Member, region: RegionPreview) -> Row:
        """Return the row of a region."""
        return cls(
            member,
            region.region,
            None if region.is_unread else count(region.stages),
            role_in_words(region),
            trail_in_words(region),
            region.needs_valid_role,
            region.has_trail is True,
        )


@dataclass(slots=True)
class Totals:
    """The numbers of all accounts that were read, and what needs action. It grows with accounts, not with stages.

    ``role``: path and name. ``left_out``: the number of accounts that the options leave out. ``findings``: where each
    is, and the finding.
    """

    organization_id: str
    role: str
    policy: Policy
    generated_at: datetime
    left_out: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    by_protocol: dict[Protocol, Count] = field(default_factory=lambda: count_by_protocol(()))
    findings: dict[str, list[tuple[str, Finding]]] = field(default_factory=dict)
    errors_by_account: dict[str, list[str]] = field(default_factory=dict)
    not_enabled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unread: int = 0
    is_compliant: bool = True

    def add(self, found: MemberPreview) -> None:
        """Add an account."""
        member, preview = found.member, found.preview
        self.errors_by_account[member.account_id] = found.errors
        if preview is None:
            self.unread += 1
            self.rows[member.account_id] = [Row(member, reason=found.reason)]
            return
        self.rows[member.account_id] = [Row.of_region(member, region) for region in preview.regions]
        for protocol, counted in count_by_protocol(preview.stages).items():
            self.by_protocol[protocol] += counted
        self.findings[member.account_id] = [
            (f"{member.label}, {region.region}" + ("" if stage is None else f", {stage.name}"), finding)
            for region, stage, finding in preview.findings
        ]
        self.not_enabled[member.account_id] = preview.regions_not_enabled
        self.is_compliant &= preview.is_compliant

    def arrange(self, members: Iterable[Member]) -> None:
        """Put the accounts, which are added as they are read, into the order of ``members``."""
        order = [member.account_id for member in members]
        by_accounts: tuple[dict[str, Any], ...] = (self.rows, self.findings, self.errors_by_account, self.not_enabled)
        for by_account in by_accounts:
            for account_id in order:
                if account_id in by_account:
                    by_account[account_id] = by_account.pop(account_id)

    @property
    def all_rows(self) -> list[Row]:
        return [row for rows in self.rows.values() for row in rows]

    @property
    def all_findings(self) -> list[tuple[str, Finding]]:
        return [finding for findings in self.findings.values() for finding in findings]

    @property
    def errors(self) -> list[str]:
        return [error for errors in self.errors_by_account.values() for error in errors]

    @property
    def count(self) -> Count:
        """Return the numbers of all stages."""
        return sum(self.by_protocol.values(), Count.none())


def headline(totals: Totals) -> str:
    """Return the summary of the organization, one sentence."""
    counted, accounts = totals.count, len(totals.rows)
    read = accounts - totals.unread
    where = f"in {read} {'account' if read == 1 else 'accounts'}"
    stages = f"{counted.evaluated} {'stage' if counted.evaluated == 1 else 'stages'} {where}"
    if counted.evaluated == 0:
        said = f"There are no stages {where}"
    elif would_change := counted.by_outcome[Outcome.WOULD_BE_REMEDIATED]:
        said = f"{would_change} of {stages} {Outcome.WOULD_BE_REMEDIATED}"
    elif non_compliant := counted.by_outcome[Outcome.NON_COMPLIANT]:
        said = f"{non_compliant} of {stages} cannot be made compliant"
    else:
        said = f"No stage requires changes, of {stages}"
    if regions := sum(row.needs_valid_role for row in totals.all_rows):
        said += f"; {regions} {'region has' if regions == 1 else 'regions have'} no valid log role"
    if totals.unread:
        said += f"; {totals.unread} of {accounts} accounts could not be read"
    elif totals.errors:
        said += "; not everything could be read"
    return f"{said}."
