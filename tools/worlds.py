"""``python -m tools.worlds``, which ``make worlds`` runs: run Log Keeper's tests in every world.

A world is the sandbox with one behaviour switch (``core/behaviour.py``) in a position that is not its default. The
last world has every switch in its harsher position. Each world is one run of pytest, which reads the positions from
the environment variable SWITCHES. The tests of the sandbox itself are left out, because they set the switches.

A first run with the default positions finds the test files that read each switch (``tools/switch_reads.py``). The world
of a switch runs only these files, because for all other tests it is the same as the default.
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

from sandbox.core.behaviour import POINTS, harshest, other_positions
from sandbox.core.behaviour_points import Position
from tools.switch_reads import files_by_switch
from tools.version import add_version

ROOT = Path(__file__).parent.parent
GREEN, RED, WRONG_USAGE, STOPPED = 0, 1, 2, 130
#: The folder with the output of each run.
LOGS = ROOT / ".worlds"

_DESCRIPTION = """\
Run Log Keeper's tests in every world. A world is the sandbox account with one
behaviour switch in another position than its default; the last world has all
switches in their harsher position. A switch is a question about AWS whose answer
nobody has recorded: docs/aws-behaviour.md lists them.

A first run with the defaults finds the tests that read each switch. Only these
are run in the worlds of the switch.
"""
_EPILOG = """\
exit codes:
  0    all tests passed in every world
  1    a test failed in a world, or a run could not start
  2    wrong usage of the command
  130  stopped with Ctrl-C: the table shows the worlds that ran until then
"""
#: Lines that pytest prints with xdist and -v: the number of tests, and the outcome of each test.
_COUNT = re.compile(r"^\d+ workers? \[(\d+) items?\]")
_OUTCOME = re.compile(r"^\[gw\d+\] \[ *\d+%\] (PASSED|FAILED|ERROR|SKIPPED) ")
#: A line of the summary that pytest prints at the end.
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)")


@dataclass(frozen=True, slots=True)
class World:
    """A name, such as ``log_delivery_policy=account``, and the positions of the switches that it sets."""

    name: str
    switches: Mapping[str, Position]


@dataclass(slots=True)
class Run:
    """The tests of one world: numbers of outcomes by pytest's names, the tests that failed, and the duration."""

    world: World
    log: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int | None = None
    #: Whether no test reads the switch of the world, so that nothing is run.
    is_unread: bool = False

    @property
    def is_green(self) -> bool:
        return self.is_unread or (self.exit_code == 0 and self.outcomes["PASSED"] > 0)


def worlds() -> list[World]:
    """Return a world for each position that is not a default, and the world with all harsher positions."""
    single = [
        World(f"{name}={str(position).replace(' ', '-')}", {name: position})
        for name in POINTS
        for position in other_positions(name)
    ]
    return [*single, World("harshest", harshest().positions())]


def product_tests(*, quick: bool = False) -> list[str]:
    """Return the paths of Log Keeper's integration tests and, unless ``quick``, of its end-to-end tests.

    The tests of ``make verify`` are left out, because they set each switch.
    """
    integration = sorted((ROOT / "tests" / "integration").glob("test_*.py"))
    paths = [path for path in integration if path.name != "test_tool_worlds.py"]
    if not quick:
        paths += sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
        # The only fault test that adds anything here is the one in which AWS throttles calls.
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
    """Run the tests of each chosen world. Append its Run to ``runs`` when it starts."""
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
    """Return the tests that read a switch of the world; all tests, if ``readers`` is empty."""
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
    """Run pytest in the world and count the outcomes. An interruption ends pytest, too.

    ``show``: called with the number of tests that have ended and the number of all tests. ``variables``: additional
    environment variables.
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
    """Return the table of the results, one row for each world."""
    shown = Table("world", "result", "passed", "failed", "minutes")
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
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(parser)
    parser.add_argument(
        "world", nargs="*", help="run only worlds whose name contains one of these texts (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the worlds, and run nothing")
    parser.add_argument("--quick", action="store_true", help="run only the integration tests, which deploy nothing")
    parser.add_argument(
        "--all", action="store_true", help="run every test in every world, not only those that read its switch"
    )
    parser.add_argument(
        "--tests", action="append", metavar="PATH", help="run only these tests, as pytest names them; can be repeated"
    )
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="number of processes of pytest (default: 2)"
    )
    options = parser.parse_args(arguments)
    if not any(word in each.name for each in worlds() for word in options.world or [""]):
        parser.error(f"no name of a world contains {' or '.join(options.world)}: --list prints the names")
    return options


if __name__ == "__main__":
    sys.exit(main())
