"""Fixtures for all tests: an empty AWS account, and the built application."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.behaviour import Behaviour
from testing import quick_clients, warm_processes
from testing.packed_build import pack
from testing.processes import shared_folder

quick_clients.install()
deployment.run_process = warm_processes.run_tool

#: The behaviour of each account that the tests start, unless a test sets another (``make worlds``). For example,
#: ``SWITCHES='{"refuses_missing_log_groups": true}'`` before a test run.
Sandbox.default_behaviour = Behaviour(**json.loads(os.environ.get("SWITCHES", "{}")))


def pytest_report_header() -> str | None:
    """Return the behaviour switches of this run, if they are not the defaults."""
    return f"world: {os.environ['SWITCHES']}" if "SWITCHES" in os.environ else None


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An account in which changes of IAM are in effect at once."""
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    return shared_folder(request.config, tmp_path_factory)


@pytest.fixture(scope="session")
def built(shared: Path) -> None:
    """Build the application once for all deployments, in the first process that needs it."""
    done = shared / "built"
    with (shared / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            with Sandbox() as sandbox:
                deployment.build(sandbox)
            pack(deployment.ROOT)
            done.touch()


class _ByFile(LoadScopeScheduling):
    """Run each file in one process, which starts one account for it. All files of applications run in one process."""

    def _split_scope(self, nodeid: str) -> str:
        applications = "tests/applications/"
        return applications if nodeid.startswith(applications) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    # Not with groups of xdist: they do not work with pytest 9.2 (pytest-xdist, issue 1386).
    return _ByFile(config, log) if config.getvalue("dist") == "loadscope" else None
