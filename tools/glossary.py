"""``python -m tools.glossary [PATH ...]``: list the words that the project does not use, with those to write instead.

The glossary is held in prose: documentation, the template, docstrings, comments, names, and strings that users read. It
prints one line for each occurrence, ``FILE:LINE: WORD -> INSTEAD``, and exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tools.version import add_version

ROOT = Path(__file__).parent.parent

#: What is searched by default: every folder and file in which people read sentences.
SEARCHED = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "template.yaml", "forwarders.yaml"),
    *("organization.yaml", "observability.yaml", "members.yaml", "enforcement.yaml"),
    *("pyproject.toml", "samconfig.toml", "docs", "events", "src", "sandbox", "logs", "preview", "tools", "verify"),
    *("fuzz", "benchmarks", "testing", "tests", "examples"),
)


@dataclass(frozen=True)
class Rule:
    """A word that is not used: a regular expression, the word to write instead, and whether names may have it."""

    pattern: str
    instead: str
    in_names: bool = True

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Yield each occurrence in the text."""
        return re.finditer(self.pattern, text, re.IGNORECASE)


@dataclass(frozen=True)
class Allowed:
    """An occurrence that is right: the expression that contains it, the files (a glob), and the reason."""

    pattern: str
    files: str
    reason: str


@dataclass(frozen=True)
class Piece:
    """One text of a file, with the line on which it begins. ``is_name``: an identifier, as separate words."""

    text: str
    line: int
    is_name: bool = False


@dataclass(frozen=True)
class Occurrence:
    """A word that should be another one."""

    path: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {' '.join(self.word.split())} -> {self.instead}"


#: Of the words in the guide, "way", "goes" and "made" are not here: they are right in most sentences.
RULES = (
    Rule(r"\b(in|out\s+of)[\s-]line\b", "compliant, non-compliant"),
    Rule(r"\b(put(s|ting)?|keep(s|ing)?|kept)(\s+\w+)?\s+right\b", "remediate"),
    Rule(r"\b(mend(s|ed|ing)?)\b", "repair"),
    Rule(r"\blook(s|ed|ing)?\b(?!([\s-]+\w+){0,2}[\s-]+up\b)(?!\s+like\b)", "check, evaluate, read; manage"),
    Rule(r"\bjudg(e|es|ed|ing|ment|ments|ement|ements)\b", "evaluate, evaluation"),
    Rule(r"\bverdicts?\b", "status"),
    Rule(r"\black(s|ed|ing)?\b", "required changes; needs, has no, is missing"),
    Rule(r"\b(told|untold)\b|\b(tell|tells|telling)\s+of\b|\b(hear|hears|heard)\s+of\b", "reported, published, lost"),
    Rule(r"\bdead\b(?![\s-]+letter)", "invalid; stopped, not running"),
    Rule(r"\blive\s+((cloudwatch|log|account)\s+)*roles?\b", "valid role"),
    Rule(r"\b(roles?|it)(\s+\w+){0,2}\s+(is|was|are|were|be|stays|makes)\s+((not|still|already)\s+)?live\b", "valid"),
    Rule(r"\b(ensure|is|make|makes|keep)\s+live\b|\blive\s+(or|and)\s+limited\b", "valid"),
    Rule(r"\bdoors?\b", "handler"),
    Rule(r"\brooms?\b", "module"),
    Rule(r"\bhouses?\b", "codebase"),
    Rule(r"\bkinds?\b", "protocol, type", in_names=False),
    Rule(r"\btug[\s-]of[\s-]war\b", "drift loop"),
    Rule(r"\bbodies\b", "request and response bodies"),
    Rule(r"\bfor\s*ever\b", "never expires, always"),
    Rule(r"\bgone\b", "deleted, ended"),
    Rule(r"\b(goes|went|going)\s+away\b", "is deleted"),
    Rule(r"\b(un)?born\b", "created"),
    # Names that users saw and that were changed.
    Rule(r"\bStages(InLine|Changed|PutRight|OutOfLine|Gone|Seen(InLine|OutOfLine)?)\b", "the metric's new name"),
    Rule(r"\bSecondsToInLine\b", "SecondsToCompliance"),
    Rule(r"\bAccountRoles(Limited|Mended|Dead)\b", "LogRolesLimited, LogRolesRepaired, LogRolesInvalid"),
    Rule(r"\bAllowBodies\b|\bALLOW_BODIES\b|-bodies\b", "AllowDataTrace, -data-trace"),
    Rule(r"\bOwnLogRetentionDays\b", "FunctionLogRetentionDays"),
    Rule(r"\bStage Logging Changed\b", "Stage Logging Remediated"),
    Rule(r"\bwould\s+change\b(?=[\"`'|])", "would be remediated"),
    Rule(r"--look\b", "--list"),
)

