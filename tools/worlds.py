"""``python -m tools.worlds``, as ``make worlds`` runs it: the product's tests in every world that AWS could be.

A world is the sandbox with one behaviour switch (``sandbox/behaviour.py``) in another position than its default; the
last one has every switch in its harsher position. Each world is one run of pytest, which reads the positions from
variable SWITCHES. The tests of the sandbox itself are left out: they turn the switches by themselves.

A first run, with every switch in its default position, finds out which test files read each switch
(``tools/switch_reads.py``); the world of a switch runs these, since no other test can tell it from the default.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from sandbox.behaviour import POINTS, harshest, other_positions
from sandbox.behaviour_points import Position
from tools.switch_reads import files_by_switch

ROOT = Path(__file__).parent.parent
GREEN, RED, WRONG_USE, STOPPED = 0, 1, 2, 130
#: Where the output of each run is kept.
LOGS = ROOT / ".worlds"

_EPILOG = """\
exit codes:
  0    every world is green
  1    a test failed in some world, or a run could not start
  2    wrong usage
  130  stopped by Ctrl-C: the table has the worlds until then
"""
#: Lines of pytest with xdist and -v: how many tests there are, and the outcome of each.
_COUNT = re.compile(r"^\d+ workers? \[(\d+) items?\]")
_OUTCOME = re.compile(r"^\[gw\d+\] \[ *\d+%\] (PASSED|FAILED|ERROR|SKIPPED) ")
#: Of the summary at the end.
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)")


@dataclass(frozen=True, slots=True)
class World:
    """A name, such as ``log_delivery_policy=account``, and the positions of the switches that it sets."""

    name: str
    switches: Mapping[str, Position]


@dataclass(slots=True)
class Run:
    """The tests of one world: outcomes by their pytest names, the tests that failed, seconds."""

    world: World
    log: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int | None = None

    #: No test reads the world's switch, so that there is nothing to run.
    is_unread: bool = False

    @property
    def is_green(self) -> bool:
        return self.is_unread or (self.exit_code == 0 and self.outcomes["PASSED"] > 0)


def worlds() -> list[World]:
    """Return a world for each position that is not a default, and the harshest of all."""
    single = [
        World(f"{name}={str(position).replace(' ', '-')}", {name: position})
        for name in POINTS
        for position in other_positions(name)
    ]
    return [*single, World("harshest", harshest().positions())]


def product_tests(*, quick: bool = False) -> list[str]:
    """Return the product's integration tests and, unless ``quick``, its end-to-end tests, as paths for pytest.

    Those of ``make verify`` turn each switch by themselves.
    """
    integration = sorted((ROOT / "tests" / "integration").glob("test_*.py"))
    paths = [path for path in integration if not path.name.startswith(("test_tool_worlds", "test_verify"))]
    if not quick:
        paths += sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
        # Of the fault tests, the one in which calls are throttled: others run what these already do, with faults.
        paths.append(ROOT / "tests" / "faults" / "test_flood.py")
    return [str(path.relative_to(ROOT)) for path in paths]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests in each world. Return the exit code that ``--help`` describes."""
    options = _parse(arguments)
    chosen = [each for each in worlds() if not options.world or any(word in each.name for word in options.world)]
    console = Console()
    if options.list:
        for each in chosen:
            console.print(each.name, highlight=False, soft_wrap=True)
        return GREEN
    LOGS.mkdir(exist_ok=True)
    runs: list[Run] = []
    is_stopped = False
    try:
        run_all(chosen, runs, options)
    except KeyboardInterrupt:
        is_stopped = True
    console.print(table(runs))
    for run in runs:
        if not run.is_green and run.exit_code is not None:
            console.print(f"\n{run.world.name}: see {os.path.relpath(run.log)}", highlight=False, soft_wrap=True)
            for failure in run.failures:
                console.print(f"  {failure}", markup=False, highlight=False, soft_wrap=True)
    if is_stopped:
        return STOPPED
    return GREEN if all(run.is_green for run in runs) else RED


