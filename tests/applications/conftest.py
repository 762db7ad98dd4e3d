"""Log Keeper, deployed once for all applications, which share its account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from testing.accounts import make_role, set_log_role
from testing.stacks import Deployed


@pytest.fixture(scope="package")
def keeper(built: None) -> Iterator[Deployed]:
    """The deployed stack, in an account that has a log role; IAM's changes spread at once.

    A tool's own next call comes within a second here, so two of ``SettleSeconds`` let it go first, as 15 do on AWS.
    """
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        set_log_role(sandbox, make_role(sandbox, "LongThere"))
        yield Deployed(sandbox, deployment.deploy(sandbox, {"SettleSeconds": "2", "SweepRate": "10"}))


@pytest.fixture(autouse=True)
def _nothing_is_lost(keeper: Deployed) -> Iterator[None]:
    """Check that no message of the test is in the dead-letter queue, and that no call of Log Keeper was denied."""
    before = len(keeper.sandbox.calls)
    yield
    assert keeper.wait_until_quiet() == 0
    denied = [
        f"{made.call.service}:{made.call.operation}"
        for made in keeper.sandbox.calls[before:]
        if made.error_code in {"AccessDenied", "AccessDeniedException"}
        and (made.call.caller.role_arn or "").endswith("EnforceRole")
    ]
    assert denied == []
