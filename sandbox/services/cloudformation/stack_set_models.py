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

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.stack_set_id}"

    @property
    def administration_role_arn(self) -> str:
        default = f"arn:aws:iam::{self.account}:role/{_ADMINISTRATION}"
        return str(self.settings.get("AdministrationRoleARN") or default)

    @property
    def execution_role_name(self) -> str:
        return str(self.settings.get("ExecutionRoleName") or _EXECUTION)
