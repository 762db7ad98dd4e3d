"""Run ``make logs`` in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from logs import __main__ as command
from sandbox.assembly import Sandbox
from testing.logged_requests import NOW, make_logged_requests

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process and returns the exit code, stdout and stderr."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(command, "_RATE", 1000.0)

    def run(*arguments: str, **replaced: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = command.main(arguments, **({"clock": lambda: NOW} | replaced))
        except SystemExit as usage:
            code = int(str(usage.code))
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    return make_logged_requests(sandbox, NOW - timedelta(minutes=5))
