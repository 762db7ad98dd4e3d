"""Recorded answers of AWS as data: each case repeats a few calls and says what AWS answered to them.

The ``*.yaml`` files in ``tests/recorded`` hold the cases, one file for each part of AWS. ``steps.yaml`` holds the
preparations that cases share (``given``). Every fact was written down by hand from a public recording, which its
``source`` names with the date of the recording; no file of a recording is copied.

A case has a name, a source and steps. A step is a ``call`` (``service.operation``, parameters in ``with``) or a
``record`` (the newest CloudTrail record of that event name), and may say:

* ``answer``: members of the answer and their values. Other members are not compared.
* ``error``: code, message and HTTP status of the refusal.
* ``save``: names for values of the answer, for ``${name}`` in later steps.
* ``each``: the step is repeated with the variables of each entry.
* ``as``: the credentials that the call is made with; ``region``: where (us-east-1 if not said).

Tags of values: ``!absent``, ``!any`` (there, whatever it is), ``!re`` (matches the regular expression), ``!starts``
(begins with the text), ``!only`` (no other members), ``!json`` (JSON text with this content, in parameters too).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "tests" / "recorded"
PREPARATIONS = "steps.yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """Where and when AWS was recorded."""

    repository: str
    path: str
    #: Day of the recording: ``2026-02-03``, or the year alone.
    date: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with a tag: ``absent``, ``any``, ``re``, ``starts``, ``only`` or ``json``."""

    tag: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or one read of the newest CloudTrail record of an event name."""

    call: str | None
    record: str | None
    parameters: Any
    credentials: str | None
    region: str
    #: None where only the success of the call matters.
    answer: Any
    error: Mapping[str, Any] | None
    save: Mapping[str, str]
    each: tuple[Mapping[str, Any], ...]

    @property
    def checks(self) -> int:
        """Return how many facts the step asserts: the values of its answer, or its refusal."""
        facts = 1 if self.error else _leaves(self.answer)
        return facts * len(self.each)


@dataclass(frozen=True, slots=True)
class Case:
    """A recorded behaviour of AWS as steps to repeat."""

    part: str
    name: str
    source: Source
    given: tuple[Step, ...]
    steps: tuple[Step, ...]
    #: What an older recording shows instead; empty if there is none.
    note: str

    @property
    def checks(self) -> int:
        return sum(step.checks for step in self.steps)


def count() -> int:
    """Return how many recorded facts are checked."""
    return sum(case.checks for case in cases())


def parts() -> dict[str, int]:
    """Return the number of recorded facts by part of AWS, in alphabetical order."""
    found: dict[str, int] = {}
    for case in cases():
        found[case.part] = found.get(case.part, 0) + case.checks
    return found


@cache
def cases() -> tuple[Case, ...]:
    """Return all cases. Raise ValueError for a file with an unknown or a missing member."""
    given = {name: _steps(steps) for name, steps in _read(FOLDER / PREPARATIONS).items()}
    return tuple(_cases(given))


def _cases(given: Mapping[str, tuple[Step, ...]]) -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name == PREPARATIONS:
            continue
        document = _read(path)
        sources = {name: Source(**source) for name, source in document.pop("sources").items()}
        for case in document.pop("cases"):
            yield Case(
                part=path.stem,
                name=case.pop("name"),
                source=sources[case.pop("source")],
                given=tuple(step for name in case.pop("given", ()) for step in given[name]),
                steps=_steps(case.pop("steps")),
                note=case.pop("note", ""),
            )
            _refuse_rest(path, case)
        _refuse_rest(path, document)


def _steps(steps: list[dict[str, Any]]) -> tuple[Step, ...]:
    made = []
    for step in steps:
        made.append(
            Step(
                call=step.pop("call", None),
                record=step.pop("record", None),
                parameters=step.pop("with", {}),
                credentials=step.pop("as", None),
                region=step.pop("region", "us-east-1"),
                answer=step.pop("answer", None),
                error=step.pop("error", None),
                save=step.pop("save", {}),
                each=tuple(step.pop("each", ({},))),
            )
        )
        _refuse_rest(made[-1], step)
        if (made[-1].call is None) == (made[-1].record is None):
            raise ValueError(f"A step is either a call or a record: {made[-1]}")
    return tuple(made)


def _refuse_rest(place: object, rest: Mapping[str, Any]) -> None:
    if rest:
        raise ValueError(f"{place}: unknown {sorted(rest)}")


def _leaves(expected: Any) -> int:
    match expected:
        case None:
            return 0
        case Tagged("only", value):
            return 1 + _leaves(value)
        case Tagged("json", value):
            return _leaves(value)
        case dict() | list() if expected:
            members = expected.values() if isinstance(expected, dict) else expected
            return sum(1 if member is None else _leaves(member) for member in members)
        case _:
            return 1


class _Loader(yaml.CSafeLoader):
    """YAML in which ``OFF`` and dates are text, and no member is given twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found = super().construct_mapping(node, deep=True)
        if len(found) != len(node.value):
            raise ValueError(f"A member is given twice: {node.start_mark}")
        return found


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> Tagged:
    match node:
        case yaml.MappingNode():
            return Tagged(tag, loader.construct_mapping(node, deep=True))
        case yaml.SequenceNode():
            return Tagged(tag, loader.construct_sequence(node, deep=True))
        case yaml.ScalarNode():
            return Tagged(tag, loader.construct_scalar(node))
    raise ValueError(f"Unknown kind of value: {node.start_mark}")


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_multi_constructor("!", _tagged)


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(path.read_text("utf-8"), _Loader)
    return document
