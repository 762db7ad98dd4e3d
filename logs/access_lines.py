"""Reads the values of access log lines by the format of the stage. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from log_keeper.policy.access_log_format import FormatName, access_log_formats, given_fields
from log_keeper.stages import Protocol
from logs.model import ABSENT

#: Variables whose values have a known form. A line in which they have another one has another format. A client of a
#: REST API can choose the requestId, but API Gateway takes only UUIDs. *Source:* radkawar/stackd, http_logging.go.
_CHECKED = {
    "requestId": re.compile(r"[\w+/=-]{1,128}", re.ASCII),
    "extendedRequestId": re.compile(r"[\w+/=-]{1,128}", re.ASCII),
    "status": re.compile(r"\d{3}", re.ASCII),
}
_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")


class Format:
    """An access log format that can be read.

    It is read twice: from the start and from the end of the line, always to the next separator. A text of a client that
    contains a separator shifts the values after it in the first reading, and those before it in the second. So values
    before the last text of another party are taken from the first reading, and those after it from the second.
    """

    def __init__(self, text: str, protocol: Protocol) -> None:
        pieces = _VARIABLE.split(text)
        self._separators, self._names = pieces[0::2], pieces[1::2]
        self._is_json = text.lstrip().startswith("{")
        given = {variable.removeprefix("$context.") for variable in given_fields(protocol).values()} | _CHECKED.keys()
        texts = [place for place, name in enumerate(self._names) if name not in given]
        self._last_text = max(texts, default=0)
        #: Names of variables that no text of another party can shift.
        self._safe = {
            name for place, name in enumerate(self._names) if not texts or place < texts[0] or place > texts[-1]
        }
        #: False if two variables stand side by side, so that nobody can tell where one ends.
        self._is_readable = bool(self._names) and all(self._separators[1:-1])

    def read(self, line: str) -> Mapping[str, str] | None:
        """Return the values of the line by variable, without those that are absent; None for another format."""
        if not self._is_readable:
            return None
        forward = _spans(line, self._separators)
        backward = _spans(line[::-1], [separator[::-1] for separator in reversed(self._separators)])
        if forward is None or backward is None:
            return None
        mirrored = [(len(line) - end, len(line) - begin) for begin, end in reversed(backward)]
        last = self._last_text
        spans = [*forward[:last], (forward[last][0], mirrored[last][1]), *mirrored[last + 1 :]]
        read = zip(self._names, (line[begin:end] for begin, end in spans), strict=True)
        values = {name: self._unescaped(value) for name, value in read if value not in (ABSENT, "")}
        wrong = {name for name, form in _CHECKED.items() if name in values and not form.fullmatch(values[name])}
        # A wrong value between texts was shifted by one of them; anywhere else, the line has another format.
        return None if wrong & self._safe else {name: value for name, value in values.items() if name not in wrong}

    def _unescaped(self, value: str) -> str:
        if not self._is_json or "\\" not in value:
            return value
        try:
            return str(json.loads(f'"{value}"', strict=False))
        except ValueError:
            return value


def _spans(line: str, separators: Sequence[str]) -> list[tuple[int, int]] | None:
    """Return begin and end of the texts between the separators; None if the line does not have them all."""
    first, *between, last = separators
    if not line.startswith(first) or not line.endswith(last) or len(line) < len(first) + len(last):
        return None
    spans, begin, end = [], len(first), len(line) - len(last)
    for separator in between:
        found = line.find(separator, begin, end)
        if found < 0:
            return None
        spans.append((begin, found))
        begin = found + len(separator)
    return [*spans, (begin, end)]


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
