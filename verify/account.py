"""Clients for one run: they limit the rate of calls, repeat calls while AWS is late, and stop between two calls.

A signal never interrupts a call: the run ends before it sends the next one. So everything that a call created is noted
before the run ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, is_throttle
from log_keeper.aws.pace import Pace

#: Calls a second. API Gateway's control plane takes ten from the whole account.
RATE = 4.0
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=30, user_agent_extra="log-keeper-verify"
)


class StoppedError(Exception):
    """The user asked to stop."""


class Account:
    """Clients of one region that share one rate.

    ``patience``: factor for every wait; less than 1 for an account that is never late, such as the sandbox.
    """

    def __init__(
        self,
        session: boto3.Session,
        *,
        rate: float = RATE,
        patience: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._pace = Pace(rate, sleep=sleep)
        self._clients: dict[tuple[str, str], Any] = {}
        #: Set by a signal: the run ends before its next call.
        self.is_stopping = False
        #: Set once the run deletes what it created: a signal must not stop that.
        self.is_deleting = False
        #: How many calls were sent, repeated ones included.
        self.calls = 0
        self.region: str = session.region_name or ""
        session.events.register_first("before-send", self._before_send)

    def _before_send(self, **_: Any) -> None:
        self.check()
        self._pace.take()
        self.calls += 1

    def check(self) -> None:
        """Raise StoppedError if the user asked to stop, unless the run is deleting already."""
        if self.is_stopping and not self.is_deleting:
            raise StoppedError

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of the service in the run's region, or another."""
        key = service, region or self.region
        if key not in self._clients:
            make: Any = self._session.client
            self._clients[key] = make(service, region_name=key[1], config=_CONFIG)
        return self._clients[key]

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds, times the run's patience. Raise StoppedError within a second after a signal."""
        until = self._clock() + seconds * self._patience
        while (left := until - self._clock()) > 0:
            self.check()
            self._sleep(min(left, 0.5))

    def until[Found](self, read: Callable[[], Found], seconds: float, every: float = 3.0) -> Found:
        """Call ``read`` until it returns a true value or the time is over. Return its last value."""
        end = self._clock() + seconds * self._patience
        while not (found := read()):
            if self._clock() >= end:
                return found
            self.wait(every)
        return found

    def patiently[Found](
        self, call: Callable[[], Found], seconds: float, is_early: Callable[[ClientError], bool], *, every: float = 5
    ) -> Found:
        """Return what the call returns. Repeat it every so many seconds while ``is_early`` accepts its error."""
        end = self._clock() + seconds * self._patience
        while True:
            try:
                return call()
            except ClientError as error:
                if not is_early(error) or self._clock() >= end:
                    raise
            self.wait(every)


def is_throttled(error: ClientError) -> bool:
    """Return whether AWS throttled the call."""
    # Source: of the code: botocore, ``botocore/retries/standard.py``
    return is_throttle(error) or error_code(error) == "LimitExceededException"
