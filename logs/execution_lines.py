"""Reads the lines of execution logs: the request that each is about, and the part of the request. Pure.

A line begins with the id of its request in brackets. *Source* of the lines: recordings of REST APIs of 2019-02
(API-Gateway-Execution-Logs_uwe3g5jm54/Prod and _h733q2j6gb/Prod, in the tests of a subscriber named ship-logs), of
2023-10 (ministryofjustice/modernisation-platform-environments, pull request 3807); of REST and WebSocket APIs of
2026-09, radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json.
"""

from __future__ import annotations

import re

from logs.model import Kind

_LINE = re.compile(r"\(([^)\s]{1,200})\) (.*)", re.DOTALL)
_EXTENDED = "Extended Request Id: "
#: How a line begins, and the part of the request. The first that fits counts.
_KINDS = (
    ("Execution failed due to", Kind.ERROR),
    ("Execution failed:", Kind.ERROR),
    ("Lambda execution failed", Kind.ERROR),
    ("Connection API request failed", Kind.ERROR),
    ("Key throttle limit exceeded", Kind.ERROR),
    ("Unauthorized request", Kind.ERROR),
    ("Malformed Lambda proxy response", Kind.ERROR),
    ("Lambda Customer Function Error", Kind.ERROR),
    ("Endpoint request timed out", Kind.ERROR),
    (_EXTENDED, Kind.REQUEST),
    ("Starting execution for request", Kind.REQUEST),
    ("HTTP Method:", Kind.REQUEST),
    ("Method request", Kind.REQUEST),
    ("WebSocket", Kind.REQUEST),
    ("Client [", Kind.REQUEST),
    ("Message from client", Kind.RESPONSE),
    ("Verifying Usage Plan", Kind.ADMISSION),
    ("Usage Plan check", Kind.ADMISSION),
    ("API Key", Kind.ADMISSION),
    ("Starting authorizer", Kind.ADMISSION),
    ("Authorizer", Kind.ADMISSION),
    ("Incoming identity", Kind.ADMISSION),
    ("Using valid authorizer policy", Kind.ADMISSION),
    ("Successfully completed authorizer execution", Kind.ADMISSION),
    ("Endpoint request", Kind.INTEGRATION_REQUEST),
    ("Sending request to", Kind.INTEGRATION_REQUEST),
    ("Received response", Kind.INTEGRATION_RESPONSE),
    ("Endpoint response", Kind.INTEGRATION_RESPONSE),
    ("AWS Integration Endpoint RequestId", Kind.INTEGRATION_RESPONSE),
    ("Method response", Kind.RESPONSE),
    ("Method completed", Kind.RESPONSE),
    ("Successfully completed execution", Kind.RESPONSE),
    ("Connection API request completed", Kind.RESPONSE),
    ("X-ray Tracing ID", Kind.RESPONSE),
)


def split(message: str) -> tuple[str, str] | None:
    """Return the request id and the text of the line; None for a line of another shape."""
    match = _LINE.fullmatch(message.rstrip("\n"))
    return None if match is None else (match[1], match[2])


def extended_request_id(text: str) -> str | None:
    """Return the extended request id if the text is the line that has it; None for any other line."""
    return text.removeprefix(_EXTENDED).strip() if text.startswith(_EXTENDED) else None


def kind_of(text: str) -> Kind:
    """Return the part of the request that the text is about."""
    return next((kind for beginning, kind in _KINDS if text.startswith(beginning)), Kind.OTHER)
