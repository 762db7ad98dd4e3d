"""Imports point one way: from the door inwards, and the pure rooms reach for nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SRC = ROOT / "src"

#: What each room may import of ours, and whether it may import AWS, Powertools, the environment or a clock.
ROOMS: dict[str, set[str]] = {
    "stages": set(),
    "settings": {"access_log_format", "policy"},
    "policy": {"stages"},
    "hints": {"stages"},
    "stage_arns": {"stages"},
    "execution_logs": {"stages"},
    "delivery_events": {"execution_logs", "hints"},
    "delivery_reading": {"aws", "execution_logs", "hints", "settings", "stages"},
    "cloudtrail": {"delivery_events", "hints", "stage_arns", "stages"},
    "access_log_format": {"stages"},
    "pace": set(),
    "aws": {"pace"},
    "rest": {"aws", "policy", "stages"},
    "http_websocket": {"aws", "policy", "stages"},
    "log_groups": set(),
    "log_group_reading": {"aws", "log_groups"},
    "schedules": {"aws", "cloudtrail", "hints", "settings", "stages"},
    "destinations": {"aws", "hints", "judgement", "schedules", "settings", "stages"},
    "results": {"judgement", "log_groups", "policy", "stages"},
    "remediation": {
        "account_role",
        "aws",
        "http_websocket",
        "judgement",
        "log_groups",
        "policy",
        "resource_policies",
        "rest",
        "results",
        "stages",
    },
    "log_role": {"log_groups", "stages"},
    "judgement": {"execution_logs", "log_delivery", "log_groups", "log_role", "policy", "settings", "stages"},
    "role_reading": {"aws", "log_groups", "log_role", "settings"},
    "account_role": {"aws", "log_role", "role_reading", "settings"},
    "facts": {
        "delivery_reading",
        "execution_logs",
        "log_role",
        "aws",
        "judgement",
        "log_delivery",
        "log_group_reading",
        "log_groups",
        "resource_policies",
        "role_reading",
        "settings",
        "stages",
    },
    "log_delivery": set(),
    "resource_policies": {"aws", "log_delivery"},
    "enforcement": {
        "delivery_reading",
        "destinations",
        "facts",
        "hints",
        "judgement",
        "remediation",
        "results",
        "http_websocket",
        "rest",
        "schedules",
        "account_role",
        "aws",
        "log_groups",
        "policy",
        "role_reading",
        "settings",
        "stages",
    },
    "forwarding": {"aws", "judgement", "settings"},
    "change_events": {"hints", "log_groups", "results"},
    "inventory": {
        "aws",
        "facts",
        "http_websocket",
        "judgement",
        "rest",
        "role_reading",
        "settings",
        "stages",
    },
    "trails": {"aws"},
    "work": {"cloudtrail", "stages"},
    "repairs": {"aws", "cloudtrail", "judgement", "pace", "settings", "stages"},
    "sweep": {
        "account_role",
        "aws",
        "cloudtrail",
        "forwarding",
        "inventory",
        "judgement",
        "repairs",
        "settings",
        "stages",
        "trails",
        "work",
    },
    "reporting": {"account_role", "cloudtrail", "hints", "judgement", "results", "stages", "sweep"},
    # It hands over to the preview by name, where there is one.
    "__main__": set(),
}
#: The same of the preview's rooms: of their own, and of the rooms above. Those know nothing of these.
PREVIEW: dict[str, set[str]] = {
    "outcomes": {"log_keeper.results"},
    "model": {
        "log_keeper.account_role",
        "log_keeper.results",
        "log_keeper.judgement",
        "log_keeper.settings",
        "log_keeper.stages",
        "preview.outcomes",
    },
    "words": {
        "log_keeper.account_role",
        "log_keeper.results",
        "log_keeper.judgement",
        "log_keeper.log_groups",
        "log_keeper.policy",
        "log_keeper.settings",
        "log_keeper.stages",
        "preview.model",
    },
    "reading": {
        "log_keeper.account_role",
        "log_keeper.aws",
        "log_keeper.results",
        "log_keeper.settings",
        "log_keeper.stages",
        "log_keeper.inventory",
        "log_keeper.trails",
        "preview.model",
        "preview.words",
        # What the command line tools share.
        "tools.aws_session",
    },
    "report_data": {"log_keeper.settings", "preview.model", "preview.outcomes", "preview.words"},
    "report_html": {
        "log_keeper.results",
        "log_keeper.settings",
        "log_keeper.stages",
        "preview.model",
        "preview.outcomes",
        "preview.words",
    },
    "report_terminal": {
        "log_keeper.results",
        "log_keeper.settings",
        "preview.model",
        "preview.outcomes",
        "preview.reading",
        "preview.words",
    },
    "__main__": {
        "log_keeper.access_log_format",
        "log_keeper.aws",
        "log_keeper.pace",
        "log_keeper.settings",
        "preview.model",
        "preview.reading",
        "preview.report_data",
        "preview.report_html",
        "preview.report_terminal",
        "tools.aws_session",
    },
}
PURE = {
    "execution_logs",
    "delivery_events",
    "log_role",
    "judgement",
    "log_delivery",
    "stages",
    "settings",
    "policy",
    "stage_arns",
    "cloudtrail",
    "hints",
    "work",
    "results",
    "access_log_format",
}
PURE_OF_PREVIEW = {"model", "outcomes", "report_data", "report_html", "words"}
IMPURE_MODULES = {"boto3", "botocore", "aws_lambda_powertools", "os", "time", "mypy_boto3_apigateway"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            is_package = node.module in ("log_keeper", "preview", "tools")
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if is_package else {node.module}
    return names


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_every_room_is_listed() -> None:
    assert {path.stem for path in (SRC / "log_keeper").glob("*.py")} - {"__init__"} == set(ROOMS)
    assert {path.stem for path in (ROOT / "preview").glob("*.py")} - {"__init__"} == set(PREVIEW)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_stands_further_along(room: str) -> None:
    names = imported(SRC / "log_keeper" / f"{room}.py")
    ours = {name.removeprefix("log_keeper.") for name in names if name.startswith("log_keeper")}
    assert ours <= ROOMS[room]
    assert not {"handlers", "preview", "sandbox", "tools"} & packages(names)
    if room in PURE:
        assert not packages(names) & IMPURE_MODULES


@pytest.mark.parametrize("room", PREVIEW)
def test_room_of_the_preview_imports_only_what_stands_further_along(room: str) -> None:
    names = imported(ROOT / "preview" / f"{room}.py")
    assert {name for name in names if name.startswith(("log_keeper", "preview", "tools"))} <= PREVIEW[room]
    assert not {"handlers", "sandbox"} & packages(names)
    if room in PURE_OF_PREVIEW:
        assert not packages(names) & IMPURE_MODULES
    # Who has no rich can still have JSON, CSV and the page.
    assert ("rich" in packages(names)) == (room == "report_terminal")


def test_verify_knows_nothing_of_the_sandbox_and_little_of_log_keeper() -> None:
    """Its answers are to be compared with the sandbox's, and must not come from there."""
    for path in (ROOT / "verify").glob("*.py"):
        names = imported(path)
        assert not {"handlers", "preview", "sandbox", "rich"} & packages(names)
        ours = {name for name in names if name.startswith(("log_keeper", "tools"))}
        assert ours <= {"log_keeper.aws", "log_keeper.pace", "tools.aws_session"}


def test_what_the_tools_share_knows_none_of_them() -> None:
    names = imported(ROOT / "tools" / "aws_session.py")
    assert {name for name in names if name.startswith(("log_keeper", "preview", "tools"))} == {"log_keeper.aws"}
    assert "rich" not in packages(names)


def test_no_handler_reaches_what_its_package_lacks() -> None:
    """The package has neither the preview nor rich, which is for the preview at a terminal."""
    reached: set[Path] = set()
    waiting = list((SRC / "handlers").glob("*.py"))
    while waiting:
        path = waiting.pop()
        reached.add(path)
        names = imported(path)
        assert not {"preview", "rich", "sandbox", "tools"} & packages(names)
        ours = {SRC / f"{name.replace('.', '/')}.py" for name in names if name.startswith("log_keeper.")}
        waiting += ours - reached
    assert len(reached) > 10
