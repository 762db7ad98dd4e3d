"""Prints lines with styles to a terminal, and plain lines to a pipe; shows progress.

The only module that imports rich. Without it, ``__main__`` prints the same lines without styles.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from logs.reading import ShowProgress
from logs.report_text import Line


def print_lines(lines: Iterable[Line]) -> None:
    """Print the lines. A terminal wraps them; in a pipe each stays one line."""
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(Text.assemble(*((piece.text, piece.style) for piece in line)), soft_wrap=True)


@contextmanager
def progress() -> Iterator[ShowProgress | None]:
    """Show on stderr what is read meanwhile; yield None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    console = Console(stderr=True)
    with console.status("Reading the stage") as status:

        def show(group: str, pages: int, size: int, lines: int) -> None:
            status.update(Text(f"{group}: {pages} pages, {size / 1e6:.1f} MB, {lines} lines"))

        yield show
