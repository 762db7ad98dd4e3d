"""The programs of docs/sandbox.md run as they are printed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.deployment import ROOT

PROGRAMS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "sandbox.md").read_text(), re.MULTILINE | re.DOTALL)


def run(program: str, **names: Any) -> None:
    """Run a program of the page, with the names that an earlier one has defined."""
    exec(compile(program, "docs/sandbox.md", "exec"), names)


def test_first_program_starts_an_account(capsys: pytest.CaptureFixture[str]) -> None:
    run(PROGRAMS[0])
    assert "CreateLogGroup" in capsys.readouterr().out


def test_second_program_adds_an_account(sandbox: Sandbox) -> None:
    run(PROGRAMS[1], sandbox=sandbox)
    member = sandbox.accounts.get("210987654321")
    assert member
    assert [api["name"] for api in member.client("apigateway").get_rest_apis()["items"]] == ["shop"]
