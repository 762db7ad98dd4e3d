"""Expressions of the query language of CloudWatch Logs Insights. Pure: a text becomes a function of a row.

*Source:* CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax", and its pages "filter", "stats"
and "Boolean, comparison, numeric, datetime, and other functions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

#: A field of a row, or a value in a query: text, a number, or None for a field that the row does not have.
type Value = str | float | None
type Row = Mapping[str, Value]
type Expression = Callable[[Row], Value]

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>`[^`]+`|[@A-Za-z_][\w@.]*)
    | (?P<duration>\d+(?:ms|mo|[smhdwqy])\b)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<sign>>=|<=|!=|=~|[-+*/%=<>()\[\],|])""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*/((?:[^/\\]|\\.)*)/")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class QuerySyntaxError(Exception):
    """The query is not valid, or has something that the sandbox does not evaluate."""


class Token(NamedTuple):
    """A part of a query. ``type``: the group of ``_TOKEN``; ``end`` for the end of the query."""

    type: str
    text: str


class Reader:
    """Reads a query from its beginning to its end."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0
        #: Where the current token begins, and where the one before it ended.
        self.position = self._ended = 0
        self.token = Token("end", "")
        self.advance()

    def text_since(self, position: int) -> str:
        """Return the text that was read since the position."""
        return self._query[position : self._ended]

    def advance(self) -> Token:
        """Return the current token, and read the next one."""
        current, self._ended = self.token, self._at
        while True:
            self.position = self._at
            if self._at == len(self._query):
                self.token = Token("end", "")
                return current
            found = _TOKEN.match(self._query, self._at)
            if found is None:
                raise QuerySyntaxError(f"unexpected symbol found {self._query[self._at]!r} at position {self._at + 1}")
            self._at = found.end()
            if found.lastgroup != "space":
                self.token = Token(str(found.lastgroup), found[0])
                return current

    def takes(self, *texts: str) -> bool:
        """Read the next token if it is one of these signs or words, in any case. Return whether it was."""
        if self.token.type in ("sign", "name") and self.token.text.lower() in texts:
            self.advance()
            return True
        return False

    def require(self, text: str) -> None:
        """Read this sign or word. Raise QuerySyntaxError if there is another one."""
        if not self.takes(text):
            raise QuerySyntaxError(f"expected {text!r} and found {self.token.text!r}")

    def name(self) -> str:
        """Read the name of a field."""
        if self.token.type != "name":
            raise QuerySyntaxError(f"expected the name of a field and found {self.token.text!r}")
        return self.advance().text.strip("`")

    def listed[T](self, read: Callable[[Reader], T]) -> list[T]:
        """Read one or more parts with commas between them."""
        found = [read(self)]
        while self.takes(","):
            found.append(read(self))
        return found

    def regex(self) -> str:
        """Read a regular expression between slashes, or a text to find. Return it as a regular expression."""
        if self.token.type == "text":
            return re.escape(unquoted(self.advance().text))
        if self.token != Token("sign", "/"):
            raise QuerySyntaxError(f"expected a text or /a regular expression/ and found {self.token.text!r}")
        found = _REGEX.match(self._query, self._at - 1)
        if found is None:
            raise QuerySyntaxError("a regular expression does not end")
        self._at = found.end()
        self.advance()
        return found[1]


def unquoted(text: str) -> str:
    """Return the content of a text in quotation marks."""
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def number(value: Value) -> float | None:
    """Return the value as a number; None if it is none."""
    if isinstance(value, float):
        return value
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def is_true(value: Value) -> bool:
    """Return whether a condition with this value holds."""
    return value not in (None, 0.0, "", "0", "false")


def condition(reader: Reader) -> Expression:
    """Read a condition: comparisons with ``and``, ``or`` and ``not``."""
    return _joined(reader, "or", any, _conjunction)


def _conjunction(reader: Reader) -> Expression:
    return _joined(reader, "and", all, _negation)


def _joined(
    reader: Reader, word: str, hold: Callable[[Iterable[bool]], bool], read: Callable[[Reader], Expression]
) -> Expression:
    """Read conditions with a word between them. ``hold``: whether all of them, or any, must hold."""
    conditions = [read(reader)]
    while reader.takes(word):
        conditions.append(read(reader))
    if len(conditions) == 1:
        return conditions[0]
    return lambda row: float(hold(is_true(each(row)) for each in conditions))


def _negation(reader: Reader) -> Expression:
    if reader.takes("not"):
        inner = _negation(reader)
        return lambda row: float(not is_true(inner(row)))
    return _comparison(reader)


def _comparison(reader: Reader) -> Expression:
    left = value(reader)
    is_negated = reader.takes("not")
    found = _compared(reader, left)
    if is_negated:
        return lambda row: float(not is_true(found(row)))
    return found


