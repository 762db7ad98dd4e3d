"""The preview command, run in this process."""

from __future__ import annotations

from collections.abc import Callable

#: Runs the command with arguments. Returns the exit code, stdout and stderr.
type Preview = Callable[..., tuple[int, str, str]]
