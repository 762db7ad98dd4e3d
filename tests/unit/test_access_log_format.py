"""Each access log format is one line of $context variables that its protocol has, with the request id."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from log_keeper.policy.access_log_format import FormatName, access_log_formats, given_fields, text_fields
from log_keeper.policy.plan import plan
from log_keeper.stages import Protocol
from sandbox.services.cloudformation.templates import parse_source
from testing.builders import POLICY, rest_stage

ROOT = Path(__file__).resolve().parents[2]
EARLIER = json.loads(Path(__file__).with_name("earlier_access_log_formats.json").read_text())
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
EVERY = [(name, protocol, access_log_formats(name)[protocol]) for name in FormatName for protocol in Protocol]


@pytest.mark.parametrize(("name", "protocol", "line"), EVERY)
def test_api_gateway_accepts_the_format(name: FormatName, protocol: Protocol, line: str) -> None:
    assert "\n" not in line
    assert "$context.extendedRequestId" in line
    if protocol is Protocol.REST:
        # "Access log template size". Source: quotas of REST APIs.
        assert len(line) < 3_000
    else:
        # Source: botocore, apigatewayv2, StringWithLengthBetween1And1024. AWS has accepted longer ones.
        assert len(line) <= 1_024
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
def test_names_and_order_of_fields_are_those_of_the_documentation(protocol: Protocol) -> None:
    """docs/access-logs.md has a table: one row for each field, one column for each format."""
    word = {Protocol.REST: "REST", Protocol.HTTP: "HTTP", Protocol.WEBSOCKET: "WebSocket"}[protocol]
    page = (ROOT / "docs" / "access-logs.md").read_text()
    documented: dict[str, list[str]] = {"JSON": [], "CSV": [], "XML": []}
    for field, *cells in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", page, flags=re.MULTILINE):
        for notation, cell in zip(documented, cells, strict=True):
            if cell == "yes" or word in cell.split(", "):
                documented[notation].append(field)

    variables = given_fields(protocol) | text_fields(FormatName.JSON, protocol)
    assert json.loads(access_log_formats(FormatName.JSON)[protocol]) == {
        field: variables[field] for field in documented["JSON"]
    }
    columns = next(csv.reader([access_log_formats(FormatName.CSV)[protocol]]))
    assert columns == [*(variables[field] for field in documented["CSV"]), "end"]
    root = ET.fromstring(access_log_formats(FormatName.XML)[protocol])
    attributes_and_elements = [*root.attrib.items(), *((child.tag, child.text) for child in root)]
    assert attributes_and_elements == [(field, variables[field]) for field in documented["XML"]]


def test_saved_queries_use_fields_of_the_json_format() -> None:
    resources = parse_source((ROOT / "observability.yaml").read_text())["Resources"]
    queries = {
        name: resource["Properties"]["QueryString"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Logs::QueryDefinition" and name != "OneRequestQuery"
    }
    assert len(queries) == 4
    ours = {field for protocol in Protocol for field in json.loads(access_log_formats(FormatName.JSON)[protocol])}
    words = {"fields", "filter", "sort", "desc", "limit", "stats", "as", "by", "count", "sum", "bin", "coalesce"}
    words |= {"ispresent", "route", "errors", "requests", "bytes", "m", "timestamp"}
    for query in queries.values():
        asked = set(re.findall(r"[A-Za-z]+", query)) - words
        assert asked <= ours, query


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("name", EARLIER)
def test_stage_with_a_format_of_an_earlier_version_is_compliant(name: str, protocol: Protocol) -> None:
    """Formats of the version before values were quoted: a stage that has one keeps it."""
    stage = rest_stage(protocol=protocol, log_format=EARLIER[name][protocol])
    assert plan(stage, POLICY, NOW).is_compliant


def test_json_format_of_rest_apis_has_the_ten_usual_fields() -> None:
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


#: What Datadog documents for REST APIs, on one line. *Source:* docs.datadoghq.com/integrations/amazon-api-gateway.
DATADOG = (
    '{"apiId":"$context.apiId","stage":"$context.stage","requestId":"$context.requestId",'
    '"ip":"$context.identity.sourceIp","caller":"$context.identity.caller","user":"$context.identity.user",'
    '"requestTime":$context.requestTimeEpoch,"httpMethod":"$context.httpMethod",'
    '"resourcePath":"$context.resourcePath","status":$context.status,"protocol":"$context.protocol",'
    '"responseLength":$context.responseLength}'
)


def members(log_format: str) -> set[str]:
    return set(re.findall(r'"\w+":"?\$[\w.]+"?', log_format))


def test_datadogs_format_is_what_datadog_documents() -> None:
    rest, http, websocket = (members(access_log_formats(FormatName.DATADOG)[protocol]) for protocol in Protocol)
    added = {'"extendedRequestId":"$context.extendedRequestId"'}
    assert rest == members(DATADOG) | added
    of_http = {'"routeKey":"$context.routeKey"', '"requestTime":"$context.requestTime"'}
    assert http - members(DATADOG) - added == of_http
    of_websocket = {f'"{name}":"$context.{name}"' for name in ("eventType", "routeKey", "connectionId")}
    assert websocket - members(DATADOG) - added == of_websocket
