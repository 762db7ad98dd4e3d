"""Fixtures for all tests: an empty AWS account, and the built application."""

from __future__ import annotations

import fcntl
import gc
import itertools
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

# A fifth of the tests' time was spent in searches for cycles among the objects of all modules and descriptions of AWS,
# which stay until the end. Fewer searches take 50 MB more memory in each process.
gc.set_threshold(50_000, 20, 100)

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


#: Folders of tests that mostly compute, and whose failures are the first to be known.
_FIRST = ("unit", "template")
#: Folders of tests that mostly wait: for the functions' processes, for sam, for an account's time.
_WAITING = ("e2e", "applications")
#: Folders of short tests, with which the processes end at about the same time.
_LAST = ("sandbox", "recorded")
#: The longest files of the folders that wait. They come first in them.
_LONGEST = (
    "test_organization_story.py",
    "test_removal.py",
    "test_upgrade.py",
    "test_sweep.py",
    "test_protocols.py",
    "test_release.py",
    "test_regions.py",
)


def pytest_collection_finish() -> None:
    """Keep what was imported out of the searches for cycles."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait over those that compute, so that the processor has work at all times."""
    scopes = {name: list(tests) for name, tests in itertools.groupby(items, key=lambda item: _scope(item.nodeid))}
    folders = {name: name.split("/")[1] for name in scopes}
    compares_all = "tests/e2e/test_permissions.py"
    waiting = [name for name in scopes if folders[name] in _WAITING and name != compares_all]
    waiting.sort(key=lambda name: Path(name).name not in _LONGEST)
    computing = [name for name in scopes if folders[name] not in (*_FIRST, *_WAITING, *_LAST)]
    ordered = [
        *(name for name in scopes if folders[name] in _FIRST),
        *_spread(waiting, computing),
        *(name for name in scopes if folders[name] in _LAST),
        *(name for name in scopes if name == compares_all),
    ]
    items[:] = [test for name in ordered for test in scopes[name]]


def _spread(some: list[str], others: list[str]) -> list[str]:
    """Return both lists as one, each in its order and evenly spread."""
    placed = [((number + 0.5) / len(names), name) for names in (some, others) for number, name in enumerate(names)]
    return [name for _, name in sorted(placed, key=lambda place: place[0])]


def _scope(nodeid: str) -> str:
    """Return the file of a test. All files of applications are one scope, since they share an account."""
    applications = "tests/applications"
    return applications if nodeid.startswith(f"{applications}/") else nodeid.partition("::")[0]


class _ByFile(LoadScopeScheduling):
    """Run each file in one process, which starts one account for it. All files of applications run in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    # Not with groups of xdist: they do not work with pytest 9.2 (pytest-xdist, issue 1386).
    return _ByFile(config, log) if config.getvalue("dist") == "loadscope" else None
