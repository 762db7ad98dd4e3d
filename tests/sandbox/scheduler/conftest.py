"""An account at noon, with queues and a role for schedules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.clients import client
from testing.iam import allow, role
from testing.schedules import NOON


@pytest.fixture
def sandbox(clock: MovableClock) -> Iterator[Sandbox]:
    """Start an account at noon, with two queues and a role that may send messages to them."""
    clock.set(NOON)
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        for name in ("work", "dead"):
            client(sandbox, "sqs").create_queue(QueueName=name)
        role(sandbox, "scheduler", "scheduler.amazonaws.com", allow("sqs:SendMessage"))
        yield sandbox
