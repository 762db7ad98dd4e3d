"""``make fuzz``: fuzz each target for an equal part of the time, and print a table of the results."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from fuzz.targets import TARGETS, Target
from tools.version import add_version

#: The folder of the inputs that reached new code, with which the next run begins, and of those that broke a claim.
FOLDER = Path(".fuzz")
_STATUS = re.compile(r"#(?P<executions>\d+)\s.*?cov: (?P<edges>\d+)")
_FINAL = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_PROGRESS_SECONDS = 5
_LAST_LINES = 60


@dataclass(slots=True)
class Outcome:
    """The result of one target: inputs tried, branches of the code reached, and the file of an input that failed."""

    executions: int = 0
    edges: int = 0
    seconds: float = 0
    crash: str | None = None


def main() -> None:
    arguments = _arguments()
    outcomes: dict[str, Outcome] = {}
    for name in arguments.targets:
        outcomes[name] = _fuzz(name, arguments.seconds / len(arguments.targets), arguments.again)
    print(f"\n{'target':<16}{'seconds':>9}{'executions':>14}{'edges':>8}  crashes")
    for name, outcome in outcomes.items():
        crash = outcome.crash or "none"
        print(f"{name:<16}{outcome.seconds:>9.0f}{outcome.executions:>14,}{outcome.edges:>8,}  {crash}")
    sys.exit(any(outcome.crash for outcome in outcomes.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fuzz", description="Fuzz each target for an equal part of the time. Exits with 1 if a claim fails."
    )
    add_version(parser)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"targets to fuzz (default: all): {', '.join(TARGETS)}"
    )
    parser.add_argument("--seconds", type=int, default=90, help="total time for all targets (default: 90)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="try only the input in FILE, of one target")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}")
    if arguments.again and len(arguments.targets) != 1:
        parser.error("--again needs exactly one target: the one that the input belongs to")
    arguments.targets = arguments.targets or list(TARGETS)
    return arguments


def _fuzz(name: str, seconds: float, again: Path | None) -> Outcome:
    """Fuzz the target for so many seconds, or until a claim fails, and print the progress and the failure.

    ``again``: a file with the one input to try.
    """
    target, outcome, began = TARGETS[name], Outcome(), time.monotonic()
    options = [str(again)] if again else _options(name, target, seconds)
    child = subprocess.Popen(  # noqa: S603 -- this interpreter
        [sys.executable, "-m", "fuzz.fuzzer", name, *options],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"POWERTOOLS_METRICS_DISABLED": "true", "PYTHONUNBUFFERED": "1"},
    )
    assert child.stderr is not None
    last: deque[str] = deque(maxlen=_LAST_LINES)
    shown = began
    for line in child.stderr:
        last.append(line)
        if status := _STATUS.match(line):
            outcome.executions, outcome.edges = int(status["executions"]), int(status["edges"])
        if final := _FINAL.match(line):
            outcome.executions = int(final[1])
        if time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            print(
                f"{name}: {shown - began:.0f} s, {outcome.executions:,} executions, {outcome.edges:,} edges", flush=True
            )
    outcome.seconds = time.monotonic() - began
    if child.wait() != 0:
        print("".join(line for line in last if not line.startswith("INFO: ")))
        written = [line.rsplit(" ", 1)[-1].strip() for line in last if "Test unit written to" in line]
        outcome.crash = written[0] if written else str(again or "the fuzzer itself")
        print(f'To try this input again: make fuzz ARGS="{name} --again {outcome.crash}"')
    return outcome


def _options(name: str, target: Target, seconds: float) -> list[str]:
    """Write the first inputs and the dictionary of the target. Return the options for libFuzzer."""
    corpus, crashes, seeds = (FOLDER / part / name for part in ("corpus", "crashes", "seeds"))
    for folder in (corpus, crashes, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(seed)
    words = FOLDER / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    return [
        *([f"-dict={words}"] if target.words else []),
        str(corpus),
        str(seeds),
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={crashes}/",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]


def _escaped(word: str) -> str:
    """Return the word in JSON, with the escapes of a libFuzzer dictionary."""
    text = json.dumps(word)
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text.encode())


if __name__ == "__main__":
    main()
