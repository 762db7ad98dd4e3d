"""The door of SweepQueue: a schedule or a deployment begins a sweep, and a message for each region goes on with it."""

from __future__ import annotations

import functools
import os
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from handlers import has_started
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.events.sweep_work import Work
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Without the place in the code: all lines are written in reporting.py.
logger = Logger(service="log-keeper", location=None)
metrics = Metrics(namespace="LogKeeper", service="log-keeper")

#: Milliseconds of an invocation within which no other API is begun: enough to judge what was read, and to report.
_RESERVE = 60_000


class Door:
    """What one warm function keeps between its invocations. The last three parameters: for whoever moves the time."""

    def __init__(
        self,
        settings: Settings,
        session: boto3.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = Clients(lambda: Pace(settings.sweep_rate, clock=monotonic, sleep=sleep), session)
        self._reporter = Reporter(logger, metrics)

    def open(self, body: str, context: LambdaContext) -> None:
        """What the message asks for is done, or the rest of it is on SweepQueue; raises what keeps it from that."""
        work = Work.from_message(body, self._settings.regions)
        if work is None:
            self._go_on([Work(region) for region in self._settings.regions])
            return
        swept = sweep(
            self._clients,
            self._settings,
            work,
            now=self._clock,
            has_time=lambda: context.get_remaining_time_in_millis() > _RESERVE,
            tell=partial(self._reporter.judged, is_audit=self._settings.is_audit),
        )
        self._reporter.swept(swept)
        if swept.left is not None:
            self._go_on([swept.left])
        if swept.errors:
            raise ExceptionGroup(f"not all of {work.region} could be read", swept.errors)

    def _go_on(self, works: list[Work]) -> None:
        for work in works:
            self._clients.sqs().send_message(QueueUrl=self._settings.sweep_queue_url, MessageBody=work.to_message())


@functools.cache
def door() -> Door:
    """The one door of this function; made by its first invocation, so that a wrong setting is that one's error."""
    return Door(Settings.from_environment(os.environ))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Lambda's entry point: one message of SweepQueue. What is raised brings it again, and at last to its DLQ."""
    [record] = event["Records"]
    try:
        door().open(record["body"], context)
    finally:
        has_started()
