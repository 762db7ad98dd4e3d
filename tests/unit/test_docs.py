"""The README is short, and every link of every page has a target."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from testing.service_control_policies import OPTIONAL, PROTECTION, statements

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"))
)


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures, except those outside the repository."""
    text = re.sub(r"`[^`\n]+`", "`code`", prose(page))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)
    return [target for target in targets if not target.startswith(("https://", "mailto:"))]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", PAGES)
def test_every_link_has_a_target(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_is_linked() -> None:
    linked = {
        (ROOT / name).parent.joinpath(link.partition("#")[0]).resolve() for name in PAGES for link in links(ROOT / name)
    }
    folders = {path for path in linked if path.is_dir()}
    pages = {ROOT / name for name in PAGES if name != "README.md"}
    assert {page for page in pages if page not in linked and page.parent not in folders} == set()


def test_readme_has_the_costs_of_the_page_about_costs() -> None:
    section = (ROOT / "README.md").read_text().split("\n## What it costs\n", 1)[1].split("\n## ", 1)[0]
    figures = re.findall(r"\d+\.\d+|\d,\d{3}(?= at)|\d{3}(?= USD| at)", section)
    assert len(figures) == 6
    page = (ROOT / "docs" / "cost.md").read_text()
    assert [figure for figure in figures if not re.search(rf"(?<![\d.,]){figure}(?![\d.,])", page)] == []


def test_page_about_organizations_has_the_costs_of_the_page_about_costs() -> None:
    text = (ROOT / "docs" / "organization.md").read_text()
    section = text.split("\n## What it costs\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.replace("*", "") for line in section.splitlines() if re.match(r"\|.*\d", line)]
    page = (ROOT / "docs" / "cost.md").read_text().replace("*", "")
    assert len(rows) == 3
    assert [row for row in rows if row not in page] == []


def test_page_about_organizations_explains_each_statement_of_the_service_control_policies() -> None:
    text = (ROOT / "docs" / "organization.md").read_text()
    explained = re.findall(r"^\| `(Keep\w+)` \|", text, re.MULTILINE)
    assert explained == [each["Sid"] for name in (PROTECTION, OPTIONAL) for each in statements(name)]


def test_architecture_names_modules_that_exist() -> None:
    """Paths are relative to the repository, to ``src`` or to ``src/log_keeper``."""
    named = set(
        re.findall(r"`((?:\w+/)*\w+(?:\.py|\.yaml)|(?:\w+/)+)`", (ROOT / "docs" / "architecture.md").read_text())
    )
    places = (ROOT, ROOT / "src", ROOT / "src" / "log_keeper")
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()


def test_every_module_of_the_core_is_explained() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    modules = {path.name for path in (ROOT / "src" / "log_keeper").glob("*.py") if path.stem != "__init__"}
    assert {name for name in modules if name not in text} == set()


def make(*arguments: str, **environment: str) -> str:
    """Return what make prints. The Makefile is the repository's."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE"))}
    program = shutil.which("make")
    assert program
    return subprocess.run(
        [program, *arguments], cwd=ROOT, env=variables | environment, capture_output=True, text=True, check=True
    ).stdout


def test_every_target_that_a_page_names_is_in_the_list_of_make() -> None:
    listed = set(re.findall(r"^  make ([a-z]+) ", make("help"), re.MULTILINE))
    named = {
        target
        for name in PAGES
        for target in re.findall(r"(?:^\$ |`)make\s+([a-z]+)\b", (ROOT / name).read_text(), re.MULTILINE)
    }
    assert {"deploy", "preview", "setup"} <= named
    assert named - listed == set()


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("logs", ["--stage", "$default"]),
        ("preview", ["--access-log-group-name", "/access-logs/${apiId}/${stage}"]),
        ("preview", ["--http-access-log-format", '{"id":"$context.requestId"}']),
    ],
)
def test_make_passes_on_arguments_with_a_dollar_sign(target: str, arguments: list[str]) -> None:
    command = make("--dry-run", target, f"ARGS={shlex.join(arguments)}").splitlines()[-1]
    assert shlex.split(command.partition(" || ")[0])[4:] == arguments


@pytest.mark.parametrize(
    ("environment", "answers"),
    [({}, "samconfig.local.toml"), ({"AWS_ENDPOINT_URL": "http://localhost:4599"}, "samconfig.sandbox.toml")],
    ids=["AWS", "sandbox account"],
)
def test_answers_for_the_sandbox_account_are_kept_apart(environment: dict[str, str], answers: str) -> None:
    commands = make("--dry-run", "deploy", **environment)
    assert set(re.findall(r"--config-file (\S+)", commands)) == {answers}
    assert answers in (ROOT / ".gitignore").read_text().splitlines()


def test_make_deploy_empties_saved_answers_before_it_deploys() -> None:
    commands = make("--dry-run", "deploy", "EMPTY=MemberOUs EnforceOUs")
    emptying = "-m tools.empty_answers samconfig.local.toml MemberOUs EnforceOUs"
    assert 0 < commands.find(emptying) < commands.find(" deploy --guided")
    assert "tools.empty_answers" not in make("--dry-run", "deploy")
