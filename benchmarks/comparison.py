"""What got worse since the last recorded results: figures beyond their spread. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.results import Result, short

#: A value, perhaps with its smallest and largest one: ``1.4 (1.24-1.75)``.
_FIGURE = re.compile(r"(?P<value>[\d.,]+)(?: \((?P<low>[\d.,]+)-(?P<high>[\d.,]+)\))?")
#: The part of a single measurement without a spread by which it must grow to count. Whole numbers are exact.
_NOISE = 0.1
#: Columns whose figures are not Log Keeper's.
_NOT_MEASURED = {"its minimum", "limit or minimum", "calls / rate, s", "calls of another caller"}
#: Columns whose figures should be high. In all others they should be low.
_HIGHER_IS_BETTER = {"events per second", "stages with required logging, after"}
#: Rows whose figures should be high.
_HIGH_ROWS = ("least that is left of API Gateway's 40 calls at once, after the burst", "the same, with the burst")
#: Columns with whole numbers that were rounded.
_ROUNDED = {"events per second"}
type Row = Sequence[str | int | float]


@dataclass(frozen=True, slots=True)
class _Range:
    """A figure with its smallest and largest value. ``is_exact``: it is a count, the same in each run."""

    value: float
    low: float
    high: float
    is_exact: bool = False

    def is_worse_than(self, before: _Range, *, higher_is_better: bool) -> bool:
        """Return whether the two ranges have no value in common, and this one is on the worse side."""
        if self.is_exact and before.is_exact:
            return self.value < before.value if higher_is_better else self.value > before.value
        return self.high < before.low if higher_is_better else self.low > before.high


def worse(before: Result, after: Result) -> list[str]:
    """Return a sentence for each figure that got worse. Rows and columns that only one result has are left out."""
    rows = {_label(row): row for row in before.rows}
    return [
        sentence
        for row in after.rows
        if _label(row) in rows
        for sentence in _worse(rows[_label(row)], row, before, after)
    ]


def _worse(old: Row, new: Row, before: Result, after: Result) -> Iterator[str]:
    for number, column in enumerate(after.columns):
        # Two columns may have the same name, so the position counts too.
        is_in_both = number < len(old) and before.columns[number] == column
        if column in _NOT_MEASURED or not is_in_both or number < len(_label(new)):
            continue
        was, now = (_read(float(cell) if column in _ROUNDED else cell) for cell in (old[number], new[number]))
        if was is None or now is None:
            continue
        is_high = column in _HIGHER_IS_BETTER or new[0] in _HIGH_ROWS
        if now.is_worse_than(was, higher_is_better=is_high):
            label = ", ".join(map(str, _label(new)))
            yield f"{after.title}, {label}: {column} {_text(old[number])} -> {_text(new[number])}"


def _label(row: Row) -> tuple[str | int | float, ...]:
    """Return the cells that name the row: the first one, and those after it that are no figures."""
    end = 1
    while end < len(row) and row[end] != "" and _read(row[end]) is None:
        end += 1
    return tuple(row[:end])


def _read(cell: str | float) -> _Range | None:
    if isinstance(cell, int):
        return _Range(cell, cell, cell, is_exact=True)
    if isinstance(cell, float):
        return _spread(cell)
    if (match := _FIGURE.fullmatch(cell)) is None:
        return None
    value = _number(match["value"])
    return _spread(value) if match["low"] is None else _Range(value, _number(match["low"]), _number(match["high"]))


def _text(cell: str | float) -> str:
    return short(cell) if isinstance(cell, float) else str(cell)


def _spread(value: float) -> _Range:
    return _Range(value, value * (1 - _NOISE / 2), value * (1 + _NOISE / 2))


def _number(text: str) -> float:
    return float(text.replace(",", ""))
