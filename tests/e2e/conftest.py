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
from testing.stacks import Deployed


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
    """Deploys the application, with parameters of the template; it waits and paces itself little.

    The second sweep has begun: a test that waits until nothing is under way need not wait for that one.
    """

    def deploy(**parameters: Any) -> Deployed:
        quick = {"SettleSeconds": "0", "SweepRate": "10"}
        deployed = Deployed(account, deployment.deploy(account, quick | parameters))
        deployed.pass_second_sweep()
        return deployed

    return deploy


@pytest.fixture(scope="module", autouse=True)
def _counted(request: pytest.FixtureRequest, shared: Path) -> Iterator[None]:
    """The calls in every account that the module starts are counted, once the module has ended, and written down."""
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
    """Once the last test of a module and its fixtures have ended, other processes see that it has."""
    yield
    if nextitem is None or nextitem.path != item.path:
        (shared_folder(item.config, item.session.config._tmp_path_factory) / f"{item.path.stem}.ended").touch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What compares all modules comes last."""
    items.sort(key=lambda item: item.path.name == "test_permissions.py")
    # Of the others what takes longest comes first, so that no process waits long for the other in the end.
    longest = ("test_removal.py", "test_upgrade.py", "test_regions.py", "test_tools.py")
    ours = [item for item in items if item.path.parent.name == "e2e"]
    ordered = iter(sorted(ours, key=lambda item: item.path.name not in longest))
    items[:] = [next(ordered) if item.path.parent.name == "e2e" else item for item in items]