def _compared(reader: Reader, left: Expression) -> Expression:
    if reader.takes("like", "=~"):
        pattern = re.compile(reader.regex())
        return lambda row: float(pattern.search(_text(left(row))) is not None)
    if reader.takes("in"):
        reader.require("[")
        several = reader.listed(value)
        reader.require("]")
        return lambda row: float(any(_compare("=", left(row), each(row)) for each in several))
    for sign in (">=", "<=", "!=", "=", "<", ">"):
        if reader.takes(sign):
            return _comparing(sign, left, value(reader))
    return left


def _comparing(sign: str, left: Expression, right: Expression) -> Expression:
    return lambda row: float(_compare(sign, left(row), right(row)))


def _compare(sign: str, left: Value, right: Value) -> bool:
    """Compare numbers as numbers, and everything else as text. A field that is missing is unequal to each value."""
    if left is None or right is None:
        return sign == "!="
    first, second = number(left), number(right)
    if first is None or second is None:
        return _ordered(sign, _text(left), _text(right))
    return _ordered(sign, first, second)


def _ordered[T: (str, float)](sign: str, left: T, right: T) -> bool:
    match sign:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
    return left >= right


def value(reader: Reader) -> Expression:
    """Read a value: sums and products of fields, numbers, texts and functions."""
    return _calculation(reader, "+-", _product)


def _product(reader: Reader) -> Expression:
    return _calculation(reader, "*/%", _operand)


def _calculation(reader: Reader, signs: str, read: Callable[[Reader], Expression]) -> Expression:
    """Read values with one of these signs between them."""
    left = read(reader)
    while reader.token.type == "sign" and reader.token.text in signs:
        left = _calculated(reader.advance().text, left, read(reader))
    return left


def _calculated(sign: str, left: Expression, right: Expression) -> Expression:
    def calculate(row: Row) -> Value:
        first, second = number(left(row)), number(right(row))
        if first is None or second is None or (sign in "/%" and second == 0):
            return None
        results = {"+": first + second, "-": first - second, "*": first * second}
        return results[sign] if sign in results else first / second if sign == "/" else first % second

    return calculate


def _operand(reader: Reader) -> Expression:
    if reader.takes("("):
        inner = condition(reader)
        reader.require(")")
        return inner
    if reader.takes("-"):
        return _calculated("-", lambda _: 0.0, _operand(reader))
    token = reader.advance()
    match token.type:
        case "number":
            return lambda _: float(token.text)
        case "text":
            return lambda _: unquoted(token.text)
        case "name" if reader.takes("("):
            return _function(token.text.lower(), reader)
        case "name":
            return lambda row: row.get(token.text.strip("`"))
    raise QuerySyntaxError(f"expected a field or a value and found {token.text!r}")


def _function(name: str, reader: Reader) -> Expression:
    if name == "bin":
        return _bin(reader)
    arguments = reader.listed(condition)
    reader.require(")")
    functions: dict[str, Callable[..., Value]] = {
        "coalesce": lambda *given: next((each for each in given if each is not None), None),
        "ispresent": lambda given: float(given is not None),
        "isempty": lambda given: float(given in (None, "")),
        "isblank": lambda given: float(given is None or not _text(given).strip()),
        "strcontains": lambda given, part: float(_text(part) in _text(given)),
        "strlen": lambda given: float(len(_text(given))),
        "tolower": lambda given: _text(given).lower(),
        "toupper": lambda given: _text(given).upper(),
        "concat": lambda *given: "".join(map(_text, given)),
    }
    if name not in functions:
        raise QuerySyntaxError(f"the sandbox does not evaluate the function {name}")
    return lambda row: functions[name](*(each(row) for each in arguments))


def _bin(reader: Reader) -> Expression:
    """Read the rest of ``bin(5m)``: the beginning of the period in which the time of the line is."""
    token = reader.advance()
    found = re.fullmatch(r"(\d+)([a-z]+)", token.text)
    if token.type != "duration" or found is None or found[2] not in _SECONDS:
        raise QuerySyntaxError(f"the sandbox does not evaluate the period {token.text}")
    reader.require(")")
    period = int(found[1]) * _SECONDS[found[2]]

    def begin(row: Row) -> str:
        at = datetime.fromisoformat(_text(row["@timestamp"])).replace(tzinfo=UTC).timestamp()
        return time_text(at - at % period)

    return begin


def time_text(seconds: float) -> str:
    """Return a time as results have it, such as ``2026-11-29 08:00:05.507``, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _text(given: Value) -> str:
    return "" if given is None else shown(given)


def shown(given: str | float) -> str:
    """Return a value as results have it: numbers with up to four decimals."""
    return f"{given:.4f}".rstrip("0").rstrip(".") if isinstance(given, float) else given
