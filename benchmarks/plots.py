"""``python -m benchmarks.plots NAME...``: draw the plots of saved results as SVG. Needs matplotlib."""

from __future__ import annotations

import sys
import textwrap

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.results import FOLDER, Plot, load, short

_COLOURS = ["#2a6f97", "#e07a5f", "#81b29a", "#b5838d"]


def draw(name: str, title: str, plot: Plot) -> None:
    """Write the plot to ``results/NAME.svg``."""
    # With a fixed salt, the same data gives the same file.
    mpl.rcParams.update({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.6), layout="constrained")
    if plot.shape == "bars":
        width = 0.8 / len(plot.series)
        for number, (label, values) in enumerate(plot.series.items()):
            places = [place + number * width - 0.4 + width / 2 for place in range(len(plot.labels))]
            bars = axes.bar(places, values, width * 0.94, label=label, color=_COLOURS[number])
            axes.bar_label(bars, fmt=short, fontsize=7, padding=1)
        axes.set_xticks(
            range(len(plot.labels)), [_wrapped(label, 96 // len(plot.labels)) for label in plot.labels], fontsize=7
        )
    else:
        for number, (label, values) in enumerate(plot.series.items()):
            axes.plot([float(x) for x in plot.labels], values, label=label, color=_COLOURS[number])
    if plot.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: short(value))
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(plot.unit)
    axes.set_xlabel(plot.axis)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def _wrapped(label: str | float, width: int) -> str:
    return "\n".join(textwrap.fill(line, width) for line in str(label).splitlines())


if __name__ == "__main__":
    for each in sys.argv[1:]:
        result = load(each)
        if result.plot is not None:
            draw(result.name, result.title, result.plot)
