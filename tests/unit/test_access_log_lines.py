"""A parser reads each value of a log line as it was, or the value breaks only its own line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

import apachelogs
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from log_keeper.policy.access_log_format import (
    END_OF_CSV_LINE,
    FormatName,
    access_log_formats,
    given_fields,
    text_fields,
)
from log_keeper.stages import Protocol
from sandbox.services.apigateway.access_log_lines import Escaping, access_log_line
from testing.access_log_values import HEADERS, ORDINARY, TEXTS, path_of

#: What API Gateway may escape in each format. It is known to escape quotes in JSON.
POSITIONS = [
    (FormatName.JSON, Escaping.QUOTES),
    (FormatName.JSON, Escaping.JSON),
    (FormatName.JSON, Escaping.NOTHING),
    (FormatName.CSV, Escaping.NOTHING),
    (FormatName.CSV, Escaping.QUOTES),
    (FormatName.XML, Escaping.NOTHING),
    (FormatName.XML, Escaping.QUOTES),
    (FormatName.CLF, Escaping.NOTHING),
    (FormatName.CLF, Escaping.QUOTES),
    (FormatName.DATADOG, Escaping.QUOTES),
    (FormatName.DATADOG, Escaping.JSON),
    (FormatName.DATADOG, Escaping.NOTHING),
]
#: Formats whose fields others prescribe.
OF_OTHERS = (FormatName.CLF, FormatName.DATADOG)
CASES = [(name, escaping, protocol) for name, escaping in POSITIONS for protocol in Protocol]


def variable_of(name: FormatName, protocol: Protocol, field: str) -> str:
    fields = given_fields(protocol) | text_fields(name, protocol)
    return fields[field].removeprefix("$context.")


def line(name: FormatName, protocol: Protocol, escaping: Escaping, **values: str) -> str:
    """Return the log line of an ordinary request. ``given``: other values by field."""
    own = {variable_of(FormatName.JSON, protocol, field): value for field, value in values.items()}
    return access_log_line(access_log_formats(name)[protocol], ORDINARY | own, escaping)


# ---- readers: each returns the fields of a line, or raises UnreadableError


class UnreadableError(Exception):
    """A parser cannot read the line."""


def columns(protocol: Protocol) -> list[str]:
    return [*given_fields(protocol), *text_fields(FormatName.CSV, protocol)]


def read_json(text: str, protocol: Protocol) -> dict[str, str]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise UnreadableError from error
    assert isinstance(read, dict)
    return read


def read_csv(text: str, protocol: Protocol) -> dict[str, str]:
    """Return the fields of the first row. The rest is the text of a value with a line break and a quote."""
    [row, *_] = csv.reader(io.StringIO(text, newline=""))
    names = columns(protocol)
    if len(row) != len(names) + 1 or row[-1] != END_OF_CSV_LINE:
        # As the documentation says, the other fields are unreliable.
        return dict(zip(given_fields(protocol), row, strict=False))
    return dict(zip(names, row, strict=False))


def read_xml(text: str, protocol: Protocol) -> dict[str, str]:
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise UnreadableError from error
    names = text_fields(FormatName.XML, protocol)
    if [child.tag for child in root] != list(names):
        return dict(root.attrib)
    return root.attrib | {child.tag: child.text or "" for child in root}


CLF = apachelogs.LogParser(apachelogs.COMMON + " %{extendedRequestId}e %{requestId}e")


def read_clf(text: str, protocol: Protocol) -> dict[str, str]:
    try:
        entry = CLF.parse(text)
    except apachelogs.InvalidEntryError as error:
        raise UnreadableError from error
    length = {} if protocol is Protocol.WEBSOCKET else {"responseLength": str(entry.bytes_sent)}
    return length | {
        "ip": entry.remote_host,
        "caller": entry.remote_logname,
        "user": entry.remote_user,
        "requestTime": entry.request_time.strftime("%d/%b/%Y:%H:%M:%S %z"),
        "status": str(entry.final_status),
        "extendedRequestId": entry.env_vars["extendedRequestId"],
        "requestId": entry.env_vars["requestId"],
    }


def read_datadog(text: str, protocol: Protocol) -> dict[str, str]:
    """Return the fields as JSON has them, with the numbers as text."""
    read = {field: str(value) for field, value in read_json(text, protocol).items()}
    if (time := read["requestTime"]).isdecimal():
        return read | {"requestTime": ORDINARY["requestTime"], "requestTimeEpoch": time}
    return read


READERS: dict[FormatName, Callable[[str, Protocol], dict[str, str]]] = {
    FormatName.JSON: read_json,
    FormatName.CSV: read_csv,
    FormatName.XML: read_xml,
    FormatName.CLF: read_clf,
    FormatName.DATADOG: read_datadog,
}


def given(protocol: Protocol) -> dict[str, str]:
    return {
        field: ORDINARY.get(variable.removeprefix("$context."), "-")
        for field, variable in given_fields(protocol).items()
    }


def is_true(read: Mapping[str, str], protocol: Protocol) -> bool:
    """Tell whether no value that API Gateway writes itself was read as another one."""
    return all(read.get(field, value) == value for field, value in given(protocol).items())


# ---- values that a parser returns unchanged

_CONTROLS = re.compile(r"[\x00-\x1f]")
_NOT_OF_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # and \r without \n is read as \n


def is_kept(name: FormatName, escaping: Escaping, value: str) -> bool:
    """Tell whether the documentation promises that a parser returns the value unchanged."""
    match name, escaping:
        case FormatName.JSON, Escaping.JSON:
            return True
        case FormatName.JSON, Escaping.QUOTES:
            return not _CONTROLS.search(value)
        case FormatName.JSON, _:
            return not _CONTROLS.search(value) and not {'"', "\\"} & set(value)
        case FormatName.CSV, _:
            return not {'"', "\\"} & set(value) if escaping is Escaping.QUOTES else '"' not in value
        case FormatName.XML, _:
            is_escaped = escaping is Escaping.QUOTES and {'"', "\\"} & set(value)
            return not is_escaped and "]]>" not in value and not _NOT_OF_XML.search(value)
        case _:
            return True


@pytest.mark.parametrize(("name", "escaping", "protocol"), CASES)
def test_text_is_read_as_it_was(name: FormatName, escaping: Escaping, protocol: Protocol) -> None:
    """Each text field of the format, with each value that the format can hold."""
    for field in text_fields(name, protocol) if name not in OF_OTHERS else ():
        for text in TEXTS:
            value = path_of(protocol, text) if field == "path" else text
            if not is_kept(name, escaping, value):
                continue
            read = READERS[name](line(name, protocol, escaping, **{field: value}), protocol)
            assert read[field] == value
            assert given(protocol).items() <= read.items()


@pytest.mark.parametrize(("name", "escaping", "protocol"), CASES)
def test_ordinary_request_is_read_whole(name: FormatName, escaping: Escaping, protocol: Protocol) -> None:
    """A browser's user agent has a comma, and a session name may have one."""
    read = READERS[name](line(name, protocol, escaping), protocol)
    fields = given_fields(protocol) | text_fields(name, protocol)
    whole = {field: ORDINARY.get(variable.removeprefix("$context."), "-") for field, variable in fields.items()}
    assert read.items() <= whole.items() if name in OF_OTHERS else read == whole


