"""An empty AWS account for a test, and what tests do in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.account import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An account in which IAM spreads at once."""
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        yield sandbox
