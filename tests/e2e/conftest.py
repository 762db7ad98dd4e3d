"""The application, deployed by the real ``sam`` into the sandbox account. Tests drive it through AWS's APIs only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import make_role, set_log_role
from testing.permissions import Usage
from testing.processes import shared_folder
from testing.stacks import Deployed, pass_time_until_idle


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Start an account with a valid log role, since creating one takes ten seconds.

    A module with ``HAS_LOG_ROLE = False`` gets an account without one.
    """
    with Sandbox(iam_propagation_seconds=1, clock=MovableClock()) as sandbox:
        if getattr(request.module, "HAS_LOG_ROLE", True):
            arn = make_role(sandbox, "LongThere")
            sandbox.role_changes.clear()
            set_log_role(sandbox, arn)
        yield sandbox


@pytest.fixture(scope="module")
def deploy(account: Sandbox, built: None) -> Callable[..., Deployed]:
    """Return a function that deploys the application, with parameters of the template and short waits.

    Both sweeps that follow a deployment have ended when the function returns, so that they are not counted with what a
    test causes, and do not create the log role while the first stage waits for it.
    """

    def deploy(**parameters: Any) -> Deployed:
        quick = {"SettleSeconds": "0", "SweepRate": "10"}
        deployed = Deployed(account, deployment.deploy(account, quick | parameters))
        pass_time_until_idle(account)
        return deployed

    return deploy


@pytest.fixture(scope="module", autouse=True)
def _counted(request: pytest.FixtureRequest, shared: Path) -> Iterator[None]:
    """Count the calls in every account that the module starts, and write the numbers to a file after the module."""
    usage, started = Usage(), list[Sandbox]()
    start = Sandbox.start

    def start_and_tell(sandbox: Sandbox) -> Sandbox:
        started.append(sandbox)
        return start(sandbox)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "start", start_and_tell)
        yield
    for sandbox in started:
        usage.add(sandbox)
    usage.write(shared / f"{request.path.stem}.usage.json")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Create a file when a module and its fixtures have ended, so that other processes know it."""
    yield
    if nextitem is None or nextitem.path != item.path:
        (shared_folder(item.config, item.session.config._tmp_path_factory) / f"{item.path.stem}.ended").touch()
