"""``python -m tools.behaviour_page``: write ``docs/aws-behaviour.md`` from the behaviour switches.

With ``--check`` it writes nothing, and exits with 1 if the page is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sandbox.core.behaviour import DEFAULTS, POINTS
from sandbox.core.behaviour_points import Point, Position
from testing import recorded
from tools.recorded_points import RECORDED, WITHOUT_EFFECT
from tools.version import add_version
from tools.worlds import worlds

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "aws-behaviour.md"

_HEAD = """\
<!-- Written by `python -m tools.behaviour_page` from sandbox/core/behaviour.py and tools/recorded_points.py. -->

# What AWS does, and how that is known

Log Keeper is tested against a [sandbox account](sandbox.md) on your machine. If the program and the sandbox shared a
wrong assumption about AWS, no test would show it. So each point about AWS on which the program depends is one of two:

- **Recorded**: somebody published what AWS did. The sandbox does the same, and names the source.
- **Unknown**: no such record was found. The sandbox then has a switch with all possible answers, and Log Keeper must
  work with each of them.

`make verify` finds out each unknown point in a real account of yours, with resources that it creates and deletes again:
see [Ask the real account](verify.md).
"""

_UNKNOWN = """\
## Unknown

*Default*: the position of the sandbox unless a test chooses another. *Harsher*: the position in which Log Keeper has
more to do or can do less.

`make worlds` runs the integration and end-to-end tests in {worlds} worlds: each switch in each other position, one at a
time, and all of them in their harsher position. The world of one switch runs only the test files that read the switch,
which a first run finds: for all other files it is the same as the default. It takes {duration} on two processor cores;
`make worlds ARGS=--quick` leaves out the deployments,
`make worlds ARGS=log_delivery_policy` runs one switch (`ARGS=--help`). `make test` does everyday work in half a minute
in each world that the program's calls can tell from the others: new stages of each protocol, an opt-in, deleted log
groups, a sweep (`tests/faults/test_worlds.py`).

One run of pytest in another world: `SWITCHES='{{"log_delivery_policy": "account"}}' .venv/bin/python -m pytest`.
"""
_DURATION = "about an hour"


def page() -> str:
    """Return the text of the page."""
    return "\n".join(
        [
            _HEAD,
            _UNKNOWN.format(worlds=len(worlds()), duration=_DURATION),
            *_table(
                ("Question, and switch", "Positions, and what Log Keeper does", "Why the default", "Source"), _unknown()
            ),
            "## Unknown, without effect\n",
            *_table(("Question", "Why it does not matter"), WITHOUT_EFFECT.items()),
            "## Recorded\n",
            _recorded_answers(),
            *(line for part in RECORDED for line in _recorded(part)),
        ]
    )


def _unknown() -> Iterable[tuple[str, ...]]:
    for name, point in POINTS.items():
        positions = "<br>".join(_position(name, point, position) for position in point.positions)
        yield f"{point.question}<br>`{name}`", positions, point.reason, point.source


def _position(name: str, point: Point, position: Position) -> str:
    marks = [
        *(["default"] if position == DEFAULTS[name] else []),
        *(["harsher"] if position == point.harsher else []),
    ]
    marked = f" ({', '.join(marks)})" if marks else ""
    return f"`{position}`{marked}: {point.positions[position]}"


def _recorded_answers() -> str:
    """Return a sentence with the number of recorded answers that the tests compare with those of the sandbox."""
    parts = ", ".join(f"{part}: {count}" for part, count in recorded.parts().items())
    return f"Recorded answers that `tests/recorded` replays against the sandbox: {recorded.count()} checks ({parts}).\n"


def _recorded(part: str) -> Iterable[str]:
    yield f"### {part}\n"
    rows = ((each.fact, each.consequence, each.source) for each in RECORDED[part])
    yield from _table(("What AWS does", "What Log Keeper does", "Source"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row([cell.replace("|", "\\|") for cell in row]) for row in rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` compare it. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.behaviour_page", description="Write docs/aws-behaviour.md.")
    add_version(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    if not parser.parse_args(arguments).check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1


if __name__ == "__main__":
    sys.exit(main())
