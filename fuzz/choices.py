"""Sources of random values: the bytes of the fuzzer, or Hypothesis in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Choices(Protocol):
    """A source of random values."""

    def flip(self) -> bool: ...

    def pick[T](self, among: Sequence[T]) -> T: ...

    def text(self) -> str: ...

    def integer(self) -> int:
        """Return an integer of 32 bits, as in the service models."""
        ...

    def number(self) -> float:
        """Return a number that JSON can have: neither infinite nor NaN."""
        ...


class OfBytes:
    """Takes the values from the bytes of one input. After its last byte, every choice is the first possible one."""

    def __init__(self, provider: Any) -> None:
        """Take the values from ``provider``: atheris.FuzzedDataProvider of the input."""
        self._provider = provider

    def flip(self) -> bool:
        return bool(self._provider.ConsumeBool())

    def pick[T](self, among: Sequence[T]) -> T:
        number: int = self._provider.ConsumeIntInRange(0, len(among) - 1)
        return among[number]

    def text(self) -> str:
        return str(self._provider.ConsumeUnicodeNoSurrogates(self._provider.ConsumeIntInRange(0, 40)))

    def integer(self) -> int:
        return int(self._provider.ConsumeIntInRange(-(2**31), 2**31 - 1))

    def number(self) -> float:
        return float(self._provider.ConsumeFloatInRange(-1e9, 1e9))
