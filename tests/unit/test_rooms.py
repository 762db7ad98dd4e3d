"""Imports point one way: from the door inwards, and the pure rooms reach for nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent.parent / "src"

#: What each room may import of ours, and whether it may import AWS, Powertools, the environment or a clock.
ROOMS: dict[str, set[str]] = {
    "stages": set(),
    "settings": {"access_log_format", "policy"},
    "policy": {"stages"},
    "cloudtrail": {"stages"},
    "access_log_format": {"stages"},
    "aws": set(),
    "rest": {"aws", "policy", "stages"},
    "http_websocket": {"aws", "policy", "stages"},
    "log_groups": set(),
    "schedules": {"aws", "cloudtrail", "settings", "stages"},
    "judgement": {"log_groups", "policy", "settings", "stages"},
    "account_role": {"aws", "settings"},
    "enforcement": {
        "judgement",
        "http_websocket",
        "rest",
        "schedules",
        "account_role",
        "aws",
        "log_groups",
        "policy",
        "settings",
        "stages",
    },
    "change_events": {"cloudtrail", "enforcement"},
    "sweep": {
        "account_role",
        "aws",
        "cloudtrail",
        "http_websocket",
        "judgement",
        "log_groups",
        "rest",
        "settings",
        "stages",
    },
    "reporting": {"account_role", "cloudtrail", "enforcement", "judgement", "stages", "sweep"},
    "preview": {
        "account_role",
        "aws",
        "enforcement",
        "judgement",
        "log_groups",
        "policy",
        "settings",
        "stages",
        "sweep",
    },
    "report_data": {"preview", "settings"},
    "report_html": {"enforcement", "preview", "settings", "stages"},
    "terminal": {"enforcement", "preview", "settings"},
    "__main__": {
        "access_log_format",
        "aws",
        "preview",
        "report_data",
        "report_html",
        "settings",
        "sweep",
        "terminal",
    },
}
PURE = {
    "judgement",
    "stages",
    "settings",
    "policy",
    "cloudtrail",
    "access_log_format",
    "report_data",
    "report_html",
}
IMPURE_MODULES = {"boto3", "botocore", "aws_lambda_powertools", "os", "time", "mypy_boto3_apigateway"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"log_keeper.{alias.name}" for alias in node.names} if node.module == "log_keeper" else {node.module}
            )
    return names


def test_every_room_is_listed() -> None:
    assert {path.stem for path in (SRC / "log_keeper").glob("*.py")} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_stands_further_along(room: str) -> None:
    names = imported(SRC / "log_keeper" / f"{room}.py")
    ours = {name.removeprefix("log_keeper.") for name in names if name.startswith("log_keeper")}
    assert ours <= ROOMS[room]
    assert not any(name.startswith("handlers") for name in names)
    if room in PURE:
        assert not {name.split(".")[0] for name in names} & IMPURE_MODULES


def test_no_handler_reaches_what_its_package_lacks() -> None:
    """rich is for the preview at a terminal; the function's package has none."""
    reached: set[Path] = set()
    waiting = list((SRC / "handlers").glob("*.py"))
    while waiting:
        path = waiting.pop()
        reached.add(path)
        names = imported(path)
        assert "rich" not in {name.split(".")[0] for name in names}
        ours = {SRC / f"{name.replace('.', '/')}.py" for name in names if name.startswith("log_keeper.")}
        waiting += ours - reached
    assert len(reached) > 10
    with_rich = {
        path.stem for path in (SRC / "log_keeper").glob("*.py") if any("rich" in n.split(".") for n in imported(path))
    }
    assert with_rich == {"terminal"}
