"""The application, deployed by the real ``sam`` into the sandbox account. Tests drive it through AWS's APIs only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import deployment
from sandbox.account import Sandbox
from stacks import Deployed


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=1) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def deploy(account: Sandbox) -> Callable[..., Deployed]:
    """Builds and deploys the application, with parameters of the template."""

    def deploy(**parameters: Any) -> Deployed:
        deployment.build(account)
        return Deployed(account, deployment.deploy(account, {"SettleSeconds": "0"} | parameters))

    return deploy
