"""Accounts in which ``make verify`` runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.behaviour import Behaviour
from testing.accounts import make_role, set_log_role


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An account with the default behaviour, whatever world the tests run in."""
    with Sandbox(iam_propagation_seconds=0, behaviour=Behaviour()) as sandbox:
        yield sandbox


@pytest.fixture
def with_log_role(sandbox: Sandbox) -> Sandbox:
    """An account in which API Gateway has a log role."""
    set_log_role(sandbox, make_role(sandbox))
    return sandbox
