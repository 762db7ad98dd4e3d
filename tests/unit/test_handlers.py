"""How the functions start: when Python's garbage collector is on."""

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
#: Each handler fails, since settings are missing: the collector is on again even after an error.
CALLS = ["enforce.handler({'Records': []}, Context())", "sweep.handler({'Records': [{'body': '{}'}]}, Context())"]


def collector_around(call: str, **environment: str) -> str:
    """Run the call in a new process and return whether the collector was on before and after it."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(call=call)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.splitlines()[-1]


@pytest.mark.parametrize("call", CALLS)
def test_garbage_collector_is_off_until_the_first_invocation_has_ended(call: str) -> None:
    assert collector_around(call, AWS_LAMBDA_FUNCTION_NAME="it") == "False True"


@pytest.mark.parametrize("call", CALLS)
def test_garbage_collector_stays_on_outside_of_lambda(call: str) -> None:
    assert collector_around(call) == "True True"