ALLOWED = (
    Allowed(r"\brequest\s+(and|or)\s+response\s+bodies\b", "*", "the whole expression, which is the one to write"),
    Allowed(r"\bmessage\s+bodies\b", "*", "what messages of SQS contain"),
    *(
        Allowed(r"^bodies$|\b(request|response)\s+bodies\b", f"{folder}/*", "what messages and HTTP calls contain")
        for folder in ("sandbox", "testing", "tests", "benchmarks", "fuzz")
    ),
    Allowed(r"^dead$|``dead``", "tests/*", "a dead-letter queue of that name"),
    Allowed(r"(?s).*", "tools/glossary.py", "the glossary itself"),
    Allowed(r"(?s).*", "tests/unit/test_glossary.py", "its tests have examples"),
)


def occurrences(paths: Iterable[str]) -> Iterator[Occurrence]:
    """Yield what the glossary forbids in the files that git tracks below ``paths``, relative to the repository."""
    for path in _files(paths):
        file = ROOT / path
        text = file.read_text(encoding="utf-8")
        for piece in python_pieces(text, path) if path.endswith(".py") else [Piece(text, 1)]:
            yield from check(piece, path)


def check(piece: Piece, path: str) -> Iterator[Occurrence]:
    """Yield each forbidden word of one text, but those that an exception covers."""
    rules = (rule for rule in RULES if rule.in_names or not piece.is_name)
    found = [(rule, match) for rule in rules for match in rule.find(piece.text)]
    if not found:
        return
    allowed: list[tuple[int, int]] = [
        match.span()
        for each in ALLOWED
        if fnmatch(path, each.files)
        for match in re.finditer(each.pattern, piece.text, re.IGNORECASE)
    ]
    for rule, match in found:
        if not any(start <= match.start() and match.end() <= end for start, end in allowed):
            line = piece.line + piece.text.count("\n", 0, match.start())
            yield Occurrence(path, line, match.group(), rule.instead)
            allowed.append(match.span())  # reported once, although two rules may find it


def python_pieces(source: str, path: str) -> Iterator[Piece]:
    """Yield what people read in a module: comments, docstrings, the names it defines, and strings that users read."""
    yield from _comments(source)
    tree = ast.parse(source)
    yield from _strings(tree, docstrings_only=not _has_user_strings(path))
    for node in ast.walk(tree):
        for name, line in _names(node):
            yield Piece(_words(name), line, is_name=True)


def _files(paths: Iterable[str]) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    suffixes = (".py", ".md", ".toml", ".yaml", ".js", ".css", "Makefile")
    return sorted(
        path
        for path in set(listed.stdout.splitlines())
        if (path.endswith(suffixes) or path.startswith("events/")) and (ROOT / path).exists()
    )


def _has_user_strings(path: str) -> bool:
    """Tell whether users read strings of the module. The sandbox's strings are AWS's words; those of tests are data."""
    if path in ("sandbox/demo.py", "sandbox/demo_organization.py", "sandbox/demo_output.py", "sandbox/__main__.py"):
        return True
    return path.split("/")[0] in ("src", "logs", "preview", "tools", "verify", "benchmarks")


def _comments(source: str) -> Iterator[Piece]:
    """Yield each block of comments on consecutive lines as one text."""
    block: list[str] = []
    first = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line != first + len(block):
            yield Piece("\n".join(block), first)
            block = []
        if not block:
            first = line
        block.append(token.string.lstrip("#: "))
    if block:
        yield Piece("\n".join(block), first)


def _strings(tree: ast.AST, *, docstrings_only: bool) -> Iterator[Piece]:
    """Yield the docstrings, and unless ``docstrings_only`` all other strings; a placeholder of an f-string is {}."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text), lineno=line)):
                yield Piece(text, line)
            case ast.Constant(value=str(text), lineno=line) if not docstrings_only:
                yield Piece(text, line)
            case ast.JoinedStr(values=values, lineno=line) if not docstrings_only:
                parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
                yield Piece("".join(parts), line)
                for part in values:
                    if isinstance(part, ast.FormattedValue):
                        yield from _strings(part, docstrings_only=False)
            case _:
                yield from _strings(node, docstrings_only=docstrings_only)


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names that the node defines, with their lines."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, node.lineno
        case ast.arg():
            yield node.arg, node.lineno
        case ast.Name(ctx=ast.Store()):
            yield node.id, node.lineno
        case _:
            pass


def _words(name: str) -> str:
    """Return an identifier as words: ``test_live_role`` and ``LiveRole`` as "live role"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """List the occurrences. Return 1 if there is one, and 0 if there is none."""
    parser = argparse.ArgumentParser(prog="python -m tools.glossary", description=(__doc__ or "").split("\n\n")[1])
    add_version(parser)
    parser.add_argument("paths", nargs="*", default=SEARCHED, help="files and folders (default: all that is searched)")
    found = list(occurrences(parser.parse_args(arguments).paths))
    for each in found:
        print(each)  # noqa: T201 -- a command line program
    if found:
        print(f"{len(found)} occurrences", file=sys.stderr)  # noqa: T201 -- a command line program
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
