"""The version of pyproject.toml is the only one, and everything that shows a version shows it."""

from __future__ import annotations

import importlib

import pytest

from sandbox.services.cloudformation import templates
from tools.translate import TEMPLATE
from tools.version import version

PROGRAMS = (
    *("logs.__main__", "preview.__main__", "sandbox.__main__", "sandbox.demo", "tools.behaviour_page"),
    *(
        "tools.glossary",
        "tools.package",
        "tools.pictures",
        "tools.redrive",
        "tools.release",
        "tools.stop",
        "tools.worlds",
        "verify.__main__",
    ),
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_prints_the_version(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(program).main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"log-keeper {version()}\n"


def test_template_shows_the_version_in_its_description_and_its_output_and_gives_it_to_the_functions() -> None:
    template = templates.parse_source(TEMPLATE.read_text())
    assert template["Description"].startswith(f"Log Keeper {version()}: ")
    assert template["Outputs"]["Version"]["Value"] == version()
    assert template["Globals"]["Function"]["Environment"]["Variables"]["VERSION"] == version()