def run_all(chosen: Sequence[World], runs: list[Run], options: argparse.Namespace) -> None:
    """Run the tests of each world that is chosen and append its Run to ``runs`` as it begins."""
    tests = options.tests or product_tests(quick=options.quick)
    selects = not options.tests and not options.all
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        whole = bar.add_task("worlds", total=len(chosen) + selects)

        def run_one(world: World, arguments: Sequence[str], **variables: str) -> None:
            runs.append(Run(world, LOGS / f"{world.name}.log", is_unread=not arguments))
            if arguments:
                show = _shown(bar, bar.add_task(world.name, total=None))
                run_world(runs[-1], arguments, options.processes, show, variables)
            bar.advance(whole)
            if not bar.console.is_terminal:
                print(_line(runs[-1]), file=sys.stderr, flush=True)  # noqa: T201 -- a command line program

        readers: Mapping[str, set[str]] = {}
        if selects:
            with tempfile.TemporaryDirectory() as folder:
                run_one(World("default", {}), ["-p", "tools.switch_reads", *tests], SWITCH_READS=folder)
                readers = files_by_switch(Path(folder))
        for each in chosen:
            run_one(each, tests_of(each, tests, readers))


def tests_of(world: World, tests: Sequence[str], readers: Mapping[str, set[str]]) -> list[str]:
    """Return those of the tests that read a switch of the world: all, if ``readers`` of the switches are not known."""
    if not readers or len(world.switches) > 1:
        return list(tests)
    return [test for test in tests if any(test in readers[name] for name in world.switches)]


def run_world(
    run: Run,
    arguments: Iterable[str],
    processes: int,
    show: Callable[[int, int | None], None],
    variables: Mapping[str, str],
) -> None:
    """Run pytest in the world and count the outcomes; ``show`` is called with how many of how many tests have ended.

    ``variables``: more of the environment than the world's. Whatever interrupts this ends pytest, too.
    """
    command = [
        *(sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--tb=short", f"--numprocesses={processes}"),
        *("--dist=loadscope", "--no-loadscope-reorder", *arguments),
    ]
    environment = os.environ | {"SWITCHES": json.dumps(dict(run.world.switches)), **variables}
    started, total = time.monotonic(), None
    with (
        run.log.open("w", buffering=1, encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 -- this interpreter
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                if count := _COUNT.match(line):
                    total = int(count[1])
                elif outcome := _OUTCOME.match(line):
                    run.outcomes[outcome[1]] += 1
                elif failure := _FAILURE.match(line):
                    run.failures.append(failure[1])
                else:
                    continue
                show(run.outcomes.total(), total)
            run.exit_code = process.wait()
        finally:
            run.seconds = time.monotonic() - started
            if process.poll() is None:
                process.terminate()


def table(runs: Iterable[Run]) -> Table:
    """Return what to show in the end: a line for each world."""
    shown = Table("world", "", "passed", "failed", "minutes")
    for run in runs:
        shown.add_row(run.world.name, *_cells(run))
    for column in shown.columns[2:]:
        column.justify = "right"
    return shown


def _cells(run: Run) -> tuple[str, ...]:
    status = "green" if run.is_green else "stopped" if run.exit_code is None else "RED"
    if run.is_unread:
        status = "no test reads its switch"
    failed = run.outcomes["FAILED"] + run.outcomes["ERROR"]
    return status, str(run.outcomes["PASSED"]), str(failed), f"{run.seconds / 60:.1f}"


def _line(run: Run) -> str:
    status, passed, failed, minutes = _cells(run)
    return f"{run.world.name}: {status}, {passed} passed, {failed} failed, {minutes} minutes"


def _shown(bar: Progress, task: TaskID) -> Callable[[int, int | None], None]:
    return lambda ended, total: bar.update(task, completed=ended, total=total)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make worlds",
        description="Run the product's tests with each behaviour switch in each other position, one at a time, and "
        "with all of them in their harsher position. A first run with the defaults finds out which tests read which "
        "switch; the others are not run in its worlds, where nothing differs for them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("world", nargs="*", help="only worlds whose name has one of these words (default: all)")
    parser.add_argument("--list", action="store_true", help="show the worlds' names, and run nothing")
    parser.add_argument("--quick", action="store_true", help="only the integration tests, without deployments")
    parser.add_argument(
        "--all", action="store_true", help="every test in every world, not only those that read its switch"
    )
    parser.add_argument("--tests", action="append", metavar="PATH", help="only these tests, as pytest names them")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="processes of pytest (default: 2)")
    options = parser.parse_args(arguments)
    if not any(word in each.name for each in worlds() for word in options.world or [""]):
        parser.error(f"no world's name has {' or '.join(options.world)}; see --list")
    return options


if __name__ == "__main__":
    sys.exit(main())
