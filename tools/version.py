"""The version of Log Keeper, which pyproject.toml states. A test compares it with the template."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def version() -> str:
    """Return the version, such as 1.2.3."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the option --version to the parser, which prints the version and ends the program."""
    parser.add_argument("--version", action="version", version=f"log-keeper {version()}")
