"""``python -m benchmarks``: run each benchmark in its own process, and write RESULTS.md with its table and plot."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparison import worse
from benchmarks.results import FOLDER, Result, load, short
from tools.version import add_version

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "RESULTS.md"
#: In the order of the page. The first one is exact. The others measure time, so nothing else should run meanwhile.
ALL = ("calls", "custodian", "cold_start", "warm", "largest_region", "organization", "event_to_compliance", "cost")


def main() -> int:
    """Run the benchmarks. Return 1 if one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run the benchmarks and write benchmarks/RESULTS.md, in about half an hour.",
    )
    add_version(parser)
    parser.add_argument(
        "only", nargs="*", choices=[*ALL, []], help=f"benchmarks to run (default: all): {', '.join(ALL)}"
    )
    parser.add_argument("--quick", action="store_true", help="use smaller sizes and fewer runs, to try it out")
    arguments = parser.parse_args()
    before = {name: load(name) for name in ALL if (FOLDER / f"{name}.json").exists()}
    failed = []
    for number, name in enumerate(arguments.only or ALL, 1):
        print(f"[{number}/{len(arguments.only or ALL)}] {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        if subprocess.run(  # noqa: S603 -- our own module
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
    for name in there:
        if name in (arguments.only or ALL) and name not in failed:
            print("\n".join(section(load(name))))
    if not arguments.quick:  # other sizes
        measured = [name for name in arguments.only or ALL if name in before and name not in failed]
        print("\n".join(compared([(before[name], load(name)) for name in measured])))
    print(f"wrote {PAGE.relative_to(ROOT)}" + (f"; failed: {', '.join(failed)}" if failed else ""), file=sys.stderr)
    return bool(failed)


def compared(pairs: list[tuple[Result, Result]]) -> list[str]:
    """Return the lines about what got worse between the recorded result and the new one of each pair."""
    found = [sentence for before, after in pairs for sentence in worse(before, after)]
    if not found:
        return ["No figure is worse than the last recorded one, beyond the spread."]
    return [
        "Worse than the last recorded figures, beyond the spread (unlike counts, times depend on the machine):",
        *(f"- {sentence}" for sentence in found),
    ]


def page(results: list[Result]) -> str:
    """Return the page: a table of the goals, then each benchmark."""
    lines = [
        "# Results of the benchmarks",
        "",
        (
            f"Last run of `make bench`, of some or all benchmarks: {datetime.now(UTC):%Y-%m-%d}, with "
            f"Python {platform.python_version()}, {os.cpu_count()} "
            "cores, the sandbox account on the same machine. Times depend on the machine; ratios compare runs that "
            "alternated on it. A value with brackets is the median, with the smallest and the largest value."
        ),
        "",
        "| benchmark | goal | reached |",
        "|---|---|---|",
        *(
            f"| [{result.title}](#{anchor(result.title)}) | {result.goal} | {_yes_or_no(result.is_met)} |"
            for result in results
        ),
        "",
    ]
    for result in results:
        lines += section(result)
        if result.plot is not None:
            lines += [f"![{result.title}](results/{result.name}.svg)", ""]
    return "\n".join(lines)


def section(result: Result) -> list[str]:
    """Return the lines about one benchmark, without its plot."""
    lines = [f"## {result.title}", ""]
    lines += [f"| {' | '.join(result.columns)} |", "|" + "---|" * len(result.columns)]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in result.rows]
    return [*lines, "", *(f"- {note}" for note in result.notes), ""]


def anchor(title: str) -> str:
    """Return the anchor that Markdown gives a heading."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return short(value) if isinstance(value, float) else f"{value:,}"


def _yes_or_no(is_met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[is_met]


if __name__ == "__main__":
    sys.exit(main())
