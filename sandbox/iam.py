"""What a call needs, and whether the caller's policies allow it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import Call


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: an action on a resource, and the condition keys AWS sets for it."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def needs(sandbox: Sandbox, call: Call) -> tuple[Need, ...]:
    """The permissions ``call`` asks for."""
    return ()


def authorise(sandbox: Sandbox, call: Call, wanted: tuple[Need, ...]) -> None:
    """The caller may make the call; otherwise AwsError with AWS's sentence."""
