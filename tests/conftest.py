"""An empty AWS account for a test, and what tests do in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from sandbox.account import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An account in which IAM spreads at once, with the behaviour switches of variable SWITCHES.

    For example, ``SWITCHES='{"refuses_missing_log_groups": true}'`` before a test run.
    """
    with Sandbox(iam_propagation_seconds=0, **json.loads(os.environ.get("SWITCHES", "{}"))) as sandbox:
        yield sandbox


class _ByFile(LoadScopeScheduling):
    """Every file is run by one process, which starts an account for it once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    # Not by groups of xdist's: pytest 9.2 does not know them (pytest-xdist, issue 1386).
    return _ByFile(config, log) if config.getvalue("dist") == "loadscope" else None
