"""Event patterns: which ones EventBridge accepts, and which events they match.

No maintained Python library does this: event-ruler on PyPI has no wheel for this Python, and no source.

*Source:* aws/event-ruler, the library that EventBridge uses (``JsonRuleCompiler``, ``Event``, ``ACFinder``, ``CIDR``);
answers of TestEventPattern and PutRule in real accounts: localstack
``tests/aws/services/events/event_pattern_templates`` with ``test_events_patterns.snapshot.json``, radkawar/stackd
``testdata/aws/eventbridge/pattern_admission.json``. The position in the text that EventBridge adds to its reasons
(``at [Source: ...; line: 1, column: 42]``) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.services.eventbridge import wildcards
from sandbox.services.eventbridge.event_matchers import (
    MATCHERS,
    Members,
    Number,
    PatternError,
    Test,
    first_member,
    literal,
)


@dataclass(frozen=True, slots=True)
class Field:
    """The condition of a pattern for one field."""

    #: A value of the field must pass at least one of these tests.
    tests: tuple[Test, ...]
    #: True if the alternatives include ``{"exists": false}``.
    may_be_absent: bool


#: Names of fields, joined by dots, with the condition for each. An event matches if all conditions hold.
type Clause = dict[str, Field]
#: Number of an array -> position in it. Fields that match together must be in the same object of a list.
type _Places = dict[int, int]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that EventBridge accepts."""

    #: Alternatives. There is more than one if the pattern uses ``$or``.
    clauses: tuple[Clause, ...]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event matches the pattern."""
        values: dict[str, list[tuple[Any, _Places]]] = {}
        _Walk(values).object(event, (), {})
        return any(_fits(sorted(clause.items()), values, {}) for clause in self.clauses)


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """Parse *text* and return the pattern. Raise PatternError if EventBridge refuses it."""
    try:
        document = json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number)
    except ValueError as error:
        raise PatternError(str(error)) from error  # EventBridge's text is that of its Java parser
    if not isinstance(document, Members):
        raise PatternError("Filter is not an object")
    clauses: list[Clause] = []
    _compile_object(clauses, document, "", is_in_or=False)
    return Pattern(tuple(clauses))


_RESERVED_IN_OR = frozenset(
    {"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"}
    | {"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"}
    | {"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"}
    | {"ip-address-in-range", "ip-address-not-in-range"}
)


def _compile_object(clauses: list[Clause], members: Members, prefix: str, *, is_in_or: bool) -> None:
    if not members:
        raise PatternError("Empty objects are not allowed")
    for name, value in members:
        path = f"{prefix}.{name}" if prefix else name
        if name == "$or":
            _compile_or(clauses, value, prefix)
        elif is_in_or and name in _RESERVED_IN_OR:
            raise PatternError(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        elif isinstance(value, Members):
            _compile_object(clauses, value, path, is_in_or=is_in_or)
        elif isinstance(value, list):
            field = _field(value)
            if not clauses:
                clauses.append({})
            for clause in clauses:
                clause[path] = field
        else:
            raise PatternError(f'"{name}" must be an object or an array')


def _compile_or(clauses: list[Clause], branches: Any, prefix: str) -> None:
    if not isinstance(branches, list) or isinstance(branches, Members):
        raise PatternError("It must be an Array followed with $or.")
    before, clauses[:] = list(clauses), []
    for branch in branches:
        if not isinstance(branch, Members):
            raise PatternError("Only JSON object is allowed in array of $or relationship.")
        taken: list[Clause] = [dict(clause) for clause in before] or [{}]
        _compile_object(taken, branch, prefix, is_in_or=True)
        clauses.extend(taken)
    if len(branches) < 2:
        raise PatternError("There must have at least 2 Objects in $or relationship.")


def _field(values: list[Any]) -> Field:
    if not values:
        raise PatternError("Empty arrays are not allowed")
    tests: list[Test] = []
    patterns: list[str] = []
    may_be_absent = False
    for value in values:
        if not isinstance(value, Members):
            tests.append(literal(value))
            continue
        (name, operand), further = first_member(value)
        compile_test = MATCHERS.get(name)
        if compile_test is None:
            raise PatternError(f"Unrecognized match type {name}")
        test = compile_test(operand)
        if further:
            too_many = name in ("numeric", "anything-but")
            raise PatternError(
                "Too many elements in numeric expression" if too_many else "Only one key allowed in match expression"
            )
        patterns += _wildcards_in(name, operand)
        if name == "exists" and operand is False:
            may_be_absent = True
        else:
            tests.append(test)
    if wildcards.is_too_complex(patterns):
        raise PatternError(wildcards.TOO_COMPLEX)
    return Field(tuple(tests), may_be_absent)


def _wildcards_in(name: str, operand: Any) -> list[str]:
    if name == "anything-but" and isinstance(operand, Members):
        name, operand = operand[0]
    if name != "wildcard":
        return []
    return operand if isinstance(operand, list) else [operand]


class _Walk:
    """Collects the plain values of an event (not objects or lists) by the dotted names of their fields."""

    def __init__(self, values: dict[str, list[tuple[Any, _Places]]]) -> None:
        self._values = values
        self._arrays = 0

    def object(self, members: Mapping[str, Any], path: tuple[str, ...], places: _Places) -> None:
        for name, value in members.items():
            self._any(value, (*path, name), places)

    def _any(self, value: Any, path: tuple[str, ...], places: _Places) -> None:
        if isinstance(value, Mapping):
            self.object(value, path, places)
        elif isinstance(value, list):
            array, self._arrays = self._arrays, self._arrays + 1
            for position, item in enumerate(value):
                # A plain value belongs to the list itself. An object or a list in it has its own position.
                inside = isinstance(item, Mapping | list)
                self._any(item, path, {**places, array: position} if inside else places)
        else:
            self._values.setdefault(".".join(path), []).append((value, places))


def _fits(fields: list[tuple[str, Field]], values: dict[str, list[tuple[Any, _Places]]], places: _Places) -> bool:
    """Tell whether all fields match, with values whose positions agree with each other and with *places*."""
    if not fields:
        return True
    (path, field), rest = fields[0], fields[1:]
    together = list(_together(values.get(path, []), places))
    if field.may_be_absent and not together and _fits(rest, values, places):
        return True
    return any(_fits(rest, values, joined) for value, joined in together if any(test(value) for test in field.tests))


def _together(found: list[tuple[Any, _Places]], places: _Places) -> Iterator[tuple[Any, _Places]]:
    for value, own in found:
        if all(places.get(array, position) == position for array, position in own.items()):
            yield value, places | own
