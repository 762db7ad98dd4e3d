"""What a stage is: how it is named, and what API Gateway says of its logging."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: The key of the settings that hold for every method without an entry of its own.
ALL_METHODS = "*/*"

_NAME_PATTERNS = {
    "account": re.compile(r"[0-9]{12}"),
    "region": re.compile(r"[a-z]{2,6}(-[a-z]+)+-[0-9]+"),
    "api_id": re.compile(r"[a-z0-9]{1,64}"),
    # Source: API Gateway's own refusal of other names: "Stage name only allows a-zA-Z0-9_-".
    "stage_name": re.compile(r"[A-Za-z0-9_-]{1,128}"),
}


class Protocol(StrEnum):
    """The kind of API a stage belongs to."""

    REST = "REST"


class LoggingLevel(StrEnum):
    """API Gateway's execution logging levels. A level that API Gateway leaves out is read as OFF."""

    OFF = "OFF"
    ERROR = "ERROR"
    INFO = "INFO"


@dataclass(frozen=True, slots=True)
class StageRef:
    """Names one stage of one API in one region of one account.

    The names end up in ARNs, log group names and paths, so that one which API Gateway could not have given is a
    ``ValueError`` here, whoever sent it.
    """

    account: str
    region: str
    protocol: Protocol
    api_id: str
    stage_name: str

    def __post_init__(self) -> None:
        for field, pattern in _NAME_PATTERNS.items():
            if not pattern.fullmatch(getattr(self, field)):
                raise ValueError(f"{field} of a stage cannot be {getattr(self, field)[:200]!r}")

    def __str__(self) -> str:
        return f"{self.region} {self.protocol} {self.api_id}/{self.stage_name}"


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    """Where access logs go and what a line says.

    ``destination_arn``: of a log group (without ``:*``) or a Firehose stream; None if there is none.
    ``format``: None if API Gateway has a destination only, which it accepts.
    """

    destination_arn: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionLogSettings:
    """The part of a method's settings that is about execution logs.

    ``data_trace``: whether whole requests and responses are written, bodies included.
    """

    level: LoggingLevel = LoggingLevel.OFF
    data_trace: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What API Gateway says of a stage's logging at the moment it was read.

    ``execution_logs``: keyed as in ``methodSettings``: ``*/*`` and one entry per overridden method, such as
    ``~1/GET`` or ``pets~1{id}/GET``; empty for a new stage. An override does not follow ``*/*``.
    ``has_canary``: a canary logs to groups of its own, named like the stage's with ``/Canary`` behind.
    *Source:* API Gateway developer guide, "Set up an API Gateway canary release deployment".
    """

    ref: StageRef
    tags: Mapping[str, str]
    access_log: AccessLogSettings
    execution_logs: Mapping[str, ExecutionLogSettings]
    has_canary: bool = False


def access_log_group(ref: StageRef) -> str:
    """The name of the log group that is made for a stage without a destination.

    Under ``/aws/vendedlogs/``, so that the CloudWatch Logs resource policy does not fill up, and not under
    ``/aws/apigateway/``, where API Gateway keeps groups of its own.
    """
    return f"/aws/vendedlogs/apigateway/{ref.api_id}/{ref.stage_name}"


def execution_log_group(ref: StageRef) -> str:
    """The name of the log group that API Gateway writes a stage's execution logs to; it cannot be chosen.

    *Source:* API Gateway developer guide, "Execution logging for REST APIs".
    """
    return f"API-Gateway-Execution-Logs_{ref.api_id}/{ref.stage_name}"


def log_group_arn(ref: StageRef, name: str, partition: str) -> str:
    """The ARN as a destination wants it: API Gateway refuses the form that ends in ``:*``."""
    return f"arn:{partition}:logs:{ref.region}:{ref.account}:log-group:{name}"