# ---- values that attack a format


@pytest.mark.parametrize(("name", "escaping", "protocol"), CASES)
def test_no_text_changes_what_api_gateway_writes_itself(
    name: FormatName, escaping: Escaping, protocol: Protocol
) -> None:
    """A line is unreadable, or its address, status, times and extended request id are the true ones."""
    for field in text_fields(FormatName.JSON, protocol):
        for text in HEADERS if field in ("userAgent", "requestId", "xrayTraceId") else TEXTS:
            value = path_of(protocol, text) if field == "path" else text
            try:
                read = READERS[name](line(name, protocol, escaping, **{field: value}), protocol)
            except UnreadableError:
                assert name is not FormatName.CSV
                continue
            assert is_true(read, protocol), (field, value)


#: Any text of a header, often with the special characters of the formats.
HEADER = st.text(
    st.sampled_from(list('"",,\\<>]&\'-\t a1end'))
    | st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8")
)


@drawn(st.sampled_from(CASES), HEADER)
def test_no_user_agent_changes_what_api_gateway_writes_itself(
    case: tuple[FormatName, Escaping, Protocol], text: str
) -> None:
    name, escaping, protocol = case
    written = line(name, protocol, escaping, userAgent=text)
    try:
        assert is_true(READERS[name](written, protocol), protocol)
    except UnreadableError:
        assert name in (FormatName.JSON, FormatName.XML, FormatName.DATADOG)
    if name is FormatName.CSV:
        file = f"{written}\n{line(name, protocol, escaping)}"
        assert len(list(csv.reader(io.StringIO(file, newline="")))) == 2


