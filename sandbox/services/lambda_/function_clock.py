"""Start AWS's runtime interface client in a process with a moved clock, which the function does not notice.

Run as ``function_clock.py CLOCK_FILE HANDLER`` in place of ``-m awslambdaric HANDLER``. The file contains the offset
from the machine's clock in seconds, as one double, which the sandbox sets before every invocation. This module may
import only the standard library, and must change nothing but the clock.
"""

from __future__ import annotations

import datetime
import mmap
import os
import runpy
import struct
import sys
import time
from typing import Any

OFFSET = struct.Struct("d")


def move(clock_file: str) -> None:
    """Replace the functions of ``time`` and ``datetime``. Modules that import them afterwards see the moved time."""
    with open(clock_file, "rb") as opened:  # noqa: PTH123 -- pathlib would be imported before the clock is moved
        shared = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    machine_time, machine_time_ns, machine_monotonic = time.time, time.time_ns, time.monotonic
    gmtime, localtime = time.gmtime, time.localtime

    def offset() -> float:
        return float(OFFSET.unpack_from(shared)[0])

    def moved_time() -> float:
        return machine_time() + offset()

    def moved_time_ns() -> int:
        return machine_time_ns() + round(offset() * 1_000_000_000)

    latest = machine_monotonic()

    def moved_monotonic() -> float:
        """Return a time that advances with the moved clock. It stands still while that clock is set back."""
        nonlocal latest
        latest = max(latest, machine_monotonic() + offset())
        return latest

    time.time = moved_time
    time.monotonic = moved_monotonic
    time.time_ns = moved_time_ns
    time.gmtime = lambda seconds=None: gmtime(moved_time() if seconds is None else seconds)
    time.localtime = lambda seconds=None: localtime(moved_time() if seconds is None else seconds)
    # today() calls time.time; now() and utcnow() read the clock of the operating system.
    vars(datetime)["datetime"] = _moved(datetime.datetime)


def _moved(machine: type[datetime.datetime]) -> type:
    """Return a datetime type whose ``now`` is moved.

    Modules written in C still create objects of the original type, which are instances of this one too.
    """

    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, machine)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, machine)

    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls.fromtimestamp(time.time(), tz)

    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    names = {"now": classmethod(now), "utcnow": classmethod(utcnow), "__module__": "datetime"}
    return Meta("datetime", (machine,), names)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # noqa: PTH109 -- as with -m
    move(sys.argv.pop(1))
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
