"""Points: a question about AWS, the answer of the sandbox by default, and the probe that finds the answer of AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.run import Run

#: A value of a switch of the sandbox.
type Value = bool | int | str


class Status(StrEnum):
    """The status of a point after a run."""

    SAME = "same"
    DIFFERENT = "different"
    UNCLEAR = "could not tell"
    NOT_TRIED = "not tried"


class NotTriedError(Exception):
    """The probe needs an option or a resource that is not there. The message says which."""


class UnclearError(Exception):
    """The answers of AWS do not decide the point. The message says what they were."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point about AWS.

    ``switch``: the sandbox's switch for it; None for a point that is recorded. ``expected``: its default.
    ``words``: the values in words; a value without words is shown as it is.
    ``probe``: returns the answer of AWS; raises NotTriedError, UnclearError or errors of boto3.
    """

    name: str
    question: str
    switch: str | None
    expected: Value
    words: Mapping[Value, str]
    probe: Callable[[Run], Value]

    def in_words(self, value: Value) -> str:
        """Return the value in words."""
        return self.words.get(value, str(value))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one point. ``answer``: AWS's answer; None if there is none, and ``why`` is the reason."""

    point: Point
    status: Status
    answer: Value | None = None
    why: str = ""
