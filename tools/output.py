"""What the command line tools print."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def say(out: Console, text: str, style: str = "") -> None:
    """Print one line without breaking it, so that it can be searched and copied."""
    out.print(Text(text, style=style), soft_wrap=True)
