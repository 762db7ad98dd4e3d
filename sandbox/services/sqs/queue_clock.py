"""SQS uses the clock of the account for delays, visibility and retention, instead of the clock of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core import moto_patches
from sandbox.core.registry import SERVICES

if TYPE_CHECKING:
    from sandbox.core.account import Account


class QueueClock:
    """Gives moto's queues the time of the account while it runs."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def start(self) -> None:
        """Give moto's queues the account's time."""
        moto_patches.run_queues_on_clock_of(self._account)

    def stop(self) -> None:
        """Give moto's queues the machine's time."""
        moto_patches.run_queues_on_clock_of_machine()


SERVICES.append(QueueClock)
