"""The matrices of faults: which cells a test run has, and when they are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

#: Whether the run has all cells (``make faults``), or a part that is the same in each run (``make test``).
IS_WHOLE = os.environ.get("FAULTS") == "all"


class Named(Protocol):
    """A cell: one test of a matrix."""

    @property
    def name(self) -> str:
        """The name of the test."""


def parametrize(metafunc: pytest.Metafunc, fixture: str, cells: Callable[[], Sequence[Named]], part: int) -> None:
    """Give the fixture the number of each cell, from 0.

    ``part``: the number of cells of ``make test``, which finds the cells when the tests run: each process of a test run
    collects all tests, and would search for the cells again.
    """
    names = [cell.name for cell in cells()] if IS_WHOLE else [str(number) for number in range(part)]
    metafunc.parametrize(fixture, range(len(names)), ids=names, indirect=True)
