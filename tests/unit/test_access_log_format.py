"""A format is one line of $context variables that its protocol has, and names its request."""

from __future__ import annotations

import csv
import json
import re
from xml.etree import ElementTree as ET

import pytest

from log_keeper.access_log_format import FormatName, access_log_formats
from log_keeper.stages import Protocol

EVERY = [(name, protocol, access_log_formats(name)[protocol]) for name in FormatName for protocol in Protocol]


@pytest.mark.parametrize(("name", "protocol", "line"), EVERY)
def test_format_suits_api_gateway(name: FormatName, protocol: Protocol, line: str) -> None:
    assert "\n" not in line
    assert "$context.requestId" in line
    assert "$context.extendedRequestId" in line
    # HTTP APIs' limit; the others' is not documented. Source: quotas of HTTP APIs.
    assert len(line) < 3000
    assert all(re.fullmatch(r"\$context(\.[a-zA-Z]+)+", word) for word in re.findall(r"\$[\w.$]+", line))


@pytest.mark.parametrize(("name", "protocol", "line"), EVERY)
def test_format_has_the_protocols_own_variables(name: FormatName, protocol: Protocol, line: str) -> None:
    """*Source:* the examples of API Gateway's developer guide for each protocol."""
    own = {
        Protocol.REST: ["$context.resourcePath"],
        Protocol.HTTP: ["$context.routeKey"],
        Protocol.WEBSOCKET: ["$context.eventType", "$context.routeKey", "$context.connectionId"],
    }
    foreign = {
        Protocol.REST: ["$context.routeKey", "$context.eventType"],
        Protocol.HTTP: ["$context.resourcePath", "$context.eventType"],
        Protocol.WEBSOCKET: ["$context.resourcePath", "$context.httpMethod"],
    }
    assert all(variable in line for variable in own[protocol])
    assert not any(variable in line for variable in foreign[protocol])


@pytest.mark.parametrize("protocol", Protocol)
def test_line_can_be_read_again(protocol: Protocol) -> None:
    fields = json.loads(access_log_formats(FormatName.JSON)[protocol])
    root = ET.fromstring(access_log_formats(FormatName.XML)[protocol])
    assert {"requestId": root.attrib["id"], **{child.tag: child.text for child in root}} == fields
    assert next(csv.reader([access_log_formats(FormatName.CSV)[protocol]])) == list(fields.values())


def test_json_of_rest_has_the_ten_usual_fields() -> None:
    assert {
        "requestId",
        "ip",
        "caller",
        "user",
        "requestTime",
        "httpMethod",
        "resourcePath",
        "status",
        "protocol",
        "responseLength",
    } <= set(json.loads(access_log_formats(FormatName.JSON)[Protocol.REST]))
