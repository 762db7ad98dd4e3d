"""What was found as JSON. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from logs.errors_in_words import errors_of
from logs.model import Found, LogLine, Request
from logs.report_text import at


def to_json(found: Found) -> str:
    """Return one JSON document."""
    sources, ref = found.sources, found.sources.stage.ref
    document = {
        "accountId": ref.account,
        "region": ref.region,
        "protocol": sources.protocol,
        "apiId": ref.api_id,
        "apiName": sources.api_name,
        "stage": ref.stage_name,
        "accessLogGroups": sources.access,
        "executionLogGroups": sources.execution,
        "since": at(found.since),
        "until": at(found.until),
        "isComplete": found.is_complete,
        "notes": found.notes,
        "requests": [request_data(request) for request in found.requests],
        "otherLines": [_line(line) for line in found.other_lines],
    }
    return json.dumps(document, indent=2) + "\n"


def request_to_json(request: Request) -> str:
    """Return the request as one line of JSON."""
    return json.dumps(request_data(request), separators=(",", ":")) + "\n"


def request_data(request: Request) -> dict[str, Any]:
    """Return the request in values of JSON. A member is null if no line has it."""
    access = request.access
    return {
        "requestId": request.request_id,
        "time": at(request.started),
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "integrationStatus": request.integration_status,
        "latency": _number(request.latency),
        "integrationLatency": _number(request.integration_latency),
        "endpoint": request.endpoint,
        "isFailed": request.is_failed,
        "errors": errors_of(request),
        "accessLog": None if access is None else {"values": dict(access.values), "line": access.line.message},
        "executionLog": [
            {"milliseconds": step.milliseconds, "part": step.kind, "text": step.text} for step in request.steps
        ],
    }


def _number(text: str | None) -> int | None:
    """Return the number; None for a text of a client in its place, which can have thousands of digits."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,15}", text) else None


def _line(line: LogLine) -> dict[str, str]:
    return {"time": at(line.time), "logGroup": line.log_group, "logStream": line.stream, "message": line.message}
