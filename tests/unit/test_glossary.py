"""One word for one thing: the project's texts and names do without the words that the glossary replaces."""

from __future__ import annotations

import pytest

from tools import glossary
from tools.glossary import Piece

#: Folders and files that are held to the glossary.
CLEAN: tuple[str, ...] = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml", "samconfig.toml"),
    *("README.md", "docs", "Makefile", "template.yaml", "forwarders.yaml", "events", "preview", "tools", "verify"),
    *("organization.yaml", "observability.yaml", "members.yaml", "enforcement.yaml"),
    *("benchmarks", "fuzz", "sandbox", "src", "testing", "tests"),
)


def words_in(text: str, path: str = "docs/page.md") -> list[str]:
    """Return the forbidden words of a text."""
    return [each.word for each in glossary.check(Piece(text, 1), path)]


def words_in_module(source: str, path: str = "src/module.py") -> list[str]:
    """Return the forbidden words of a module."""
    return [each.word for piece in glossary.python_pieces(source, path) for each in glossary.check(piece, path)]


def test_words_of_the_glossary_are_used() -> None:
    found = [str(each) for each in glossary.occurrences(CLEAN)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "The stage is in line.",
        "It is out\nof line.",
        "Three stages were put right.",
        "What the log group lacks.",
        "Nobody is told of it.",
        "A dead log role.",
        "The account has a live CloudWatch log role.",
        "It is kept for ever.",
        "The stage is gone.",
        "Response bodies are logged.",
        "| `StagesInLine` | how many |",
    ],
)
def test_old_word_is_found(text: str) -> None:
    assert words_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "The stage is compliant.",
        "Request and response bodies are logged.",
        "It is kept in the dead-letter queue.",
        "Look up the API by its name.",
        "The thread is alive.",
        "The stage looks like one of a canary.",
    ],
)
def test_other_senses_are_allowed(text: str) -> None:
    assert words_in(text) == []


def test_names_comments_docstrings_and_user_strings_of_a_module_are_searched() -> None:
    source = '''
"""A module for stages in line."""

# It tells of
# each stage.
def mend(judgement):
    verdict = f"{judgement} is gone"
    return verdict
'''
    assert sorted(words_in_module(source)) == ["gone", "in line", "judgement", "mend", "tells of", "verdict"]


def test_strings_of_tests_are_data() -> None:
    assert words_in_module('NAME = "gone"', "tests/test_module.py") == []
    assert words_in_module('NAME = "gone"', "preview/module.py") == ["gone"]


def test_occurrence_names_file_line_and_the_word_to_write() -> None:
    [found] = glossary.check(Piece("A stage.\nIt is gone.", 7), "docs/page.md")
    assert str(found) == "docs/page.md:8: gone -> deleted, ended"


def test_command_lists_occurrences(capsys: pytest.CaptureFixture[str]) -> None:
    assert glossary.main(["pyproject.toml"]) == 0
    assert capsys.readouterr().out == ""
