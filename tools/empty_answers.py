"""``python -m tools.empty_answers FILE NAME...``, which ``make deploy EMPTY="NAME ..."`` runs: empty saved answers.

``sam deploy --guided`` cannot do it: Enter keeps the last answer.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sandbox.services.cloudformation import templates
from tools.aws_session import ToolError, exit_with, run

_TEMPLATE = Path(__file__).parent.parent / "template.yaml"
#: The line in which sam keeps the answers: ``NAME="value"``, with a backslash before each quotation mark of a value.
_LINE = re.compile(r'^parameter_overrides = "(?!"").*"$', re.MULTILINE)
_ANSWER = re.compile(r"""\b(?!ParameterKey\b)(\w+)=("(?:\\.|[^"\\])*"|[^\s"']+)""")


def emptied(text: str, names: Collection[str]) -> str:
    """Return the text of a file of answers with empty ones for the parameters ``names``.

    Raises ToolError if the file does not keep its answers in one line, as sam writes it.
    """
    answers = _answers(text)
    if answers is None or _ANSWER.sub("", answers).strip() or len(_LINE.findall(text)) != 1:
        raise ToolError("the answers are not in the form in which sam saves them: edit parameter_overrides yourself.")
    kept = _ANSWER.sub(lambda match: f'{match[1]}=""' if match[1] in names else match[0], answers)
    answered = {match[1] for match in _ANSWER.finditer(answers)}
    added = [f'{name}=""' for name in names if name not in answered]
    # A text in JSON is a basic string of TOML too.
    line = f"parameter_overrides = {json.dumps(' '.join([kept, *added]), ensure_ascii=False)}"
    return _LINE.sub(lambda _: line, text)


def _answers(text: str) -> str | None:
    """Return the answers that the file has for ``sam deploy``; None if there are none, or not in one text."""
    try:
        found = tomllib.loads(text)["default"]["deploy"]["parameters"]["parameter_overrides"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def check(names: Collection[str]) -> None:
    """Raise ToolError if one of these is no parameter of the template, or cannot be empty."""
    parameters: dict[str, Any] = templates.parse_source(_TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    for name in names:
        if name not in parameters:
            raise ToolError(f"{name} is no parameter of Log Keeper: docs/parameters.md lists them.")
        if parameters[name]["Default"] != "":
            raise ToolError(f"{name} cannot be empty. Its default is {parameters[name]['Default']}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Empty the answers that the command line names. Return the exit code."""
    parser = argparse.ArgumentParser(prog="make deploy EMPTY=...", description="Empty saved answers of make deploy.")
    parser.add_argument("file", type=Path, help="file of the answers, such as samconfig.local.toml")
    parser.add_argument("names", nargs="+", metavar="NAME", help="parameters to empty, such as OrganizationId")
    arguments = parser.parse_args(argv)
    names = " ".join(arguments.names).replace(",", " ").split()

    def work() -> int:
        check(names)
        if not arguments.file.exists():
            raise ToolError(f"there are no answers in {arguments.file} yet: run make deploy without EMPTY.")
        text = emptied(arguments.file.read_text(encoding="utf-8"), names)
        arguments.file.write_text(text, encoding="utf-8")
        return 0

    return run("deploy", work, "interrupted; nothing was deployed.")


if __name__ == "__main__":
    exit_with("deploy", main)
