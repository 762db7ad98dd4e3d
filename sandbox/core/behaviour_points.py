"""The metadata of a behaviour switch: what is known about behaviour of AWS that no recording shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any

#: The value of a switch.
type Position = bool | int | str

_POINT = "point"


@dataclass(frozen=True, slots=True)
class Point:
    """What is known about one behaviour of AWS that no recording shows.

    ``positions``: all values of the switch, each with what Log Keeper does if AWS behaves so. A switch between numbers
    also accepts other positive numbers: tests use small ones. ``harsher``: the value that gives Log Keeper more work or
    fewer possibilities; if the values do not differ in this, the one that is not the default. ``reason``: why the
    default was chosen.
    """

    question: str
    positions: Mapping[Position, str]
    harsher: Position
    reason: str
    source: str

    def accepts(self, value: object) -> bool:
        """Return whether the switch can be set to the value."""
        first = next(iter(self.positions))
        if type(first) is int:
            return type(value) is int and value > 0
        return any(
            value == position and isinstance(value, bool) is (type(position) is bool) for position in self.positions
        )


def switch[T: Position](
    default: T, question: str, *, positions: Mapping[T, str], harsher: T, reason: str, source: str
) -> T:
    """Return the field of a switch."""
    point = Point(question, dict[Position, str](positions.items()), harsher, reason, source)
    value: T = field(default=default, metadata={_POINT: point})
    return value


def point_of(field: Field[Any]) -> Point:
    """Return the metadata of the switch that the field defines."""
    point = field.metadata[_POINT]
    assert isinstance(point, Point)
    return point
