"""A stack, its resources, its desired state and its change sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PRINCIPAL = "cloudformation.amazonaws.com"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


@dataclass(slots=True)
class StackResource:
    """A resource that a stack has created."""

    logical_id: str
    type: str
    physical_id: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    status: str
    updated: datetime
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    reason: str | None = None


def with_policies(resource: StackResource, declaration: Mapping[str, Any]) -> StackResource:
    """Set the policies for deletion and replacement that the resource's declaration has."""
    resource.deletion_policy = str(declaration.get("DeletionPolicy", "Delete"))
    resource.replace_policy = str(declaration.get("UpdateReplacePolicy", "Delete"))
    return resource


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of a stack."""

    body: str
    #: The template with macros expanded.
    template: dict[str, Any]
    #: Parameters as they were given, without defaults.
    parameters: dict[str, str]
    #: Parameters with defaults. List parameters are lists.
    values: dict[str, Any]
    tags: dict[str, str]
    capabilities: tuple[str, ...] = ()


@dataclass(slots=True)
class Stack:
    """One stack, which may be deleted."""

    stack_id: str
    name: str
    region: str
    account: str
    created: datetime
    status: str
    desired: Desired | None = None
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    updated: datetime | None = None
    #: When the deletion or the rollback of the creation began.
    deletion: datetime | None = None
    #: When the stack was deleted; None while it exists.
    deleted: datetime | None = None
    #: The change set that the last operation executed, or None.
    change_set_id: str | None = None
    role_arn: str | None = None
    notification_arns: list[str] = field(default_factory=list)
    disable_rollback: bool = False
    #: True: if the creation fails, the stack is deleted and not only rolled back.
    deletes_on_failure: bool = False
    termination_protection: bool = False
    #: Of a nested stack: the id of the stack that it belongs to, and of the outermost one. None: it is not nested.
    parent_id: str | None = None
    root_id: str | None = None


@dataclass(frozen=True, slots=True)
class Nesting:
    """The work on a parent of which a call about a nested stack is a part."""

    parent: Stack
    #: True if the parent is rolled back.
    is_rollback: bool


class HeldUpdate(Protocol):
    """The update of a nested stack, which ends only with the update of its parent."""

    def finish(self) -> None:
        """End the update, or its rollback: delete the resources that are not needed any more."""

    def roll_back(self) -> bool:
        """Restore the state before the update. Return whether that was possible for every resource."""


@dataclass(slots=True)
class ChangeSet:
    """A change set: the desired state of a stack, and the differences to its current state."""

    change_set_id: str
    name: str
    stack: Stack
    kind: Literal["CREATE", "UPDATE"]
    created: datetime
    description: str | None
    desired: Desired | None
    changes: list[dict[str, Any]]
    role_arn: str | None
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    reason: str | None = None
