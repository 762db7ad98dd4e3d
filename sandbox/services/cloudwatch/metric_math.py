"""Metric math and simple queries of Metrics Insights. Pure: an expression and series of values result in one series.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
Not implemented: search
(see testing/metric_search.py), anomaly detection, functions of time.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A value for each period, oldest first; None for a period without a value.
type Series = list[float | None]
#: A metric of a Contributor Insights rule: (rule name, metric) -> its series.
type Insight = Callable[[str, str], Series]


class ExpressionError(Exception):
    """CloudWatch refuses the expression, or the sandbox does not implement it."""


def parse(expression: str) -> ast.expr:
    """Return the tree of the expression. Raise ExpressionError if it is invalid."""
    text = re.sub(r"&&", " and ", re.sub(r"\|\|", " or ", expression.strip()))
    text = re.sub(r"\b(AND|OR)\b", lambda found: found[1].lower(), text)
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        raise ExpressionError(f"The expression is not well-formed: {expression}") from None


def names(expression: str) -> set[str]:
    """Return the ids of other metrics in the expression."""
    tree = parse(expression)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return used - {"REPEAT", "LINEAR"}


def evaluate(expression: str, series: Mapping[str, Series], insight: Insight, periods: int) -> Series:
    """Return the value of the expression for each of the *periods*."""
    value = _Evaluation(series, insight, periods).value(parse(expression))
    if isinstance(value, list) and value and isinstance(value[0], list):
        raise ExpressionError("The expression must give one time series.")
    return value if isinstance(value, list) else [value] * periods


def _divide(left: float, right: float) -> float | None:
    return left / right if right else None


_BINARY: dict[type[ast.AST], Callable[[float, float], float | None]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: _divide, ast.BitXor: operator.pow,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.And: lambda a, b: bool(a) and bool(b), ast.Or: lambda a, b: bool(a) or bool(b),
}  # fmt: skip
_OF_ONE: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_OF_MANY: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum, "MAX": max, "MIN": min, "AVG": lambda values: sum(values) / len(values),
}  # fmt: skip


class _Evaluation:
    def __init__(self, series: Mapping[str, Series], insight: Insight, periods: int) -> None:
        self._series, self._insight, self._periods = series, insight, periods

    def value(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return float(number)
            case ast.Constant(value=str() as text):
                return text
            case ast.Name(id=name):
                if name not in self._series:
                    raise ExpressionError(f"Undefined variable {name}")
                return self._series[name]
            case ast.List(elts=items):
                return [self._as_series(self.value(item)) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._combine(operator.mul, -1.0, self.value(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._combine(lambda value, _: not value, self.value(operand), 0.0)
            case ast.BinOp(left=left, op=operation, right=right):
                return self._combine(self._operation(operation), self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[operation], comparators=[right]):
                return self._combine(self._operation(operation), self.value(left), self.value(right))
            case ast.BoolOp(op=operation, values=[first, *others]):
                result = self.value(first)
                for each in others:
                    result = self._combine(self._operation(operation), result, self.value(each))
                return result
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._call(function, arguments)
        raise ExpressionError(f"The sandbox does not know {ast.unparse(node)}")

    @staticmethod
    def _operation(node: ast.AST) -> Callable[[float, float], float | None]:
        if type(node) not in _BINARY:
            raise ExpressionError(f"The sandbox knows no operator {type(node).__name__}")
        return _BINARY[type(node)]

    def _as_series(self, value: Any) -> Series:
        return value if isinstance(value, list) else [value] * self._periods

    def _combine(self, operation: Callable[[float, float], float | None], left: Any, right: Any) -> Any:
        if not isinstance(left, list) and not isinstance(right, list):
            return operation(left, right)
        lefts: Any = self._as_series(left)
        rights: Any = self._as_series(right)
        if lefts and isinstance(lefts[0], list):
            return [self._combine(operation, each, right) for each in lefts]
        combined: Series = []
        for one, other in zip(lefts, rights, strict=True):
            result = None if one is None or other is None else operation(one, other)
            combined.append(None if result is None else float(result))
        return combined

    def _call(self, function: str, arguments: Sequence[ast.expr]) -> Any:
        match function, list(arguments):
            case "METRICS", wanted:
                part = self.value(wanted[0]) if wanted else ""
                return [series for name, series in self._series.items() if part in name]
            case "FILL", [of, with_what]:
                return self._filled(self.value(of), with_what)
            case "IF", [condition, then, *otherwise]:
                yes = self._as_series(self.value(then))
                no = self._as_series(self.value(otherwise[0])) if otherwise else [None] * self._periods
                tests = self._as_series(self.value(condition))
                chosen = zip(tests, yes, no, strict=True)
                return [None if test is None else (one if test else other) for test, one, other in chosen]
            case "INSIGHT_RULE_METRIC", [name, metric]:
                return self._insight(self._word(name), self._word(metric))
            case "DATAPOINT_COUNT", [of]:
                return float(sum(each is not None for each in self._as_series(self.value(of))))
            case "METRIC_COUNT", [of]:
                return float(len(self.value(of)))
            case name, [of] if name in _OF_ONE:
                return [None if each is None else _OF_ONE[name](each) for each in self._as_series(self.value(of))]
            case name, [of] if name in _OF_MANY:
                return self._aggregated(_OF_MANY[name], self.value(of))
        raise ExpressionError(f"The sandbox knows no function {function} of {len(arguments)} arguments")

    def _word(self, node: ast.expr) -> str:
        return node.id if isinstance(node, ast.Name) else str(self.value(node))

    def _aggregated(self, reduce: Callable[[Sequence[float]], float], value: Any) -> Any:
        """Return one series for several, and one number for one series."""
        if not isinstance(value, list):
            return value
        if value and isinstance(value[0], list):
            columns = [[each for each in column if each is not None] for column in zip(*value, strict=True)]
            return [float(reduce(column)) if column else None for column in columns]
        known = [each for each in value if each is not None]
        return float(reduce(known)) if known else None

    def _filled(self, value: Any, with_what: ast.expr) -> Any:
        if value and isinstance(value, list) and isinstance(value[0], list):
            return [self._filled(each, with_what) for each in value]
        series = self._as_series(value)
        if isinstance(with_what, ast.Name) and with_what.id == "REPEAT":
            last, filled = None, []
            for each in series:
                last = each if each is not None else last
                filled.append(last)
            return filled
        by = self._as_series(self.value(with_what))
        return [other if each is None else each for each, other in zip(series, by, strict=True)]


_SELECT = re.compile(
    r"""\s*SELECT\s+(?P<function>SUM|MAX|MIN|AVG|COUNT)\s*\(\s*"?(?P<metric>[^")]+)"?\s*\)\s+
    FROM\s+(?:SCHEMA\s*\(\s*"?(?P<schema>[^",)]+)"?(?P<dimensions>(?:\s*,\s*"?[^",)]+"?)*)\s*\)|"?(?P<namespace>[^"\s]+)"?)
    (?:\s+WHERE\s+(?P<where>.+?))?\s*$""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_STATISTICS = {"SUM": "Sum", "MAX": "Maximum", "MIN": "Minimum", "AVG": "Average", "COUNT": "SampleCount"}


def selected(query: str) -> tuple[str, str, str, frozenset[str] | None, dict[str, str]]:
    """Return (statistic, metric, namespace, dimensions or None, required values) of a query.

    GROUP BY and ORDER BY are not implemented.

    *Source:*
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
    """
    found = _SELECT.match(query)
    if found is None:
        raise ExpressionError(f"The sandbox does not know the query {query}")
    schema = found["dimensions"]
    dimensions = None if found["schema"] is None else frozenset(re.findall(r'[^\s",]+', schema or ""))
    wanted: dict[str, str] = {}
    for condition in re.split(r"\s+AND\s+", found["where"] or "", flags=re.IGNORECASE):
        if not condition:
            continue
        equal = re.fullmatch(r"""\s*"?([^"=\s]+)"?\s*=\s*'([^']*)'\s*""", condition)
        if equal is None:
            raise ExpressionError(f"The sandbox does not know the condition {condition}")
        wanted[equal[1]] = equal[2]
    namespace = found["schema"] or found["namespace"]
    return _STATISTICS[found["function"].upper()], found["metric"].strip(), namespace.strip(), dimensions, wanted
