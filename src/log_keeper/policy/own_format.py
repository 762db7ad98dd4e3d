"""An access log format that the owner wrote, or the SSM parameter that contains it. Pure."""

from __future__ import annotations

import re

from log_keeper.stages import Protocol

#: The longest format that API Gateway takes, in characters. *Source:* "Access log template size" in the quotas of REST
#: APIs, 3 KB; botocore, apigatewayv2, StringWithLengthBetween1And1024.
LONGEST = {Protocol.REST: 3_072, Protocol.HTTP: 1_024, Protocol.WEBSOCKET: 1_024}
_PARAMETER = r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*"
#: A line without either cannot be matched to a request. A client can choose ``requestId``, but never the other.
_REQUEST_ID = re.compile(r"\$context\.(requestId|extendedRequestId)\b")


class UnusableFormatError(ValueError):
    """API Gateway would refuse the format, or its lines could not be matched to requests. The message says why."""


def is_parameter(value: str) -> bool:
    """Return whether the value is the name of an SSM parameter. No format begins with a slash."""
    return value.startswith("/")


def has_request_id(text: str) -> bool:
    """Return whether each line in this format can be matched to its request."""
    return _REQUEST_ID.search(text) is not None


def checked(text: str, protocol: Protocol) -> str:
    """Return the format without space around it. Raises UnusableFormatError if API Gateway would not take it."""
    text = text.strip()
    if len(text.splitlines()) != 1:
        raise UnusableFormatError("an access log format must be one line: remove the line breaks")
    if not has_request_id(text):
        raise UnusableFormatError(
            "an access log format must contain $context.requestId or $context.extendedRequestId: add one of them"
        )
    if len(text) > (longest := LONGEST[protocol]):
        raise UnusableFormatError(f"the format has {len(text):,} characters; API Gateway takes at most {longest:,}")
    return text


def value_of(text: str, protocol: Protocol) -> str:
    """Return a checked format, or a checked name of an SSM parameter. Raises UnusableFormatError."""
    text = text.strip()
    if not is_parameter(text):
        return checked(text, protocol)
    if not re.fullmatch(_PARAMETER, text):
        raise UnusableFormatError(f"{text!r} is not the name of an SSM parameter: use /STACK/NAME")
    return text
