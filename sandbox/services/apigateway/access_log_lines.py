"""The access log line that API Gateway writes for a request: a format with its ``$context`` variables filled in.

It shows what a line in a given format looks like.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$context((?:\.[A-Za-z0-9]+)+)")
#: The text for a variable without a value. For ``error.messageString`` it has no additional quotes.
#: *Source:* a line quoted in DataBiosphere/azul, issue 4348 (2024-07-10).
ABSENT = "-"


class Escaping(StrEnum):
    """What API Gateway escapes in the values of a line (switch ``access_log_escaping``). One of the values is recorded.

    ``QUOTES``: quotes and backslashes, with a backslash. Recorded for the user agent of a REST API in a JSON format
    (DataBiosphere/azul, issue 4348, 2024-07-10); nobody recorded control characters, other variables, HTTP APIs,
    WebSocket APIs or other notations. A slash is not escaped (same line), so this is not JavaScript's escaping.
    ``JSON``: control characters too, so that each value is a JSON string.
    ``NOTHING``: the harshest value; assumed for every notation except JSON.
    """

    NOTHING = "nothing"
    QUOTES = "quotes"  # and backslashes
    JSON = "json"


_QUOTES = {ord('"'): '\\"', ord("\\"): "\\\\"}
_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x20)} | {9: "\\t", 10: "\\n", 13: "\\r"}
_ESCAPES: dict[Escaping, dict[int, str]] = {
    Escaping.NOTHING: {},
    Escaping.QUOTES: _QUOTES,
    Escaping.JSON: _QUOTES | _CONTROLS,
}


def access_log_line(log_format: str, values: Mapping[str, str], escaping: Escaping) -> str:
    """Return the line for one request. ``values``: by variable, without ``$context.``. Others have no value.

    *Source* of the quotes around ``error.messageString``: API Gateway developer guide, "Variables for access logging
    for API Gateway".
    """

    def value(variable: re.Match[str]) -> str:
        name = variable[1].removeprefix(".")
        if name == "error.messageString":
            message = values.get("error.message")
            return ABSENT if message is None else f'"{message.translate(_ESCAPES[escaping])}"'
        return values.get(name, ABSENT).translate(_ESCAPES[escaping])

    return _VARIABLE.sub(value, log_format)
