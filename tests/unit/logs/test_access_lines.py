"""Access log lines are read by the format of the stage, whatever clients send."""

from __future__ import annotations

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from log_keeper.policy.access_log_format import FormatName, access_log_formats, given_fields
from log_keeper.stages import Protocol
from logs.access_lines import Format, formats_of, read_values
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from testing.access_log_values import ORDINARY, TEXTS

CASES = [(name, protocol) for name in FormatName for protocol in Protocol]


def line(name: FormatName, protocol: Protocol, escaping: Escaping = Escaping.QUOTES, **values: str) -> str:
    return access_log_line(access_log_formats(name)[protocol], ORDINARY | values, escaping)


@pytest.mark.parametrize(("name", "protocol"), CASES)
def test_each_value_of_an_ordinary_line_is_read(name: FormatName, protocol: Protocol) -> None:
    text = access_log_formats(name)[protocol]
    values = read_values(line(name, protocol), formats_of(text, protocol))
    wanted = {variable: ORDINARY[variable] for variable in values}
    assert values == wanted
    assert {"requestId", "extendedRequestId"} & values.keys()
    assert values["status"] == ORDINARY["status"]


@pytest.mark.parametrize("name", [FormatName.JSON, FormatName.CSV])
@pytest.mark.parametrize("protocol", Protocol)
@drawn(data=st.data())
def test_no_text_of_a_client_changes_what_api_gateway_wrote(
    name: FormatName, protocol: Protocol, data: st.DataObject
) -> None:
    """Not in XML and the common log format, in which other values stand behind texts, or a text has no end."""
    hostile = data.draw(st.sampled_from(TEXTS) | st.text(max_size=40))
    texts = ["identity.userAgent", "path", "error.message", "integration.error", "routeKey", "httpMethod"]
    values = {data.draw(st.sampled_from(texts)): hostile}
    written = line(name, protocol, data.draw(st.sampled_from(Escaping)), **values)
    read = read_values(written, formats_of(access_log_formats(name)[protocol], protocol))
    for variable in given_fields(protocol).values():
        key = variable.removeprefix("$context.")
        assert read.get(key) == ORDINARY.get(key), variable


@drawn(st.text(), st.text(), st.sampled_from(Protocol))
def test_any_format_and_any_line_can_be_tried(text: str, written: str, protocol: Protocol) -> None:
    read_values(written, formats_of(text, protocol))


def test_line_from_before_the_format_was_changed_is_read() -> None:
    written = line(FormatName.JSON, Protocol.REST)
    assert read_values(written, formats_of("$context.requestId", Protocol.REST))["status"] == ORDINARY["status"]
    assert read_values("no such line", formats_of(None, Protocol.REST)) == {}


def test_unquoted_numbers_and_variables_side_by_side() -> None:
    numbers = Format(
        '{"id":"$context.requestId","status":$context.status,"ms":$context.responseLatency}', Protocol.REST
    )
    assert numbers.read('{"id":"a","status":200,"ms":-}') == {"requestId": "a", "status": "200"}
    assert Format("$context.requestId$context.status", Protocol.REST).read("abc200") is None


def test_shifted_request_id_is_left_out_and_the_given_values_are_read() -> None:
    hostile = {"error.message": 'x","status":"200","ip":"198.51.100.1'}
    written = line(FormatName.CSV, Protocol.HTTP, Escaping.NOTHING, **hostile)
    values = read_values(written, formats_of(access_log_formats(FormatName.CSV)[Protocol.HTTP], Protocol.HTTP))
    assert (values["extendedRequestId"], values["status"]) == (ORDINARY["extendedRequestId"], ORDINARY["status"])
    assert values.get("requestId") in (None, ORDINARY["requestId"])
