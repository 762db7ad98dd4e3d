"""What a stack set is: its settings, its instances, its operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


_ADMINISTRATION, _EXECUTION = "AWSCloudFormationStackSetAdministrationRole", "AWSCloudFormationStackSetExecutionRole"


@dataclass(slots=True)
class Instance:
    """One stack of a set: one account, one region."""

    account: str
    region: str
    overrides: list[dict[str, str]]
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed: str = "PENDING"
    reason: str | None = None
    operation_id: str = ""
    #: Of a set that the organization manages: the unit because of which the instance exists.
    unit_id: str | None = None


@dataclass(slots=True)
class Operation:
    """One operation on a set, its results in the order they came."""

    operation_id: str
    action: str
    preferences: dict[str, Any]
    created: datetime
    retain: bool | None = None
    status: str = "RUNNING"
    ended: datetime | None = None
    results: list[dict[str, str]] = field(default_factory=list)

    @property
    def failures(self) -> int:
        return sum(result["Status"] == "FAILED" for result in self.results)


@dataclass(frozen=True, slots=True)
class Target:
    """Units of an organization and regions. ``accounts`` and ``account_filter`` limit or extend the units' accounts."""

    units: tuple[str, ...]
    regions: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    account_filter: str = "NONE"


@dataclass(slots=True)
class StackSet:
    """A stack set, as CreateStackSet and UpdateStackSet have made it."""

    stack_set_id: str
    name: str
    region: str
    account: str
    #: TemplateBody, Parameters, Capabilities, Tags, Description, AdministrationRoleARN ... under their names.
    settings: dict[str, Any]
    instances: dict[tuple[str, str], Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    #: Of a set that the organization manages: where automatic deployment creates instances.
    targets: list[Target] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.stack_set_id}"

    @property
    def is_service_managed(self) -> bool:
        """Return whether the organization manages the permissions of the set."""
        return bool(self.settings.get("PermissionModel") == "SERVICE_MANAGED")

    @property
    def deploys_automatically(self) -> bool:
        """Return whether accounts that join a unit get instances, and accounts that leave it lose them."""
        return bool((self.settings.get("AutoDeployment") or {}).get("Enabled"))

    @property
    def administration_role_arn(self) -> str:
        default = f"arn:aws:iam::{self.account}:role/{_ADMINISTRATION}"
        return str(self.settings.get("AdministrationRoleARN") or default)

    @property
    def execution_role_name(self) -> str:
        return str(self.settings.get("ExecutionRoleName") or _EXECUTION)
