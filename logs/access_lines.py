"""Reads the values of access log lines by the format of the stage. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from log_keeper.policy.access_log_format import FormatName, access_log_formats, given_fields
from log_keeper.stages import Protocol
from logs.model import ABSENT

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")


class Format:
    """An access log format that can be read.

    It is read twice: from the start and from the end of the line, always to the next separator. A text of a client that
    contains a separator shifts the values after it in the first reading, and those before it in the second. So a value
    is taken from the reading in which no text of another party comes earlier.
    """

    def __init__(self, text: str, protocol: Protocol) -> None:
        pieces = _VARIABLE.split(text)
        self._separators, self._names = pieces[0::2], pieces[1::2]
        self._is_json = text.lstrip().startswith("{")
        given = {variable.removeprefix("$context.") for variable in given_fields(protocol).values()}
        texts = [place for place, name in enumerate(self._names) if name not in given]
        #: The place of the last text. Values after it are read from the end of the line.
        self._last_text = max(texts, default=0)
        self.is_readable = bool(self._names) and all(self._separators[1:-1])

    def read(self, line: str) -> Mapping[str, str] | None:
        """Return the values of the line by variable, without those that are absent; None for another format."""
        from_start = self._read(line, self._separators)
        backwards = self._read(line[::-1], [separator[::-1] for separator in reversed(self._separators)])
        if not self.is_readable or from_start is None or backwards is None:
            return None
        from_end = [value[::-1] for value in reversed(backwards)]
        read = [*from_start[: self._last_text], *from_end[self._last_text :]]
        return {
            name: self._unescaped(value)
            for name, value in zip(self._names, read, strict=True)
            if value not in (ABSENT, "")
        }

    @staticmethod
    def _read(line: str, separators: Sequence[str]) -> list[str] | None:
        """Return the texts between the separators; None if the line has them not."""
        first, *between, last = separators
        if not line.startswith(first) or not line.endswith(last) or len(line) < len(first) + len(last):
            return None
        values, begin, end = [], len(first), len(line) - len(last)
        for separator in between:
            found = line.find(separator, begin, end)
            if found < 0:
                return None
            values.append(line[begin:found])
            begin = found + len(separator)
        return [*values, line[begin:end]]

    def _unescaped(self, value: str) -> str:
        if not self._is_json or "\\" not in value:
            return value
        try:
            return str(json.loads(f'"{value}"', strict=False))
        except ValueError:
            return value


@cache
def _own_formats(protocol: Protocol) -> tuple[Format, ...]:
    return tuple(Format(access_log_formats(name)[protocol], protocol) for name in FormatName)


def formats_of(text: str | None, protocol: Protocol) -> tuple[Format, ...]:
    """Return the formats that lines of the stage can have: its own, and before it was changed, one of Log Keeper's."""
    return (*([] if text is None else [Format(text.rstrip("\n"), protocol)]), *_own_formats(protocol))


def read_values(line: str, formats: Iterable[Format]) -> Mapping[str, str]:
    """Return the values of the line by the first format that fits; empty if none does."""
    read = (found.read(line.rstrip("\n")) for found in formats)
    return next((values for values in read if values is not None), {})
