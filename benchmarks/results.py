"""A measurement as it is kept: a table, whether the goal was reached, and a plot. Written as JSON, read by the page."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Plot:
    """``series``: name -> one value for each of ``labels``. ``unit``: of the values. A line's labels are numbers."""

    kind: Literal["bars", "lines"]
    labels: Sequence[str | float]
    series: dict[str, Sequence[float]]
    unit: str
    axis: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """``goal``: in words; ``is_met``: None where there is none. ``notes``: how it was measured, runs and spread."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    goal: str = ""
    is_met: bool | None = None
    notes: Sequence[str] = ()
    plot: Plot | None = None

    def save(self) -> None:
        """It stands in the folder of results."""
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(name: str) -> Result:
    """The result that was saved under this name."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    plot = found.pop("plot")
    return Result(**found, plot=None if plot is None else Plot(**plot))


@dataclass(slots=True)
class Samples:
    """The same thing measured several times."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        """The median, and the smallest and largest in brackets."""
        return f"{short(self.median)} ({short(min(self.values))}-{short(max(self.values))})"


def short(value: float) -> str:
    """Three figures, and no powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratios(ours: Samples, theirs: Samples) -> Samples:
    """Of runs that took turns: each of ours to the one of theirs beside it."""
    return Samples([a / b for a, b in zip(ours.values, theirs.values, strict=True)])
