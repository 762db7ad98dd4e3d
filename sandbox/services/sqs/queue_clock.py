"""SQS on the account's clock: delays, visibility and retention pass as the account's time does, not the machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.core import utils
from moto.sqs import models

from sandbox.core.registry import SERVICES

if TYPE_CHECKING:
    from sandbox.core.account import Account


class QueueClock:
    """moto's queues ask it for the time while the account runs."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def start(self) -> None:
        """moto's queues tell the account's time."""
        vars(models).update(unix_time=self._seconds, unix_time_millis=self._milliseconds)

    def stop(self) -> None:
        """moto's queues tell the machine's time."""
        vars(models).update(unix_time=utils.unix_time, unix_time_millis=utils.unix_time_millis)

    def _seconds(self) -> float:
        return self._account.now().timestamp()

    def _milliseconds(self) -> float:
        return self._account.now().timestamp() * 1000


SERVICES.append(QueueClock)
