"""An account whose clock a test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    """Return the clock of the account, which stands still once a test has moved it."""
    return MovableClock()


@pytest.fixture
def account(clock: MovableClock) -> Iterator[Sandbox]:
    """Start an account with that clock."""
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        yield sandbox
