"""Imports go in one direction through the folders of ``src/``, and pure modules call nothing outside."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SRC = ROOT / "src"

#: The parts of ``log_keeper`` in order: each module imports from its own part and from those before it.
ORDER = (
    {"names"},
    {"stages"},
    {"log_group_names"},
    {"events"},
    {"policy"},
    {"variables", "settings"},
    {"aws"},
    # One stage.
    {
        "time_budget",
        "log_roles",
        "facts",
        "shared_facts",
        "destinations",
        "remediation",
        "own_formats",
        "log_forwarding",
    },
    {"known_stages", "enforcement"},
    # One region.
    {"inventory", "sweep"},
    {"reporting"},
    # From an event to the work on stages, and its reports.
    {"following"},
    # All accounts.
    {"turns", "postponement", "governed_accounts", "organization_sweep", "sweeps"},
)
#: Folders without calls of AWS, environment variables and the clock.
PURE = ("events", "policy", "names", "stages", "log_group_names", "variables", "settings")
IMPURE_MODULES = {"boto3", "botocore", "aws_lambda_powertools", "os", "time"}
#: Modules of tools/ that other programs import.
SHARED_TOOLS = {"tools.aws_session", "tools.version"}
#: Calls that create a client of AWS. Errors of botocore may be caught anywhere except in pure folders.
CALLS_OF_AWS = ("boto3", "botocore.session", "botocore.client")

PREVIEW = [path.stem for path in sorted((ROOT / "preview").glob("*.py"))]
#: Modules that call AWS, read the command line or write to the terminal.
IMPURE_OF_PREVIEW = {"__main__", "accounts", "organization", "reading", "report_terminal", "roles"}

LOGS = [path.stem for path in sorted((ROOT / "logs").glob("*.py"))]
#: Modules that call AWS, read the command line or write to the terminal.
IMPURE_OF_LOGS = {"__main__", "following", "insights", "locating", "reading", "report_terminal", "searching"}

#: Lines of the entry points, which only translate. Any other module has at most 250.
LONGEST = {"handlers.enforce": 100, "handlers.sweep": 60, "handlers.runtime": 60}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(SRC.rglob("*.py"))}


def imported(path: Path) -> set[str]:
    """Return every module that the file imports, also where only types are checked."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            is_package = node.module in ("log_keeper", "logs", "preview", "tools") or members & MODULES.keys()
            names |= members if is_package else {node.module}
    return names


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def part_of(module: str) -> int:
    """Return the place in ORDER of a module of ``log_keeper``."""
    part = module.split(".")[1]
    return next(place for place, parts in enumerate(ORDER) if part in parts)


def is_pure(module: str) -> bool:
    return module.startswith("log_keeper.") and module.split(".")[1] in PURE


def test_every_module_has_a_place_in_the_order() -> None:
    found = {module.split(".")[1] for module in MODULES if module.startswith("log_keeper.")}
    assert found == set().union(*ORDER)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("log_keeper.")])
def test_module_imports_only_from_its_own_part_and_earlier_ones(module: str) -> None:
    names = imported(MODULES[module])
    ours = {name for name in names if name.startswith("log_keeper.")}
    assert {name for name in ours if part_of(name) > part_of(module)} == set()
    assert not {"handlers", "preview", "sandbox", "tools"} & packages(names)


@pytest.mark.parametrize("module", [name for name in MODULES if is_pure(name)])
def test_pure_module_imports_neither_aws_nor_the_environment_nor_a_clock(module: str) -> None:
    names = packages(imported(MODULES[module]))
    assert not names & IMPURE_MODULES
    assert not {name for name in names if name.startswith("mypy_boto3")}


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name.startswith("log_keeper.") and not name.startswith("log_keeper.aws")]
)
def test_only_the_folder_aws_makes_clients(module: str) -> None:
    assert not {name for name in imported(MODULES[module]) if name in CALLS_OF_AWS}


def test_no_import_cycle() -> None:
    graph = {module: imported(path) & MODULES.keys() for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_are_short(module: str) -> None:
    source = MODULES[module].read_text()
    assert source.count("\n") <= LONGEST.get(module, 250)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < 40, node.name


def test_handlers_are_imported_by_handlers_only() -> None:
    for module, path in MODULES.items():
        if not module.startswith("handlers"):
            assert "handlers" not in packages(imported(path)), module


@pytest.mark.parametrize("module", PREVIEW)
def test_preview_imports_neither_handlers_nor_the_sandbox(module: str) -> None:
    names = imported(ROOT / "preview" / f"{module}.py")
    assert not {"handlers", "sandbox"} & packages(names)
    assert {name for name in names if name.startswith("tools")} <= SHARED_TOOLS
    if module not in IMPURE_OF_PREVIEW:
        assert not packages(names) & IMPURE_MODULES
        assert not {"preview.reading", "preview.report_terminal", "tools.aws_session"} & names
    # Without rich, JSON, CSV and the page still work.
    assert ("rich" in packages(names)) == (module == "report_terminal")


@pytest.mark.parametrize("module", LOGS)
def test_logs_import_neither_handlers_nor_the_sandbox_and_little_of_the_preview(module: str) -> None:
    names = imported(ROOT / "logs" / f"{module}.py")
    assert not {"handlers", "sandbox", "verify"} & packages(names)
    assert {name for name in names if name.startswith("tools")} <= SHARED_TOOLS
    assert {name for name in names if name.startswith("preview.")} <= {
        "preview.html_page",
        "preview.reading",
        "preview.words",
    }
    if module not in IMPURE_OF_LOGS:
        assert not packages(names) & IMPURE_MODULES
        impure = {f"logs.{name}" for name in IMPURE_OF_LOGS}
        assert not {"preview.reading", "tools.aws_session", *impure} & names
    assert ("rich" in packages(names)) == (module == "report_terminal")


def test_verify_imports_nothing_of_the_sandbox_and_little_of_log_keeper() -> None:
    """Its answers are compared with the sandbox's, so they must not come from there."""
    for path in (ROOT / "verify").glob("*.py"):
        names = imported(path)
        assert not {"handlers", "preview", "sandbox", "rich"} & packages(names)
        ours = {name for name in names if name.startswith(("log_keeper", "tools"))}
        assert ours <= {"log_keeper.aws.clients", "log_keeper.aws.errors", "log_keeper.aws.pace"} | SHARED_TOOLS


def test_shared_modules_of_tools_import_no_tool() -> None:
    names = imported(ROOT / "tools" / "aws_session.py")
    assert {name for name in names if name.startswith(("log_keeper", "preview", "tools"))} == {"log_keeper.aws.errors"}
    assert "rich" not in packages(names)


def test_no_handler_imports_what_its_package_does_not_have() -> None:
    """The package has neither the preview nor rich, which the preview uses at a terminal."""
    reached: set[str] = set()
    waiting = {module for module in MODULES if module.startswith("handlers")}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        names = imported(MODULES[module])
        assert not {"preview", "rich", "sandbox", "tools"} & packages(names)
        waiting |= (names & MODULES.keys()) - reached
    assert len(reached) > 10
