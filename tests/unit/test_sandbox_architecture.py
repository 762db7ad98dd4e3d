"""The sandbox's modules import each other in one direction only. Imports under TYPE_CHECKING count too."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from sandbox.core.registry import RULES, rule
from sandbox.services.catalogue import ORDER

ROOT = Path(__file__).parents[2]


def _modules() -> dict[str, Path]:
    paths = (path.relative_to(ROOT) for path in (ROOT / "sandbox").rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def _imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules of the sandbox that this one imports anywhere in its text."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
    return found & known.keys()


MODULES = _modules()


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Return the modules of the sandbox that each of them imports."""
    return {name: _imports(path, MODULES) for name, path in MODULES.items()}


def _service_of(module: str) -> str | None:
    """Return the folder below ``services`` that the module is in, or None."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["sandbox", "services"] and len(parts) > 2 and parts[2] != "catalogue" else None


def test_no_import_cycle(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("sandbox.core")])
def test_core_imports_only_core(module: str, imports: dict[str, set[str]]) -> None:
    assert {each for each in imports[module] if not each.startswith("sandbox.core")} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if _service_of(name)])
def test_service_imports_core_and_services_below_it(module: str, imports: dict[str, set[str]]) -> None:
    service = _service_of(module)
    assert service is not None
    below = ORDER[: ORDER.index(service) + 1]
    allowed = {each for each in imports[module] if each.startswith("sandbox.core") or _service_of(each) in below}
    assert imports[module] - allowed == set()


@pytest.mark.parametrize("module", MODULES)
def test_files_are_under_400_lines(module: str) -> None:
    assert len((ROOT / MODULES[module]).read_text().splitlines()) < 400


def test_moto_is_changed_in_one_module() -> None:
    """Only ``core/moto_patches.py`` assigns to an attribute of moto's classes; mypy needs an exception for each."""
    changing = [name for name, path in MODULES.items() if "type: ignore[method-assign" in (ROOT / path).read_text()]
    assert changing == ["sandbox.core.moto_patches"]


def test_only_assembly_imports_the_catalogue(imports: dict[str, set[str]]) -> None:
    assert [name for name in MODULES if "sandbox.services.catalogue" in imports[name]] == ["sandbox.assembly"]


def test_every_service_folder_is_in_the_catalogue() -> None:
    folders = {service for name in MODULES if (service := _service_of(name))}
    assert folders == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_second_rule_for_one_operation_is_an_error() -> None:
    rule("no-service", "Operation")(lambda *_: {})
    try:
        with pytest.raises(ValueError, match="has a rule already"):
            rule("no-service", "Operation")(lambda *_: {})
    finally:
        del RULES["no-service", "Operation"]
