"""What a stage is: how it is named, and what API Gateway says of its logging."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

_NAME_PATTERNS = {
    "account": re.compile(r"[0-9]{12}"),
    "region": re.compile(r"[a-z]{2,6}(-[a-z]+)+-[0-9]+"),
    "api_id": re.compile(r"[a-z0-9]{1,64}"),
    # Source: botocore's model of apigatewayv2; REST refuses other names too ("Stage name only allows a-zA-Z0-9_-").
    "stage_name": re.compile(r"[A-Za-z0-9_-]{1,128}|\$default"),
}


class ApiVersion(StrEnum):
    """Which of API Gateway's two APIs speaks of a stage, by the names of their boto3 clients."""

    V1 = "apigateway"
    V2 = "apigatewayv2"


class Protocol(StrEnum):
    """The kind of API a stage belongs to. Events tell the version only; for V2 the API itself has to be asked."""

    REST = "REST"
    HTTP = "HTTP"
    WEBSOCKET = "WEBSOCKET"


class LoggingLevel(StrEnum):
    """API Gateway's execution logging levels. A level that API Gateway leaves out is read as OFF."""

    OFF = "OFF"
    ERROR = "ERROR"
    INFO = "INFO"
    #: Any other: V1's model allows any text. It may write nothing or everything, so that no stage stays at it.
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> LoggingLevel:  # noqa: ARG003 - as Enum calls it
        return cls.UNKNOWN


def check_name(kind: str, name: object) -> str:
    """The name, which AWS can have given to such a thing (``account``, ``region``, ``api_id``, ``stage_name``).

    Raises ValueError for any other.
    """
    if not isinstance(name, str) or not _NAME_PATTERNS[kind].fullmatch(name):
        raise ValueError(f"{kind} cannot be {repr(name)[:200]}")
    return name


@dataclass(frozen=True, slots=True)
class StageRef:
    """Names one stage of one API in one region of one account.

    The names end up in ARNs, log group names and paths, so that one which API Gateway could not have given is a
    ``ValueError`` here, whoever sent it.
    """

    account: str
    region: str
    version: ApiVersion
    api_id: str
    stage_name: str

    def __post_init__(self) -> None:
        for kind in _NAME_PATTERNS:
            check_name(kind, getattr(self, kind))
        if self.version is ApiVersion.V1 and self.stage_name == "$default":
            raise ValueError("stage_name of a REST API cannot be '$default'")


@dataclass(frozen=True, slots=True)
class Api:
    """An API whose stages are to be judged. ``name``: what its owner calls it, where that is known."""

    api_id: str
    protocol: Protocol
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    """Where access logs go and what a line says.

    ``destination_arn``: of a log group (without ``:*``) or a Firehose stream; None if there is none.
    ``format``: None if API Gateway has a destination only, which it accepts.
    ``is_lost``: the destination is a log group that does not exist and is not awaited any more, so that it is replaced.
    """

    destination_arn: str | None = None
    format: str | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What is logged and measured of a method (REST) or a route (WebSocket, HTTP).

    ``data_trace``: whether whole requests and responses are written to the execution log, bodies included.
    HTTP APIs have ``detailed_metrics`` only.
    """

    level: LoggingLevel = LoggingLevel.OFF
    data_trace: bool = False
    detailed_metrics: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What API Gateway says of a stage's logging at the moment it was read.

    ``settings``: for every method or route without settings of its own: ``*/*`` of a REST API's method settings, the
    default route settings of the others.
    ``overrides``: the methods or routes that do have their own, which do not follow the stage's. A method's key is the
    path that addressed it, less its first slash: ``~1/GET``, ``~1pets~1{id}/GET``, ``pets/{id}/GET``.
    ``has_canary``: a canary logs to groups of its own, named like the stage's with ``/Canary`` behind.
    *Source:* API Gateway developer guide, "Set up an API Gateway canary release deployment".
    ``is_managed``: the ``$default`` stage of a quick-created HTTP API, which API Gateway may not let anyone change.
    """

    ref: StageRef
    protocol: Protocol
    tags: Mapping[str, str]
    access_log: AccessLogSettings
    settings: MethodSettings = MethodSettings()
    overrides: Mapping[str, MethodSettings] = field(default_factory=dict)
    has_canary: bool = False
    is_managed: bool = False

    @property
    def has_execution_logs(self) -> bool:
        """HTTP APIs have none. *Source:* "Execution logs are not supported on protocolType HTTP"."""
        return self.protocol is not Protocol.HTTP

    @property
    def methods_decide_on_metrics(self) -> bool:
        """Whether a method's own detailed metrics count, and not the stage's alone.

        A route's do not: it is measured where the stage says true, also where its own settings say false.
        *Source:* radkawar/stackd, testdata/aws/apigateway/v2_metrics.json.
        """
        return self.protocol is Protocol.REST

    @property
    def needs_account_role(self) -> bool:
        """HTTP APIs write their logs by log delivery instead. *Source:* aws/aws-cdk, pull request 33977."""
        return self.protocol is not Protocol.HTTP

    @property
    def owner(self) -> str | None:
        """The CloudFormation stack that made the stage and may set it back; None if none did."""
        return self.tags.get("aws:cloudformation:stack-name")


