"""``python -m fuzz.fuzzer TARGET [options of libFuzzer]``: run one target with atheris, a coverage-guided fuzzer.

Ends when its time is over; or when a claim fails, with an error, the input and a traceback.
"""

from __future__ import annotations

import os
import pprint
import sys
import traceback

import atheris  # type: ignore[import-untyped] # in .venv-fuzz only

# The coverage of these packages guides the fuzzer.
with atheris.instrument_imports(include=["log_keeper", "handlers"]):
    from fuzz.targets import TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def try_input(data: bytes) -> None:
        values = target.read(data)
        try:
            target.check(*values)
        except BaseException:
            print(f"\nThe input of {name}:\n{pprint.pformat(values, width=110)}\n", file=sys.stderr)
            traceback.print_exc()
            raise

    # Drop stdout, which is the log of the functions. The fuzzer writes to stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    atheris.Setup([sys.argv[0], *options], try_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
