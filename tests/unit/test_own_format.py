"""Formats of the owner are checked as API Gateway does, by the template and by the functions alike."""

from __future__ import annotations

import re

import pytest

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.policy.own_format import LONGEST, UnusableFormatError, checked, value_of
from log_keeper.stages import Protocol
from testing.templates import TEMPLATE

PARAMETERS = {
    Protocol.REST: TEMPLATE["Parameters"]["RestAccessLogFormat"],
    Protocol.HTTP: TEMPLATE["Parameters"]["HttpAccessLogFormat"],
    Protocol.WEBSOCKET: TEMPLATE["Parameters"]["WebSocketAccessLogFormat"],
}
GOOD = [
    "$context.requestId",
    '{"id":"$context.extendedRequestId"}',
    "$context.identity.sourceIp / $context.requestId",
    "/log-keeper/rest",
    "/log-keeper/formats/rest.v2_a-b",
]
BAD = [
    "x",
    "$context.requestIds",
    "$context.status",
    '{"id":\n"$context.requestId"}',
    "/ $context.requestId",
    "/log keeper/rest",
    "/log-keeper/",
    "//rest",
]


def accepts(parameter: dict[str, str | int], text: str) -> bool:
    """Tell whether CloudFormation accepts the value."""
    return len(text) <= int(parameter["MaxLength"]) and bool(re.fullmatch(str(parameter["AllowedPattern"]), text))


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("protocol", Protocol)
def test_usable_format_is_accepted(protocol: Protocol, text: str) -> None:
    assert accepts(PARAMETERS[protocol], text)
    assert value_of(f" {text}\n", protocol) == text


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("protocol", Protocol)
def test_unusable_format_is_refused(protocol: Protocol, text: str) -> None:
    assert not accepts(PARAMETERS[protocol], text)
    with pytest.raises(UnusableFormatError):
        value_of(text, protocol)


@pytest.mark.parametrize("protocol", Protocol)
def test_longest_format_is_api_gateways(protocol: Protocol) -> None:
    text = "$context.requestId".ljust(LONGEST[protocol], "x")
    text = text[:18] + " " + text[19:]
    assert checked(text, protocol) == text
    with pytest.raises(UnusableFormatError, match="at most"):
        checked(f"{text}x", protocol)
    assert int(PARAMETERS[protocol]["MaxLength"]) <= LONGEST[protocol]


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("name", FormatName)
def test_log_keepers_own_formats_are_usable(name: FormatName, protocol: Protocol) -> None:
    text = access_log_formats(name)[protocol]
    assert value_of(text, protocol) == text
    assert accepts(PARAMETERS[protocol], text)