#: A log group name may not contain ``$``, a destination may not contain ``#``, and no stage name contains a dot.
_DEFAULT_STAGE = ".default"
_ACCESS_LOG_GROUPS = {
    ApiVersion.V1: "/aws/vendedlogs/apigateway/",
    ApiVersion.V2: "/aws/vendedlogs/apigatewayv2/",
}
#: *Source:* API Gateway developer guide, "Execution logging for REST APIs"; of WebSocket APIs what was recorded in
#: radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json.
_EXECUTION_LOG_GROUPS = {
    ApiVersion.V1: "API-Gateway-Execution-Logs_",
    ApiVersion.V2: "/aws/apigateway/",
}


def access_log_group(ref: StageRef) -> str:
    """The name of the log group that is made for a stage without a destination.

    Under ``/aws/vendedlogs/``, where one entry of the CloudWatch Logs resource policy is enough for all, and not under
    ``/aws/apigateway/``, where API Gateway keeps groups of its own.
    """
    return _ACCESS_LOG_GROUPS[ref.version] + _path(ref)


def execution_log_group(ref: StageRef) -> str:
    """The name of the log group that API Gateway writes a stage's execution logs to; it cannot be chosen."""
    return _EXECUTION_LOG_GROUPS[ref.version] + _path(ref)


def stage_of_log_group(name: str, account: str, region: str) -> StageRef | None:
    """The stage that logs to a group of this name; None if the name is neither of the two."""
    for prefixes in (_ACCESS_LOG_GROUPS, _EXECUTION_LOG_GROUPS):
        for version, prefix in prefixes.items():
            api_id, _, stage_name = name.removeprefix(prefix).partition("/")
            stage_name = stage_name.removesuffix("/Canary")  # a canary's group stands below its stage's
            if name.startswith(prefix) and stage_name:
                try:
                    return StageRef(account, region, version, api_id, stage_name.replace(_DEFAULT_STAGE, "$default"))
                except ValueError:
                    return None
    return None


def _path(ref: StageRef) -> str:
    return f"{ref.api_id}/{ref.stage_name.replace('$default', _DEFAULT_STAGE)}"


def with_other_version(ref: StageRef) -> StageRef | None:
    """Return the stage of the same names in the other version of the API; None if that version has no such name.

    ``/aws/apigateway/{api}/{stage}`` is the execution log group of a WebSocket API, and also a name that people choose
    for the access log group of a REST API.
    """
    other = ApiVersion.V1 if ref.version is ApiVersion.V2 else ApiVersion.V2
    try:
        return replace(ref, version=other)
    except ValueError:
        return None


def log_group_arn(ref: StageRef, name: str, partition: str) -> str:
    """The ARN as a destination wants it: API Gateway refuses the form that ends in ``:*``."""
    return f"arn:{partition}:logs:{ref.region}:{ref.account}:log-group:{name}"