@pytest.mark.parametrize(("name", "escaping", "protocol"), CASES)
def test_header_of_a_client_stays_in_one_line(name: FormatName, escaping: Escaping, protocol: Protocol) -> None:
    """So does the path, except in JSON of an HTTP API, which escapes quotes."""
    for text in HEADERS:
        values = {"userAgent": text, "requestId": text}
        if protocol is Protocol.REST:
            values |= {"path": path_of(protocol, text), "xrayTraceId": text}
        assert len(line(name, protocol, escaping, **values).split("\n")) == 1


@pytest.mark.parametrize("escaping", [Escaping.QUOTES, Escaping.JSON])
def test_no_line_of_json_can_be_forged_in_the_path_of_an_http_api(escaping: Escaping) -> None:
    """The path can have a line break, but its quotes are escaped, and a line of JSON needs quotes."""
    for text in TEXTS:
        written = line(FormatName.JSON, Protocol.HTTP, escaping, path=path_of(Protocol.HTTP, text))
        for each in written.splitlines()[1:]:
            with pytest.raises(UnreadableError):
                read_json(each, Protocol.HTTP)


@pytest.mark.parametrize("name", [FormatName.CSV, FormatName.XML, FormatName.CLF])
def test_no_notation_without_escaping_has_the_decoded_path_of_an_http_api(name: FormatName) -> None:
    assert "$context.path" not in access_log_formats(name)[Protocol.HTTP]


@pytest.mark.parametrize("escaping", [Escaping.NOTHING, Escaping.QUOTES])
@pytest.mark.parametrize("protocol", Protocol)
def test_no_value_hides_the_next_line_of_a_csv_file(escaping: Escaping, protocol: Protocol) -> None:
    """If a value left a quote open, a parser of the whole file would continue into the next request's line."""
    for text in HEADERS:
        attack = {"userAgent": text, "requestId": text}
        if protocol is Protocol.REST:
            attack["path"] = path_of(protocol, text)
        for values in [attack, *({field: value} for field, value in attack.items())]:
            hostile = line(FormatName.CSV, protocol, escaping, **values)
            file = "\n".join([hostile, line(FormatName.CSV, protocol, escaping)])
            rows = list(csv.reader(io.StringIO(file, newline="")))
            assert len(rows) == 2, values
            assert rows[1] == [
                *(ORDINARY.get(variable_of(FormatName.CSV, protocol, field), "-") for field in columns(protocol)),
                END_OF_CSV_LINE,
            ]
            is_shown_whole = len(rows[0]) == len(columns(protocol)) + 1 and rows[0][-1] == END_OF_CSV_LINE
            assert is_shown_whole or not all(is_kept(FormatName.CSV, escaping, value) for value in values.values())


@pytest.mark.parametrize("protocol", Protocol)
def test_common_log_format_has_neither_user_agent_nor_path(protocol: Protocol) -> None:
    plain = line(FormatName.CLF, protocol, Escaping.NOTHING)
    values = {"userAgent": 'x" 200\n'} | ({} if protocol is Protocol.WEBSOCKET else {"path": 'x" 200\n'})
    assert line(FormatName.CLF, protocol, Escaping.NOTHING, **values) == plain


@pytest.mark.parametrize("quotes", ["", '"'])
def test_message_string_would_make_some_lines_of_json_unreadable(quotes: str) -> None:
    """It has its own quotes where there is a message, and none where there is not. So no format uses it."""
    log_format = f'{{"requestId":"$context.requestId","errorMessage":{quotes}$context.error.messageString{quotes}}}'

    def is_readable(values: Mapping[str, str]) -> bool:
        try:
            json.loads(access_log_line(log_format, values, Escaping.JSON))
        except ValueError:
            return False
        return True

    assert is_readable({}) != is_readable({"error.message": "Forbidden"})
    assert not any("messageString" in each for name in FormatName for each in access_log_formats(name).values())
