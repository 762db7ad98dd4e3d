"""How the functions start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import gc
from handlers import enforce, sweep
from testing.deliveries import Context
on_the_way = gc.isenabled()
try:
    {call}
except Exception:
    print(on_the_way, gc.isenabled())
"""
#: Settings are missing, so that each handler fails: the collector is on again even then.
CALLS = ["enforce.handler({'Records': []}, Context())", "sweep.handler({'Records': [{'body': '{}'}]}, Context())"]


def said(call: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(call=call)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()[-1]


@pytest.mark.parametrize("call", CALLS)
def test_collector_is_off_until_the_first_invocation_has_ended(call: str) -> None:
    assert said(call, AWS_LAMBDA_FUNCTION_NAME="it") == "False True"


@pytest.mark.parametrize("call", CALLS)
def test_elsewhere_it_is_let_be(call: str) -> None:
    assert said(call) == "True True"
