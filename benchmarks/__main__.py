"""Runs the benchmarks, each as a process of its own, and writes RESULTS.md with a table and a plot for each."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import FOLDER, Result, load, short

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "RESULTS.md"
#: In the order of the page. The first is exact; the others measure time, and want the machine for themselves.
ALL = ("calls", "custodian", "cold_start", "warm", "largest_region", "event_to_in_line", "cost")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures, and writes benchmarks/RESULTS.md. Takes about half an hour."
    )
    parser.add_argument(
        "only", nargs="*", choices=[*ALL, []], help=f"which to run again; by default all: {', '.join(ALL)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller sizes and fewer runs, to try it; the page says so"
    )
    arguments = parser.parse_args()
    failed = []
    for number, name in enumerate(arguments.only or ALL, 1):
        print(f"[{number}/{len(arguments.only or ALL)}] {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        if subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", f"benchmarks.{name}"],
            cwd=ROOT,
            check=False,
            env=os.environ | ({"BENCH_QUICK": "1"} if arguments.quick else {}),
        ).returncode:
            failed.append(name)
        print(f"      {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    there = [name for name in ALL if (FOLDER / f"{name}.json").exists()]
    subprocess.run(  # noqa: S603
        [ROOT / ".venv-bench" / "bin" / "python", "-m", "benchmarks.plots", *there], cwd=ROOT, check=True
    )
    PAGE.write_text(page([load(name) for name in there]))
    print(
        f"{PAGE.relative_to(ROOT)} is written" + (f"; failed: {', '.join(failed)}" if failed else ""), file=sys.stderr
    )
    return bool(failed)


def page(results: list[Result]) -> str:
    """The page: what was reached at a glance, then each measurement."""
    lines = [
        "# Measured",
        "",
        (
            f"By `make bench` on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {os.cpu_count()} "
            "cores, the sandbox account on the same machine. Times are of that machine and mean little; ratios are "
            "between runs that took turns on it. Spread: the smallest and largest of the runs in brackets."
        ),
        "",
        "| measurement | goal | reached |",
        "|---|---|---|",
        *(
            f"| [{result.title}](#{anchor(result.title)}) | {result.goal} | {_said(result.is_met)} |"
            for result in results
        ),
        "",
    ]
    for result in results:
        lines += [f"## {result.title}", ""]
        lines += [f"| {' | '.join(result.columns)} |", "|" + "---|" * len(result.columns)]
        lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in result.rows]
        lines += ["", *(f"- {note}" for note in result.notes), ""]
        if result.plot is not None:
            lines += [f"![{result.title}](results/{result.name}.svg)", ""]
    return "\n".join(lines)


def anchor(title: str) -> str:
    """As pages of Markdown name their headings."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return short(value)
    return f"{value:,}" if isinstance(value, int) else value


def _said(is_met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[is_met]


if __name__ == "__main__":
    sys.exit(main())
