"""What a stack is: its resources, what it is to become, its change sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PRINCIPAL = "cloudformation.amazonaws.com"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


@dataclass(slots=True)
class StackResource:
    """A resource that a stack has made."""

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
    """Give the resource the policies that its declaration has for deletion and replacement."""
    resource.deletion_policy = str(declaration.get("DeletionPolicy", "Delete"))
    resource.replace_policy = str(declaration.get("UpdateReplacePolicy", "Delete"))
    return resource


@dataclass(frozen=True, slots=True)
class Desired:
    """What a stack is to become."""

    body: str
    #: With macros expanded.
    template: dict[str, Any]
    #: As given; defaults are not in here.
    parameters: dict[str, str]
    #: With defaults, lists as lists.
    values: dict[str, Any]
    tags: dict[str, str]
    capabilities: tuple[str, ...] = ()


@dataclass(slots=True)
class Stack:
    """One stack, deleted ones included."""

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
    #: The change set that the last operation executed, None if it was no change set.
    change_set_id: str | None = None
    role_arn: str | None = None
    notification_arns: list[str] = field(default_factory=list)
    disable_rollback: bool = False
    #: A stack that cannot be made is deleted, and not only rolled back.
    deletes_on_failure: bool = False
    termination_protection: bool = False


@dataclass(slots=True)
class ChangeSet:
    """A change set: what a stack would become, and how that differs."""

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
