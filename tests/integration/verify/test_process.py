"""``make verify`` as a process of its own: signals that stop it, and the clean-up after it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_role, set_log_role
from testing.verify_account import traces
from verify.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


def start(sandbox: Sandbox, *arguments: str) -> subprocess.Popen[str]:
    """Start the program with the sandbox's environment, as ``make verify`` does."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "src", "HOME": os.devnull, **sandbox.environment()}
    command = [sys.executable, "-m", "verify", "--yes", "--json", "--rate", "8", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def stop(process: subprocess.Popen[str], number: signal.Signals) -> dict[str, Any]:
    """Send the signal. Return the report of the run, once it has ended."""
    try:
        process.send_signal(number)
        out, err = process.communicate(timeout=90)
    finally:
        process.kill()
        process.communicate()
    assert "stopping" in err
    assert process.returncode == 1
    report: dict[str, Any] = json.loads(out)
    return report


def wait_for_call(sandbox: Sandbox, operation: str, count: int = 1) -> None:
    """Wait until the operation was called so many times."""
    sandbox.wait_until(lambda: sum(record.call.operation == operation for record in list(sandbox.calls)) >= count, 60)


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGINT, ()),
        # Fewer points, so that the HTTP API is created seconds earlier.
        (signal.SIGTERM, ("--only", "missing-*")),
        (signal.SIGHUP, ("--only", "missing-*")),
    ],
)
def test_program_stopped_during_the_run_leaves_nothing(
    sandbox: Sandbox, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    before = traces(sandbox)
    process = start(sandbox, *arguments)
    # It has log groups by then, without arguments a REST API too, and is creating an HTTP API.
    wait_for_call(sandbox, "CreateRoute")
    assert traces(sandbox) != before
    assert stop(process, number)["stopped"] is True
    assert traces(sandbox) == before


def test_program_stopped_while_it_deletes_continues_and_prints_its_results(sandbox: Sandbox) -> None:
    before = traces(sandbox)
    process = start(sandbox, "--only", "past-schedule")
    wait_for_call(sandbox, "DeleteSchedule")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert "still deleting" in err
    assert process.returncode == 0
    assert json.loads(out)["stopped"] is False
    assert traces(sandbox) == before


def test_program_stopped_while_another_log_role_is_set_restores_the_former(with_log_role: Sandbox) -> None:
    """It is stopped while it waits a minute for the account to accept the limited role."""
    with_log_role.turn(update_account_tests_all_groups=True)
    before, calls = traces(with_log_role), 1  # by the fixture
    process = start(with_log_role, "--with-account-settings", "--only", "update-account-groups")
    wait_for_call(with_log_role, "UpdateAccount", calls + 1)
    stop(process, signal.SIGINT)
    assert traces(with_log_role) == before


@pytest.mark.parametrize("has_log_role", [True, False])
def test_former_log_role_is_restored_by_a_clean_up_after_the_program_was_killed(
    sandbox: Sandbox, has_log_role: bool
) -> None:
    if has_log_role:
        set_log_role(sandbox, make_role(sandbox))
    before, calls = traces(sandbox), int(has_log_role)
    process = start(sandbox, "--with-account-settings", "--only", "role-without-create-log-group")
    wait_for_call(sandbox, "UpdateAccount", calls + 1)
    process.kill()
    process.communicate()
    assert traces(sandbox)["account"] != before["account"]
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    after = traces(sandbox)
    assert (after["account"], after["roles"]) == (before["account"], before["roles"])


def test_clean_up_after_a_program_that_was_killed_deletes_everything(sandbox: Sandbox) -> None:
    before = traces(sandbox)
    process = start(sandbox)
    wait_for_call(sandbox, "CreateRoute")
    process.kill()
    process.communicate()
    assert traces(sandbox) != before
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    assert traces(sandbox) == before
