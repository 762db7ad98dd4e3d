"""What both functions share: logger, metrics, time, and the frame of an invocation."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools import Logger, Metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Without the location in the code: reporting.py writes all lines.
logger = Logger(service="log-keeper", location=None)
metrics = Metrics(namespace="LogKeeper", service="log-keeper")


class Time(NamedTuple):
    """The clocks of a function. Tests use simulated time.

    ``now``: returns the time with its zone. ``monotonic``: returns seconds that never decrease.
    ``sleep``: waits for a number of seconds.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def entry_point[Answer](
    handle: Callable[[dict[str, Any], LambdaContext], Answer],
) -> Callable[[dict[str, Any], LambdaContext], Answer]:
    """Make a function an entry point of Lambda: log lines have its context, and garbage is collected after it."""

    @functools.wraps(handle)
    def invoke(event: dict[str, Any], context: LambdaContext) -> Answer:
        try:
            return handle(event, context)
        finally:
            enable_gc_after_first_invocation()

    answering: Callable[[dict[str, Any], LambdaContext], Answer] = logger.inject_lambda_context(invoke)
    return answering


def enable_gc_after_first_invocation() -> None:
    """Switch the garbage collector on, for objects that are created from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
