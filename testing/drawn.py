"""Hypothesis as the source of choices for the values of ``fuzz``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st


class Drawn:
    """Choices that Hypothesis makes, and reduces when a test fails."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def flip(self) -> bool:
        return bool(self._draw(st.booleans()))

    def pick[T](self, among: Sequence[T]) -> T:
        return among[int(self._draw(st.integers(0, len(among) - 1)))]

    def text(self) -> str:
        return str(self._draw(st.text(max_size=40)))

    def integer(self) -> int:
        return int(self._draw(st.integers(-(2**31), 2**31 - 1)))

    def number(self) -> float:
        return float(self._draw(st.floats(allow_nan=False, allow_infinity=False)))


def drawn[Value](make: Callable[[Drawn], Value]) -> st.SearchStrategy[Value]:
    """Return a strategy of the values that ``make`` builds from choices."""
    return st.composite(lambda draw: make(Drawn(draw)))()
