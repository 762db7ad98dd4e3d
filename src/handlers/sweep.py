"""The Sweep function: a schedule or a deployment starts a sweep; a message of SweepQueue continues it in one region."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from handlers.runtime import Time, entry_point, logger, metrics
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.sweeps import Sweeps

if TYPE_CHECKING:
    import boto3
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Milliseconds before the end of an invocation from which no other API is started: enough to evaluate and report.
_RESERVE = 60_000


class SweepHandler:
    """Handles the invocations of one execution environment, and keeps what they share."""

    def __init__(self, settings: Settings, session: boto3.Session | None = None, time: Time | None = None) -> None:
        time = time or Time()
        new_pace = functools.partial(Pace, settings.deployment.sweep_rate, clock=time.monotonic, sleep=time.sleep)
        reporter = Reporter(logger, metrics, settings.deployment.account.account_id)
        self._sweeps = Sweeps(Clients(new_pace, session), settings, reporter, time.now)

    def handle_message(self, body: str, context: LambdaContext) -> None:
        """Do the work that the message asks for; send what remains of it to SweepQueue. Raises its errors."""
        self._sweeps.handle(body, lambda: context.get_remaining_time_in_millis() > _RESERVE)


@functools.cache
def sweep_handler() -> SweepHandler:
    """Return the handler of this environment. The first invocation makes it, so that a wrong setting is its error."""
    return SweepHandler(Settings.from_environment(os.environ))


@entry_point
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle one message of SweepQueue. SQS delivers it again after an error, and at last moves it to the DLQ."""
    sweep_handler().handle_message(event["Records"][0]["body"], context)
