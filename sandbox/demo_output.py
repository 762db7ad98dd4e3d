"""What both demos print: one line for each step, with its duration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


class Output:
    """Prints one line for each step with its duration, and a spinner on a terminal while the step lasts."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, doing: str) -> Iterator[Callable[[str], None]]:
        """Print the step when it has ended. What it yields shows the progress beside the spinner."""
        begun = time.monotonic()
        with self.console.status(doing) as status:
            yield lambda progress: status.update(f"{doing}: {progress}")
        self.console.print(
            f"[green]done[/]  {time.monotonic() - begun:5.1f} s  {doing}", highlight=False, soft_wrap=True
        )
