"""``make fuzz``: each target for its share of the time, what was found, and a table of what was tried."""

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

#: Inputs that reached something new are kept here, for the next time to begin with; and those that broke something.
FOLDER = Path(".fuzz")
_STATUS = re.compile(r"#(?P<executions>\d+)\s.*?cov: (?P<edges>\d+)")
_FINAL = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_PROGRESS_SECONDS = 5
_LAST_LINES = 60


@dataclass(slots=True)
class Outcome:
    """What came of fuzzing one target."""

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
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all, if none is named")
    parser.add_argument("--seconds", type=int, default=90, help="of all targets together")
    parser.add_argument("--again", type=Path, metavar="FILE", help="try this one input of the target only")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}")
    if arguments.again and len(arguments.targets) != 1:
        parser.error("--again takes the one target that the input is of")
    arguments.targets = arguments.targets or list(TARGETS)
    return arguments


def _fuzz(name: str, seconds: float, again: Path | None) -> Outcome:
    """The target has been fuzzed for so long, or until something broke; its progress and that are printed."""
    target, outcome, began = TARGETS[name], Outcome(), time.monotonic()
    options = [str(again)] if again else _options(name, target, seconds)
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "fuzz.fuzzer", name, *options],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"POWERTOOLS_METRICS_DISABLED": "true", "PYTHONUNBUFFERED": "1"},
    )
    assert child.stderr is not None
    last: deque[str] = deque(maxlen=_LAST_LINES)
    told = began
    for line in child.stderr:
        last.append(line)
        if status := _STATUS.match(line):
            outcome.executions, outcome.edges = int(status["executions"]), int(status["edges"])
        if final := _FINAL.match(line):
            outcome.executions = int(final[1])
        if time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            print(
                f"{name}: {told - began:.0f} s, {outcome.executions:,} executions, {outcome.edges:,} edges", flush=True
            )
    outcome.seconds = time.monotonic() - began
    if child.wait() != 0:
        print("".join(line for line in last if not line.startswith("INFO: ")))
        written = [line.rsplit(" ", 1)[-1].strip() for line in last if "Test unit written to" in line]
        outcome.crash = written[0] if written else str(again or "the fuzzer itself")
        print(f'Once more: make fuzz ARGS="{name} --again {outcome.crash}"')
    return outcome


def _options(name: str, target: Target, seconds: float) -> list[str]:
    """libFuzzer's options; the inputs to begin with and the dictionary are written."""
    corpus, crashes, seeds = (FOLDER / kind / name for kind in ("corpus", "crashes", "seeds"))
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
    """The word in JSON, as libFuzzer wants the bytes of a dictionary's entry."""
    text = json.dumps(word)
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text.encode())


if __name__ == "__main__":
    main()
