"""What is known of a point about AWS that nobody recorded: the metadata of a behaviour switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any

#: The value of a switch.
type Position = bool | int | str

_POINT = "point"


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of one point about AWS that is not recorded.

    ``positions``: all values of the switch, and what Log Keeper does where AWS is like that. A switch between numbers
    also accepts other positive numbers: tests take small ones. ``harsher``: the value with which Log Keeper has more to
    do or can do less; the one that is not the default where neither is. ``reason``: why the default is what it is.
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
    """Return what is known of the switch that a field is."""
    point = field.metadata[_POINT]
    assert isinstance(point, Point)
    return point
