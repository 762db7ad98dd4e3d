"""Stages that a team creates while CloudFormation works on the stack."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import Call
from testing.accounts import make_rest_api


class Flood:
    """Stages that a team creates, in a thread of its own, from the start of a CloudFormation call until its work ends.

    ``at_once``: number of stages that exist before the call is processed. ``later``: lowest number of later stages.
    """

    def __init__(self, sandbox: Sandbox, at_once: int, later: int) -> None:
        self._sandbox = sandbox
        self._at_once = at_once
        self._later = later
        self._apis: list[str] = []
        self._over = threading.Event()
        #: API id and stage name of each stage that was created.
        self.stages: list[tuple[str, str]] = []

    def _create_stage(self) -> None:
        """Create one more stage. Twenty stages share an API, so that a sweep reads fewer APIs."""
        if len(self.stages) % 20 == 0:
            self._apis.append(make_rest_api(self._sandbox))
        stage = self._apis[-1], f"s{len(self.stages)}"
        self._sandbox.client("apigateway").create_deployment(restApiId=stage[0], stageName=stage[1])
        self.stages.append(stage)

    def _continue(self) -> None:
        """Create stages until the work of CloudFormation has ended, at least ``later``."""
        while self._later > 0 or not self._over.is_set():
            self._create_stage()
            self._later -= 1
            self._over.wait(0.05)

    @contextmanager
    def during(self, operation: str) -> Iterator[None]:
        """Create ``at_once`` stages as CloudFormation's *operation* is called, and the others until the block ends."""
        with ThreadPoolExecutor(1) as team:
            works: list[Future[None]] = []
            begun = threading.Event()

            def begin(_: Account, call: Call) -> None:
                if call.operation == operation and not begun.is_set():
                    begun.set()
                    for _number in range(self._at_once):
                        self._create_stage()
                    works.append(team.submit(self._continue))

            self._sandbox.hooks.append(begin)
            try:
                yield
            finally:
                self._over.set()
                self._sandbox.hooks.remove(begin)
            [work] = works
            work.result()
