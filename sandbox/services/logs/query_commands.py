"""Commands of the query language of CloudWatch Logs Insights. Pure: a query and lines become rows.

*Source:* CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax" and the pages of the commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from sandbox.services.logs.query_expressions import (
    Expression,
    QuerySyntaxError,
    Reader,
    Row,
    Value,
    condition,
    is_true,
    number,
    shown,
    unquoted,
    value,
)

#: The fields of a query that names none.
_DEFAULT_FIELDS = ("@timestamp", "@message")
#: The rows of a query without ``limit``. *Source:* CloudWatch Logs API reference, StartQuery
_MOST_ROWS = 10_000

type _Aggregation = Callable[[list[Row]], Value]


class Query:
    """A query that was read. Raises QuerySyntaxError for one that is not valid, or that the sandbox cannot evaluate."""

    def __init__(self, text: str) -> None:
        self._reader = Reader(text)
        self._steps: list[Callable[[list[dict[str, Value]]], list[dict[str, Value]]]] = []
        #: What each row shows; None: the default fields.
        self._shown: list[str] | None = None
        self._limit = _MOST_ROWS
        self._is_sorted = self._has_statistics = False
        while True:
            self._read_command()
            if self._reader.token.type == "end":
                return
            self._reader.require("|")

    def rows(self, lines: Iterable[dict[str, Value]]) -> list[dict[str, str]]:
        """Return the rows of the result. ``lines``: the fields of each line, with ``@timestamp`` and ``@ptr``."""
        rows = list(lines)
        for step in self._steps:
            rows = step(rows)
        if not self._is_sorted and not self._has_statistics:
            rows.sort(key=lambda row: str(row["@timestamp"]), reverse=True)
        names = [*(self._shown or _DEFAULT_FIELDS), *([] if self._has_statistics else ["@ptr"])]
        return [
            {name: shown(found) for name in names if (found := row.get(name)) is not None}
            for row in rows[: self._limit]
        ]

    def _read_command(self) -> None:
        name = self._reader.name().lower()
        commands = {
            "fields": self._fields, "display": self._display, "filter": self._filter, "sort": self._sort,
            "limit": self._read_limit, "stats": self._stats, "parse": self._parse,
        }  # fmt: skip
        if name not in commands:
            raise QuerySyntaxError(f"the sandbox does not evaluate the command {name}")
        commands[name]()

    def _with_text[T](self, read: Callable[[Reader], T]) -> tuple[str, T]:
        """Read a part of the query. Return its text, which names its column behind ``stats``, and the part."""
        begin = self._reader.position
        part = read(self._reader)
        return self._reader.text_since(begin).strip("`"), part

    def _named[T](self, read: Callable[[Reader], T]) -> list[tuple[str, T]]:
        """Read a list of parts with their names: what follows ``as``, or their text."""

        def read_one(reader: Reader) -> tuple[str, T]:
            text, part = self._with_text(read)
            return (reader.name() if reader.takes("as") else text), part

        return self._reader.listed(read_one)

    def _show(self, names: list[str]) -> None:
        self._shown = [*(self._shown or []), *names]

    def _fields(self) -> None:
        named = self._named(value)
        self._show([name for name, _ in named])

        def add(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
            return [row | {name: expression(row) for name, expression in named} for row in rows]

        self._steps.append(add)

    def _display(self) -> None:
        self._shown = self._reader.listed(Reader.name)

    def _filter(self) -> None:
        holds = condition(self._reader)
        self._steps.append(lambda rows: [row for row in rows if is_true(holds(row))])

    def _sort(self) -> None:
        def read_key(reader: Reader) -> tuple[str, Expression, bool]:
            text, expression = self._with_text(value)
            is_descending = reader.takes("desc")
            if not is_descending and not reader.takes("asc"):
                raise QuerySyntaxError(f"sort {text} needs asc or desc here: how AWS sorts without is not recorded")
            return text, expression, is_descending

        keys = self._reader.listed(read_key)
        self._is_sorted = True

        def sort(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
            for name, expression, is_descending in reversed(keys):
                rows = sorted(rows, key=partial(_rank_of, name, expression), reverse=is_descending)
            return rows

        self._steps.append(sort)

    def _read_limit(self) -> None:
        token = self._reader.advance()
        if token.type != "number":
            raise QuerySyntaxError(f"limit must be a number, and not {token.text!r}")
        self._limit = min(int(token.text), _MOST_ROWS)

    def _stats(self) -> None:
        aggregations = self._named(_aggregation)
        by = self._named(value) if self._reader.takes("by") else []
        self._has_statistics, self._shown = True, [name for name, _ in (*by, *aggregations)]

        def group(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
            groups: dict[tuple[Value, ...], list[Row]] = {}
            for row in rows:
                groups.setdefault(tuple(expression(row) for _, expression in by), []).append(row)
            names = [name for name, _ in by]
            return [
                dict(zip(names, key, strict=True)) | {name: made(of_group) for name, made in aggregations}
                for key, of_group in groups.items()
            ]

        self._steps.append(group)

    def _parse(self) -> None:
        """Read ``parse @message "a * b *" as x, y``, or a regular expression with named groups."""
        source = value(self._reader)
        if self._reader.token.type == "text":
            parts = unquoted(self._reader.advance().text).split("*")
            pattern = re.compile("(.*?)".join(map(re.escape, parts)) + ("$" if not parts[-1] else ""))
            self._reader.require("as")
            names = self._reader.listed(Reader.name)
        else:
            pattern = re.compile(self._reader.regex().replace("(?<", "(?P<"))
            names = list(pattern.groupindex)
        if len(names) != pattern.groups:
            raise QuerySyntaxError("parse needs one name for each part that it reads")

        def add(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
            found = [(row, pattern.search(str(source(row) or ""))) for row in rows]
            return [row | (dict(zip(names, match.groups(), strict=True)) if match else {}) for row, match in found]

        self._steps.append(add)


def _rank(given: Value) -> tuple[int, float, str]:
    """Return the place of a value in ascending order: missing ones first, then texts, then numbers.

    Digits within texts are compared by their number, and then by their value.
    *Source:* CloudWatch Logs user guide, "sort"; that missing values are first is not in it.
    """
    if given is None:
        return 0, 0.0, ""
    found = number(given)
    if found is not None:
        return 2, found, ""
    return 1, 0.0, re.sub(r"\d+", lambda digits: f"0{len(digits[0]):06}{digits[0]}", shown(given))


def _rank_of(name: str, expression: Expression, row: Row) -> tuple[int, float, str]:
    """Return the place of a row. Behind ``stats``, its columns have the names of what they were read from."""
    return _rank(row[name] if name in row else expression(row))


def _percentile(found: list[float], percent: float) -> float | None:
    """Return the percentile of numbers in ascending order; None if there are none."""
    return found[min(len(found) - 1, int(len(found) * percent / 100))] if found else None


def _aggregation(reader: Reader) -> _Aggregation:
    name = reader.name().lower()
    reader.require("(")
    if name == "count":
        reader.takes("*")
        if reader.takes(")"):
            return lambda rows: float(len(rows))
    expression = value(reader)
    percent = 0.0
    if name == "pct":
        reader.require(",")
        percent = float(reader.advance().text)
    reader.require(")")

    def values(rows: list[Row]) -> list[Value]:
        return [found for row in rows if (found := expression(row)) is not None]

    def numbers(rows: list[Row]) -> list[float]:
        return sorted(found for each in values(rows) if (found := number(each)) is not None)

    def by_time(rows: list[Row]) -> list[Row]:
        return sorted((row for row in rows if expression(row) is not None), key=lambda row: str(row["@timestamp"]))

    aggregations: dict[str, _Aggregation] = {
        "count": lambda rows: float(len(values(rows))),
        "count_distinct": lambda rows: float(len(set(values(rows)))),
        "sum": lambda rows: sum(numbers(rows)),
        "avg": lambda rows: sum(found) / len(found) if (found := numbers(rows)) else None,
        "min": lambda rows: min(values(rows), key=_rank, default=None),
        "max": lambda rows: max(values(rows), key=_rank, default=None),
        "pct": lambda rows: _percentile(numbers(rows), percent),
        "latest": lambda rows: expression(found[-1]) if (found := by_time(rows)) else None,
        "earliest": lambda rows: expression(found[0]) if (found := by_time(rows)) else None,
    }  # fmt: skip
    if name not in aggregations:
        raise QuerySyntaxError(f"the sandbox does not evaluate the function {name}")
    return aggregations[name]
