"""What a point is: a question about AWS, what the sandbox answers by default, and the probe that asks AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.bench import Bench

#: A value of a switch of the sandbox.
type Value = bool | int | str


class Status(StrEnum):
    """What came of a point."""

    SAME = "same"
    DIFFERENT = "different"
    UNCLEAR = "could not tell"
    NOT_TRIED = "not tried"


class NotTriedError(Exception):
    """The probe needs what was not asked for, or what the account does not have; the message says what."""


class UnclearError(Exception):
    """AWS's answers do not decide the point; the message says what they were."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point about AWS.

    ``switch``: the sandbox's switch that holds it, None for a point that is recorded. ``expected``: its default.
    ``words``: each value in words; one that is not there is shown as it is.
    ``probe``: asks AWS; raises NotTriedError or UnclearError, or what boto3 raises.
    """

    name: str
    question: str
    switch: str | None
    expected: Value
    words: Mapping[Value, str]
    probe: Callable[[Bench], Value]

    def in_words(self, value: Value) -> str:
        """Return the value in words."""
        return self.words.get(value, str(value))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one point. ``answer``: AWS's, None if there is none; ``why``: then the reason."""

    point: Point
    status: Status
    answer: Value | None = None
    why: str = ""
