"""What a stage is: its names, its settings for logging, and the log groups that belong to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from log_keeper.names import NAME_PATTERNS, check_name


class ApiVersion(StrEnum):
    """Which of API Gateway's two APIs manages a stage. The values are the names of the boto3 clients."""

    V1 = "apigateway"
    V2 = "apigatewayv2"


class Protocol(StrEnum):
    """The protocol of the API that a stage belongs to. Events have only the version; GetApi has the protocol."""

    REST = "REST"
    HTTP = "HTTP"
    WEBSOCKET = "WEBSOCKET"


class LoggingLevel(StrEnum):
    """API Gateway's execution logging levels. A level that API Gateway leaves out is read as OFF."""

    OFF = "OFF"
    ERROR = "ERROR"
    INFO = "INFO"
    #: Any other text, which V1's model allows. It may log nothing or everything, so no stage keeps such a level.
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> LoggingLevel:  # noqa: ARG003 - as Enum calls it
        return cls.UNKNOWN


class Account(NamedTuple):
    """An AWS account. ``partition``: ``aws``, ``aws-cn`` or ``aws-us-gov``, as in its ARNs.

    ``name``, ``organizational_unit_id``: as its organization knows it; None if that is not known.
    """

    account_id: str
    partition: str
    name: str | None = None
    organizational_unit_id: str | None = None

    def known(self) -> dict[str, str]:
        """Return what the organization knows about the account, as log lines and events show it."""
        known = {"accountName": self.name, "organizationalUnitId": self.organizational_unit_id}
        return {key: value for key, value in known.items() if value is not None}

    def log_group_prefix(self, region: str) -> str:
        """Return the text before the name in the ARN of each log group of the account and the region."""
        return f"arn:{self.partition}:logs:{region}:{self.account_id}:log-group:"


@dataclass(frozen=True, slots=True)
class StageRef:
    """The identity of a stage.

    The names become parts of ARNs, log group names and paths. A name that API Gateway cannot have given is a
    ``ValueError`` here, wherever it comes from.
    """

    account: str
    region: str
    version: ApiVersion
    api_id: str
    stage_name: str

    def __post_init__(self) -> None:
        for part in NAME_PATTERNS:
            check_name(part, getattr(self, part))
        if self.version is ApiVersion.V1 and self.stage_name == "$default":
            raise ValueError("stage_name of a REST API cannot be '$default'")


@dataclass(frozen=True, slots=True)
class Api:
    """An API whose stages are evaluated. ``name``: given by its owner; empty if it is not known."""

    api_id: str
    protocol: Protocol
    name: str = field(default="", compare=False)


class AccessLogSettings(NamedTuple):
    """The destination and the format of access logs.

    ``destination_arn``: of a log group (without ``:*``) or a Firehose stream; None if there is none.
    ``format``: None if there is none. API Gateway accepts a destination without a format.
    ``is_lost``: the destination is a log group that has not existed for so long that it is replaced.
    """

    destination_arn: str | None = None
    format: str | None = None
    is_lost: bool = False

    @property
    def needs_destination(self) -> bool:
        """Return whether the stage is to get a destination: it has none, or a lost one."""
        return self.destination_arn is None or self.is_lost


class MethodSettings(NamedTuple):
    """The settings of a method (REST) or a route (WebSocket, HTTP) for execution logs and metrics.

    ``data_trace``: whether request and response bodies are written to the execution log.
    HTTP APIs have ``detailed_metrics`` only.
    """

    level: LoggingLevel = LoggingLevel.OFF
    data_trace: bool = False
    detailed_metrics: bool = False


#: Of a stage on which nobody has set anything.
_DEFAULT_SETTINGS = MethodSettings()


