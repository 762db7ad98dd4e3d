"""The result of a benchmark: a table, whether the goal is met, and a plot. It is saved as JSON."""

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
    """A plot. ``series``: by name, one value for each label. ``unit``: of the values. Labels of lines are numbers."""

    shape: Literal["bars", "lines"]
    labels: Sequence[str | float]
    series: dict[str, Sequence[float]]
    unit: str
    axis: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A result. ``goal``: in words; ``is_met``: None without a goal. ``notes``: how it was measured."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    goal: str = ""
    is_met: bool | None = None
    notes: Sequence[str] = ()
    plot: Plot | None = None

    def save(self) -> None:
        """Write the result into the folder of results."""
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(name: str) -> Result:
    """Return the saved result of this name."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    plot = found.pop("plot")
    return Result(**found, plot=None if plot is None else Plot(**plot))


@dataclass(slots=True)
class Samples:
    """Values of several measurements of the same thing."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Return the median, and the smallest and the largest value in brackets."""
        return f"{short(self.median)} ({short(min(self.values))}-{short(max(self.values))})"


def short(value: float) -> str:
    """Return the value with three significant figures, without powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratios(ours: Samples, theirs: Samples) -> Samples:
    """Return the ratios of alternating runs: each of ours to the one of theirs next to it."""
    return Samples([a / b for a, b in zip(ours.values, theirs.values, strict=True)])
