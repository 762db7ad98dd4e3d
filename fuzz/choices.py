"""Where arbitrary values come from: bytes of the fuzzer, or whatever else can choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Choices(Protocol):
    """A source of arbitrary values."""

    def flip(self) -> bool: ...

    def pick[T](self, among: Sequence[T]) -> T: ...

    def text(self) -> str: ...

    def integer(self) -> int:
        """Of 32 bits, as the service models' integers are."""
        ...

    def number(self) -> float:
        """Neither infinite nor NaN: JSON has none."""
        ...


class OfBytes:
    """Choices made by the bytes of one input; when they run out, the first of what there is to choose from."""

    def __init__(self, provider: Any) -> None:
        """``provider``: atheris.FuzzedDataProvider of the input."""
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
