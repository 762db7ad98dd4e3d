"""One target under atheris, a coverage-guided fuzzer: ``python -m fuzz.fuzzer TARGET [libFuzzer's options]``.

Ends with an error, its input and a traceback once a claim does not hold, or when its time is over.
"""

from __future__ import annotations

import os
import pprint
import sys
import traceback

import atheris  # type: ignore[import-untyped] # in .venv-fuzz only

# What the program's own code reaches is what guides the fuzzer.
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

    # The program's own log, which would be most of what there is to see; the fuzzer speaks on stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    atheris.Setup([sys.argv[0], *options], try_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
