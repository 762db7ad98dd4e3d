"""Find metrics by CloudWatch's search expressions (SEARCH), without any call.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html and
.../search-expression-examples.html. Where these leave a choice:

- A term without quotes finds a sequence of consecutive tokens. A word of it (letters and digits between other
  characters) that is one token matches in any case (``network-errors`` finds ``NetworkErrors2``); a word of several
  tokens matches only in its own case (``Count1`` finds ``CustomCount1``, ``count1`` does not).
- A metric must have exactly the dimensions of the schema: "removing the dimension name results in a single line".
- They do not say whether AND or OR has precedence: an expression that depends on it is refused. So is everything that
  is not implemented here, such as ``:aws.AccountId``.

Not implemented: metrics without data in the last two weeks are not found, nor are more than 500 metrics.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.services.cloudwatch.metric_math import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.services.cloudwatch.metrics import Key

    type Test = Callable[[Key], bool]

_LIMIT = 1024  # characters of a query
_SEARCH = re.compile(r"\s*SEARCH\(\s*'([^']*)'\s*,\s*'([^']+)'\s*(?:,\s*([0-9]+)\s*)?\)\s*")
_SCHEMA = re.compile(r"\s*\{([^}]*)\}\s*,?")
_NAME = re.compile(r'\s*(?:"([^"]+)"|([A-Za-z0-9_/]+))\s*')
# Within quotes, a backslash escapes " \ ( and ).
_LEXEME = re.compile(r"""\s*(?:(?P<quoted>"(?:\\["\\()]|[^"\\()])+")|(?P<sign>[()=])|(?P<bare>[^\s"'\\(){}=,:]+))""")
# Consecutive capitals are one token, except that the last one begins the next token if small letters follow.
_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_OPERATORS = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class Search:
    """A search expression. ``period``: in seconds, None for the period of the graph."""

    finds: Test
    statistic: str
    period: int | None


def parse(expression: str) -> Search:
    """Return the parsed expression. Raise ExpressionError where CloudWatch or the sandbox does not know it."""
    found = _SEARCH.fullmatch(expression)
    if found is None:
        raise ExpressionError(f"The sandbox knows no such search: {expression}")
    query, statistic, period = found.groups()
    if len(query) > _LIMIT:
        raise ExpressionError(f"A search has {_LIMIT} characters at most, this one {len(query)}")
    schema = _SCHEMA.match(query)
    tests = [] if schema is None else [_schema(schema[1])]
    terms = query if schema is None else query[schema.end() :]
    if terms.strip():
        tests.append(_Terms(terms).all())
    if not tests:
        raise ExpressionError("A search needs a schema or a term.")
    return Search(_all(tests), statistic, None if period is None else int(period))


def found(expression: str, keys: Iterable[Key]) -> list[Key]:
    """Return those of the metrics that the expression finds."""
    search = parse(expression)
    return [key for key in keys if search.finds(key)]


def tokens(text: str) -> list[str]:
    """Return the tokens of a name or value as CloudWatch splits it: first all of it as one token, then its parts."""
    parts = [part.lower() for part in _TOKEN.findall(text)]
    return ["".join(parts), *parts]


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda key: all(test(key) for test in tests)


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda key: any(test(key) for test in tests)


def _schema(text: str) -> Test:
    matches = [_NAME.fullmatch(name) for name in text.split(",")]
    names = [match[1] or match[2] for match in matches if match is not None]
    if len(names) < len(matches):
        raise ExpressionError(f"The sandbox knows no such schema: {{{text}}}")
    namespace, dimensions = names[0], set(names[1:])
    return lambda key: key[0] == namespace and {name for name, _ in key[2]} == dimensions


class _Terms:
    """A parser of a query's terms, from left to right."""

    def __init__(self, text: str) -> None:
        self._lexemes: list[str] = []
        text, place = text.rstrip(), 0
        while place < len(text):
            lexeme = _LEXEME.match(text, place)
            if lexeme is None:
                raise ExpressionError(f"The sandbox does not know what this means in a search: {text[place:].strip()}")
            self._lexemes.append(lexeme["quoted"] or lexeme["sign"] or lexeme["bare"])
            place = lexeme.end()
        self._lexemes.reverse()

    def all(self) -> Test:
        test = self._several()
        if self._lexemes:
            raise ExpressionError(f"A search does not go on with {self._lexemes[-1]} here")
        return test

    def _next(self) -> str:
        return self._lexemes[-1] if self._lexemes else ""

    def _several(self) -> Test:
        """Parse terms with AND, or nothing, between all of them, or with OR between all of them."""
        tests, used = [self._one()], set()
        while self._next() not in ("", ")"):
            used.add("OR" if self._next() == "OR" else "AND")
            if self._next() in ("AND", "OR"):
                self._lexemes.pop()
            tests.append(self._one())
        if len(used) > 1:
            raise ExpressionError(
                "AND and OR together, without parentheses: which of them binds closer is not documented"
            )
        return _any(tests) if "OR" in used else _all(tests)

    def _one(self) -> Test:
        lexeme = self._lexemes.pop() if self._lexemes else "the end"
        if lexeme == "NOT":
            test = self._one()
            return lambda key: not test(key)
        if lexeme == "(":
            test = self._several()
            if not self._lexemes or self._lexemes.pop() != ")":
                raise ExpressionError("A parenthesis of a search is not closed.")
            return test
        if lexeme in (")", "=", "AND", "OR", "the end"):
            raise ExpressionError(f"A search has no term at {lexeme}")
        if self._next() != "=":
            matches = _term(lexeme)
            return lambda key: any(matches(text) for text in _texts(key))
        self._lexemes.pop()
        value = self._lexemes.pop() if self._lexemes else "("
        if value in ("(", ")", "=", *_OPERATORS):
            raise ExpressionError(f"A search has no value after {lexeme}=")
        return _property(_unquoted(lexeme), _term(value))


def _unquoted(lexeme: str) -> str:
    return re.sub(r"\\(.)", r"\1", lexeme[1:-1]) if lexeme.startswith('"') else lexeme


def _texts(key: Key) -> Iterable[str]:
    namespace, metric, dimensions = key
    return (namespace, metric, *(text for dimension in dimensions for text in dimension))


def _property(name: str, matches: Callable[[str], bool]) -> Test:
    match name:
        case "MetricName":
            return lambda key: matches(key[1])
        case "Namespace":
            return lambda key: matches(key[0])
        case _:
            return lambda key: any(matches(value) for dimension, value in key[2] if dimension == name)


def _term(lexeme: str) -> Callable[[str], bool]:
    """Return a test whether a text equals the term, if that is in quotes, or has its tokens in sequence."""
    if lexeme.startswith('"'):
        wanted = _unquoted(lexeme)
        return lambda text: text == wanted
    words = [_TOKEN.findall(word) for word in re.findall(r"[A-Za-z0-9]+", lexeme)]
    # Each token, and whether its case is compared.
    parts = [(part, len(word) > 1) for word in words for part in word]
    match parts:
        case []:
            raise ExpressionError(f"A search finds nothing by {lexeme}")
        case [(only, _)]:
            return lambda text: only.lower() in tokens(text)
    return lambda text: _follow(parts, _TOKEN.findall(text))


def _follow(parts: list[tuple[str, bool]], found: list[str]) -> bool:
    return any(
        all(
            part == each if by_case else part.lower() == each.lower()
            for (part, by_case), each in zip(parts, found[start:], strict=False)
        )
        for start in range(len(found) - len(parts) + 1)
    )
