"""A pytest plugin that records which behaviour switches the tests of each file read (``-p tools.switch_reads``).

``make worlds`` uses it in a run with the default positions. A test that never reads a switch does the same in each of
its positions. Reads are recorded by file, because the tests of a file can share an account. A read before the first
test, or while a fixture of several files is set up, counts for every file. A switch that a test reads in some runs only
can be missed; ``make worlds ARGS=--all`` runs every test in every world. The environment variable SWITCH_READS names
the folder for the results: one JSON file for each process of pytest,
``{"tests/e2e/test_sweep.py": ["log_delivery_policy", ...], ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.behaviour import POINTS, Behaviour

#: Stands for a file's name in reads that count for every file.
_EVERY_FILE = ""
#: Modules that read every switch only to check or to copy a Behaviour.
_COPYING = {"dataclasses", Behaviour.__module__}


class SwitchReads:
    """Records each read of a switch under the file of the running test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reads: dict[str, set[str]] = defaultdict(set)
        self._file = _EVERY_FILE
        self._plain_read = Behaviour.__getattribute__

    def start(self) -> None:
        def read(behaviour: Behaviour, name: str) -> object:
            if name in POINTS and sys._getframe(1).f_globals.get("__name__") not in _COPYING:
                self._reads[self._file].add(name)
            return self._plain_read(behaviour, name)

        Behaviour.__getattribute__ = read  # type: ignore[method-assign,assignment]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._file = item.nodeid.partition("::")[0]
        self._reads.setdefault(self._file, set())
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        before = self._file
        if fixturedef.scope in ("session", "package"):
            self._file = _EVERY_FILE
        try:
            return (yield)
        finally:
            self._file = before

    def pytest_unconfigure(self) -> None:
        Behaviour.__getattribute__ = self._plain_read  # type: ignore[method-assign]
        answer = {file: sorted(names) for file, names in self._reads.items()}
        # Not by the worker's name: pytest that a worker of another pytest starts inherits the name from it.
        (self._folder / f"{os.getpid()}.json").write_text(json.dumps(answer), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    reads = SwitchReads(Path(os.environ["SWITCH_READS"]))
    reads.start()
    config.pluginmanager.register(reads)


def files_by_switch(folder: Path) -> dict[str, set[str]]:
    """Return the test files that read each switch, from the files that the processes wrote into the folder."""
    answers = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    every_file = {file for answer in answers for file in answer} - {_EVERY_FILE}
    files: dict[str, set[str]] = {name: set() for name in POINTS}
    for answer in answers:
        for file, names in answer.items():
            for name in names:
                files[name] |= every_file if file == _EVERY_FILE else {file}
    return files
