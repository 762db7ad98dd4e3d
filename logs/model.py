"""What is read and shown: lines of log groups, and requests with their access log and their timeline. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from log_keeper.stages import Protocol, Stage

#: API Gateway writes this for a variable without a value.
#: *Source:* DataBiosphere/azul, issue 4348 (2024-07-10).
ABSENT = "-"
#: A larger value of ``requestTimeEpoch`` is in milliseconds. HTTP APIs write seconds, REST APIs milliseconds.
#: *Source:* radkawar/stackd, internal/services/apigatewayexec/http_logging.go, which was written after recordings.
_LARGEST_SECONDS = 10**11
_METHOD = re.compile(r"HTTP Method: (\S+), Resource Path: (.*)")
_ROUTE = re.compile(r"WebSocket Request Route: \[(.*)\]")
_STATUS = re.compile(r"(?:Method completed with status|Connection API request completed with status): (\d{3})")
_LATENCY = re.compile(r"Received response\..*Integration latency: (\d+) ms")
_ENDPOINT = re.compile(r"(?:Endpoint request URI: |Sending request to )(\S+)")


class LogLine(NamedTuple):
    """One event of a log group. ``time``: of the event, in milliseconds since 1970."""

    time: int
    message: str
    log_group: str
    stream: str
    event_id: str


class Kind(StrEnum):
    """The part of a request that an execution log line is about."""

    REQUEST = "request"
    ADMISSION = "admission"  # authorizer, API key, usage plan
    INTEGRATION_REQUEST = "to integration"
    INTEGRATION_RESPONSE = "from integration"
    RESPONSE = "response"
    ERROR = "error"
    OTHER = "other"


class Step(NamedTuple):
    """One line of an execution log. ``milliseconds``: since the request began. ``text``: without the request id."""

    milliseconds: int
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One line of an access log.

    ``values``: by variable, without ``$context.``; without those that have no value. Empty if the line has another
    format than the stage has now.
    """

    line: LogLine
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``started``: in milliseconds since 1970. ``access``: None if no access log line was found.

    ``steps``: the execution log lines in order; empty if none were found.
    """

    request_id: str
    started: int
    access: AccessEntry | None = None
    steps: tuple[Step, ...] = ()

    def value(self, *variables: str) -> str | None:
        """Return the value of the first of these variables that the access log line has; None if it has none."""
        values = {} if self.access is None else self.access.values
        return next((values[name] for name in variables if name in values), None)

    @property
    def method(self) -> str | None:
        """Return the method, or the event of a WebSocket API; None if it is not known."""
        return self.value("httpMethod", "eventType") or self._found(_METHOD)

    @property
    def path(self) -> str | None:
        """Return the path as the client sent it, else the resource or the route; None if it is not known."""
        route = self.value("path", "resourcePath", "routeKey") or self._found(_METHOD, 2)
        return route or self._found(_ROUTE)

    @property
    def status(self) -> int | None:
        """Return the status of the answer; None if it is not known."""
        text = self.value("status") or self._found(_STATUS) or ""
        return int(text) if re.fullmatch(r"\d{3}", text, re.ASCII) else None

    @property
    def integration_status(self) -> int | None:
        """Return the status with which the integration answered; None if it is not known or there was no answer."""
        text = self.value("integration.status", "integrationStatus") or ""
        return int(text) if re.fullmatch(r"\d{3}", text, re.ASCII) else None

    @property
    def latency(self) -> str | None:
        """Return the milliseconds from the request's first byte to its answer; None if they are not known."""
        return self.value("responseLatency")

    @property
    def integration_latency(self) -> str | None:
        """Return the milliseconds that the integration took; None if they are not known."""
        return self.value("integration.latency", "integrationLatency") or self._found(_LATENCY)

    @property
    def endpoint(self) -> str | None:
        """Return the address of the integration; None if no line has it."""
        return self._found(_ENDPOINT)

    @property
    def is_failed(self) -> bool:
        """Return whether the answer was 4xx or 5xx, or the integration failed."""
        statuses = [status for status in (self.status, self.integration_status) if status is not None]
        return (
            any(status >= 400 for status in statuses)
            or self.value("integration.error", "integrationErrorMessage") is not None
            or any(step.kind is Kind.ERROR for step in self.steps)
        )

    @property
    def last_time(self) -> int:
        """Return the time of the last line, in milliseconds since 1970."""
        ends = [self.started + step.milliseconds for step in self.steps[-1:]]
        return max([self.started, *ends, *([] if self.access is None else [self.access.line.time])])

    def _found(self, pattern: re.Pattern[str], group: int = 1) -> str | None:
        matches = (pattern.match(step.text) for step in self.steps)
        return next((match[group] for match in matches if match), None)


def epoch_milliseconds(values: Mapping[str, str]) -> int | None:
    """Return when the request began, by ``requestTimeEpoch``; None if the line has it not, or only in seconds.

    In a format of the owner, a text of a client can take the place of the number. One with more digits than the times
    until 2286 is none.
    """
    text = values.get("requestTimeEpoch", "")
    if not re.fullmatch(r"\d{1,13}", text, re.ASCII):
        return None
    return int(text) if int(text) > _LARGEST_SECONDS else None


@dataclass(frozen=True, slots=True)
class Sources:
    """The log groups of a stage.

    ``access``, ``execution``: the names of log groups of the account and region. ``elsewhere``: sentences about logs
    that go to other places.
    """

    api_name: str
    stage: Stage
    access: tuple[str, ...]
    execution: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def protocol(self) -> Protocol:
        return self.stage.protocol


@dataclass(frozen=True, slots=True)
class Found:
    """What one run has found. ``since``, ``until``: in milliseconds since 1970.

    ``requests``: in the order in which they began. ``notes``: sentences about what cannot be shown, and why.
    ``other_lines``: lines that belong to none of the requests.
    ``is_complete``: False if a limit ended the search early.
    """

    sources: Sources
    since: int
    until: int
    requests: tuple[Request, ...]
    notes: tuple[str, ...]
    other_lines: tuple[LogLine, ...]
    is_complete: bool
