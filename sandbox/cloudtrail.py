"""Write calls become CloudTrail records on the default event bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import AwsError, CallRecord


def record(sandbox: Sandbox, answered: CallRecord, result: dict[str, Any] | None, error: AwsError | None) -> None:
    """The call is on the trail, if it is one that the sandbox records."""
