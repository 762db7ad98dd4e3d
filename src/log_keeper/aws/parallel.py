"""Runs calls of CloudWatch Logs at the same time, in a few threads. Clients of boto3 can be used by several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor


#: A stage has two log groups, and with a canary four.
THREADS = 4


class Parallel:
    """Runs functions in so many ``threads``; 0: one after another, in the caller's own thread.

    Threads do not wait in simulated time.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads
        self._executor: Executor | None = None

    def run[Answer](self, functions: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """Call the functions, and return their answers in order. Raises the first error, after all have ended."""
        if self._threads == 0 or len(functions) < 2:
            return [function() for function in functions]
        if self._executor is None:
            # Here, because a cold start that creates no log groups does not need it.
            from concurrent.futures import ThreadPoolExecutor

            self._executor = ThreadPoolExecutor(self._threads)
        futures = [self._executor.submit(function) for function in functions]
        errors = [future.exception() for future in futures]
        if (first := next((error for error in errors if error is not None), None)) is not None:
            raise first
        return [future.result() for future in futures]