@dataclass(frozen=True, slots=True)
class Stage:
    """The settings of a stage at the moment when it was read.

    ``settings``: of every method or route without its own settings. REST: the method settings ``*/*``; HTTP and
    WebSocket: the default route settings.
    ``overrides``: the settings of methods or routes that have their own. A method's key is the path that addressed it,
    without the first slash: ``~1/GET``, ``~1pets~1{id}/GET``, ``pets/{id}/GET``.
    ``has_canary``: a canary writes to its own log groups, whose names are the stage's and ``/Canary``.
    *Source:* API Gateway developer guide, "Set up an API Gateway canary release deployment".
    ``is_managed``: the ``$default`` stage of a quick-created HTTP API, which API Gateway may refuse to change.
    ``api_name``: the name of its API, which its owner can change; None if it was not read with the stage.
    """

    ref: StageRef
    protocol: Protocol
    tags: Mapping[str, str]
    access_log: AccessLogSettings
    settings: MethodSettings = _DEFAULT_SETTINGS
    overrides: Mapping[str, MethodSettings] = field(default_factory=dict)
    has_canary: bool = False
    is_managed: bool = False
    api_name: str | None = None

    @property
    def has_execution_logs(self) -> bool:
        """Return whether the stage can have execution logs.

        *Source:* API Gateway's answer "Execution logs are not supported on protocolType HTTP".
        """
        return self.protocol is not Protocol.HTTP

    @property
    def methods_decide_on_metrics(self) -> bool:
        """Return whether each method's own setting for detailed metrics counts, and not only the stage's.

        A route's own setting does not count: where the stage's is true, all routes have detailed metrics.
        *Source:* radkawar/stackd, testdata/aws/apigateway/v2_metrics.json.
        """
        return self.protocol is Protocol.REST

    @property
    def needs_account_role(self) -> bool:
        """Return whether API Gateway writes the stage's logs with the account's CloudWatch log role.

        HTTP APIs use log delivery instead. *Source:* aws/aws-cdk, pull request 33977.
        """
        return self.protocol is not Protocol.HTTP


#: Stands for ``$default``: a log group name cannot contain ``$``, a destination cannot contain ``#``, and no other
#: stage name contains a dot.
DEFAULT_STAGE = ".default"
_ACCESS_LOG_GROUPS = {
    ApiVersion.V1: "/aws/vendedlogs/apigateway/",
    ApiVersion.V2: "/aws/vendedlogs/apigatewayv2/",
}
#: *Source:* API Gateway developer guide, "Execution logging for REST APIs"; for WebSocket APIs a recording in
#: radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json.
_EXECUTION_LOG_GROUPS = {
    ApiVersion.V1: "API-Gateway-Execution-Logs_",
    ApiVersion.V2: "/aws/apigateway/",
}


def access_log_group(ref: StageRef) -> str:
    """Return the name of the log group that Log Keeper creates for the access logs of a stage without a destination.

    Under ``/aws/vendedlogs/`` one statement of a CloudWatch Logs resource policy is enough for all log groups. Under
    ``/aws/apigateway/`` API Gateway creates log groups of its own.
    """
    return _ACCESS_LOG_GROUPS[ref.version] + _path(ref)


def execution_log_group(ref: StageRef) -> str:
    """Return the name of the log group to which API Gateway writes execution logs. Owners cannot choose it."""
    return _EXECUTION_LOG_GROUPS[ref.version] + _path(ref)


def stage_of_log_group(name: str, account: str, region: str) -> StageRef | None:
    """Return the stage whose access or execution log group has this name; None for any other name."""
    for prefixes in (_ACCESS_LOG_GROUPS, _EXECUTION_LOG_GROUPS):
        for version, prefix in prefixes.items():
            api_id, _, stage_name = name.removeprefix(prefix).partition("/")
            stage_name = stage_name.removesuffix("/Canary")  # the log group of a canary
            if name.startswith(prefix) and stage_name:
                try:
                    return StageRef(account, region, version, api_id, stage_name.replace(DEFAULT_STAGE, "$default"))
                except ValueError:
                    return None
    return None


def _path(ref: StageRef) -> str:
    return f"{ref.api_id}/{ref.stage_name.replace('$default', DEFAULT_STAGE)}"


def with_other_version(ref: StageRef) -> StageRef | None:
    """Return the stage with the same names in the other version of the API; None if that version has no such name.

    ``/aws/apigateway/{api}/{stage}`` is the execution log group of a WebSocket API. It is also a name that people
    choose for the access log group of a REST API.
    """
    other = ApiVersion.V1 if ref.version is ApiVersion.V2 else ApiVersion.V2
    try:
        return replace(ref, version=other)
    except ValueError:
        return None


def log_group_arn(ref: StageRef, name: str, partition: str) -> str:
    """Return the ARN in the form of an access log destination: API Gateway refuses the form that ends in ``:*``."""
    return f"arn:{partition}:logs:{ref.region}:{ref.account}:log-group:{name}"
