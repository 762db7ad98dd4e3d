"""Matchers of event patterns: which values one element of a field's list accepts. Sources: see ``event_patterns``."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.services.eventbridge import wildcards

#: Tells whether one value of an event matches. None is JSON's null.
type Test = Callable[[Any], bool]
type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PatternError(ValueError):
    """EventBridge refuses the pattern. The text is the reason."""


class Members(list[tuple[str, Any]]):
    """A JSON object with its members in order. Of two members with one name the last one counts; objects are merged."""


class Number(str):
    """A JSON number with its original text."""

    __slots__ = ()


def first_member(members: Members) -> tuple[tuple[str, Any], bool]:
    if not members:
        raise PatternError("Match expression name not found")
    return members[0], len(members) > 1


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def literal(value: Any) -> Test:
    if isinstance(value, Number):
        number = _comparable(value)
        return lambda given: (
            _is_number(given) and (str(given) == value or (number is not None and _number_of(given) == number))
        )
    if value is None or isinstance(value, bool):
        return lambda given: given is value
    if not isinstance(value, str):
        raise PatternError("Match value must be String, number, true, false, or null")
    address = _address(value)
    if address is not None:
        return lambda given: isinstance(given, str) and (given == value or _address(given) == address)
    return lambda given: isinstance(given, str) and given == value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _number_of(value: Any) -> float | None:
    """Return a number of an event as EventBridge compares it, or None if it cannot compare the value."""
    return _comparable(str(value)) if _is_number(value) else None


def _comparable(text: str) -> float | None:
    """Return the number if a double can represent all its digits, else None."""
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else None


def _needed(text: str) -> float:
    number = _comparable(text)
    if number is None:
        raise PatternError(f"Cannot compare number : {text}")
    return number


def _text_test(name: str, holds: Callable[[str, str], bool]) -> Callable[[Any], Test]:
    """Return the function that compiles a matcher with one string as its operand."""

    def compile_test(operand: Any) -> Test:
        if not _is_string(operand):
            raise PatternError(f"{name} match pattern must be a string")
        return lambda given: isinstance(given, str) and holds(given, operand)

    return compile_test


def _starts(given: str, operand: str) -> bool:
    return given.startswith(operand)


def _ends(given: str, operand: str) -> bool:
    return given.endswith(operand)


def _equal_but_for_case(given: str, operand: str) -> bool:
    return given.casefold() == operand.casefold()


def _edge_test(name: str, holds: Callable[[str, str], bool]) -> Callable[[Any], Test]:
    """Return the function that compiles ``prefix`` or ``suffix``, also with ``{"equals-ignore-case": ...}``."""
    plain = _text_test(name, holds)

    def compile_test(operand: Any) -> Test:
        if not isinstance(operand, Members):
            return plain(operand)
        if not operand:
            raise PatternError(f"{name.capitalize()} expression name not found")
        (inner, text), further = first_member(operand)
        if inner != "equals-ignore-case":
            raise PatternError(f"Unsupported {name} pattern: {inner}")
        test = _text_test(inner, lambda given, wanted: holds(given.casefold(), wanted.casefold()))(text)
        if further:
            raise PatternError("Only one key allowed in match expression")
        return test

    return compile_test


def _wildcard(operand: Any) -> Test:
    if not _is_string(operand):
        raise PatternError("wildcard match pattern must be a string")
    try:
        fits = wildcards.compiled(operand)
    except ValueError as error:
        raise PatternError(str(error)) from None
    return lambda given: isinstance(given, str) and fits.fullmatch(given) is not None


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise PatternError("exists match pattern must be either true or false.")
    return lambda _: True


def _cidr(operand: Any) -> Test:
    if not _is_string(operand):
        raise PatternError("prefix match pattern must be a string")  # so EventBridge calls it
    base, slash, bits_text = operand.partition("/")
    if not slash or "/" in bits_text or not base or not bits_text:
        raise PatternError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?\d+", bits_text):
        raise PatternError("Malformed CIDR, mask bits must be an integer")
    bits = int(bits_text)
    if bits < 0:
        raise PatternError("Malformed CIDR, mask bits must not be negative")
    address = _address(base)
    if address is None:
        raise PatternError(f"Nonstandard IP address: {base}")
    if bits >= address.max_prefixlen:
        raise PatternError(f"IPv{address.version} mask bits must be < {address.max_prefixlen}")
    network = ipaddress.ip_network((address, bits), strict=False)
    return lambda given: isinstance(given, str) and (found := _address(given)) is not None and found in network


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _numeric(operand: Any) -> Test:
    """Return the test for one comparison, or for a lower and an upper bound in this order."""
    if not isinstance(operand, list) or isinstance(operand, Members):
        raise PatternError("Value of numeric must be an array.")
    if not operand or not _is_string(operand[0]):
        raise PatternError(f"Invalid member in numeric match: {_written(operand[0]) if operand else ']'}")
    operator = operand[0]
    if operator not in ("=", "<", "<=", ">", ">="):
        raise PatternError(f"Unrecognized numeric range operator: {operator}")
    if len(operand) < 2 or not isinstance(operand[1], Number):
        raise PatternError(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    number = _needed(operand[1])
    bounds: list[tuple[str, float]] = [(operator, number)]
    if len(operand) > 2:
        if operator not in (">", ">="):
            raise PatternError("Too many elements in numeric expression")
        bounds.append(_upper_bound(operand[2:], number))
    return lambda given: (value := _number_of(given)) is not None and all(_holds(value, *bound) for bound in bounds)


def _upper_bound(terms: list[Any], bottom: float) -> tuple[str, float]:
    operator = terms[0]
    if not _is_string(operator):
        raise PatternError(f"Bad value in numeric range: {_written(operator)}")
    if operator not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {operator}")
    if len(terms) < 2 or not isinstance(terms[1], Number):
        raise PatternError(f"Value of {operator} must be numeric")
    if len(terms) > 2:
        raise PatternError("Too many terms in numeric range expression")
    top = _needed(terms[1])
    if bottom >= top:
        raise PatternError("Bottom must be less than top")
    return operator, top


def _holds(value: float, operator: str, bound: float) -> bool:
    match operator:
        case "=":
            return value == bound
        case "<":
            return value < bound
        case "<=":
            return value <= bound
        case ">":
            return value > bound
    return value >= bound


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _anything_but(operand: Any) -> Test:
    """Return the test for every value except these. The field must exist. Null, booleans and numbers are values too."""
    if isinstance(operand, Members):
        return _not(_anything_but_set(operand))
    if isinstance(operand, list):
        if any(not isinstance(each, str) for each in operand):
            raise PatternError("Inside anything but list, start|null|boolean is not supported.")
        if len({isinstance(each, Number) for each in operand}) != 1:
            raise PatternError(
                "Inside anything but list, either all values are number or string, mixed type is not supported"
            )
    elif not isinstance(operand, str):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    values = operand if isinstance(operand, list) else [operand]
    tests = []
    for value in values:
        if isinstance(value, Number):
            _needed(value)
        tests.append(literal(value))
    return _not(tests)


def _anything_but_set(operand: Members) -> list[Test]:
    if not operand:
        raise PatternError("Anything-But expression name not found")
    (name, values), further = first_member(operand)
    if name not in ("equals-ignore-case", "prefix", "suffix", "wildcard"):
        raise PatternError(f"Unsupported anything-but pattern: {name}")
    if isinstance(values, Members) or not isinstance(values, list | str):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    tests = []
    for value in values if isinstance(values, list) else [values]:
        if not _is_string(value):
            raise PatternError(_WRONG_INSIDE_ANYTHING_BUT[name])
        if name in ("prefix", "suffix") and not value:
            raise PatternError("Null prefix/suffix not allowed")
        tests.append(MATCHERS[name](value))
    if further:
        raise PatternError("Too many elements in numeric expression")
    return tests


_WRONG_INSIDE_ANYTHING_BUT = {
    "equals-ignore-case": "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
}


def _not(tests: list[Test]) -> Test:
    return lambda given: not any(test(given) for test in tests)


MATCHERS: dict[str, Callable[[Any], Test]] = {
    "exactly": _text_test("exact", lambda given, wanted: given == wanted),
    "prefix": _edge_test("prefix", _starts),
    "suffix": _edge_test("suffix", _ends),
    "equals-ignore-case": _text_test("equals-ignore-case", _equal_but_for_case),
    "wildcard": _wildcard,
    "exists": _exists,
    "cidr": _cidr,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
