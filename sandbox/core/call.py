"""The values that the modules of the sandbox pass to each other: a call, its caller, its answer, an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of an operation, as AWS identifies it by the access key."""

    account: str
    #: IAM user, root or STS assumed-role ARN.
    arn: str
    #: ARN of the role behind an assumed-role session (with its path); None for users and root.
    role_arn: str | None
    #: CloudTrail's ``userIdentity`` block, without ``invokedBy``.
    user_identity: dict[str, Any] = field(repr=False)
    #: The service that makes the call for the caller, such as ``cloudformation.amazonaws.com``; None for a direct call.
    invoked_by: str | None = None
    #: True if no permissions are checked: for the sandbox's own administrator and for AWS's services in their own name.
    is_trusted: bool = False
    #: The policy that was passed when the session of a role was opened, as JSON; None without one.
    session_policy: str | None = None

    def on_behalf_of(self, service: str) -> Caller:
        """Return this caller for calls that ``service``, such as ``cloudformation.amazonaws.com``, makes for it."""
        return replace(self, invoked_by=service)


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: an action on a resource, and the condition keys AWS sets for it."""

    action: str
    resource: str
    context: dict[str, str | list[str]] = field(default_factory=dict)
    #: An older action that is sufficient too.
    or_action: str | None = None


@dataclass(slots=True)
class Call:
    """One AWS API call, parsed by its service model."""

    #: boto3's name of the service: ``apigateway``, ``apigatewayv2``, ``logs``, ``iam`` ...
    service: str
    #: The operation as in the model and in CloudTrail: ``UpdateStage``.
    operation: str
    region: str
    caller: Caller
    #: The parameters under the SDK's names: ``{"restApiId": ..., "patchOperations": [...]}``.
    params: dict[str, Any]
    request_id: str
    user_agent: str
    source_ip: str
    #: HTTP verb and decoded path, from which API Gateway derives action and resource.
    http_method: str = "POST"
    http_path: str = "/"
    #: The ``Host`` header, which CloudTrail's records of REST calls contain.
    host: str = ""
    #: Permissions that this call needed besides those of every such call. They are added while the call is answered.
    further_needs: list[Need] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call and its answer."""

    call: Call
    time: datetime
    #: HTTP status of the answer.
    status: int
    #: None for a call that succeeded; "" if AWS answers without a code.
    error_code: str | None
    #: The permissions that the call needs, also if the caller was not checked, each with whether the caller has it.
    needs: tuple[Need, ...]


class AwsError(Exception):
    """An error answer (4xx or 5xx) with the code and text of the service.

    ``code`` may be empty: API Gateway answers some 429s without one.
    """

    def __init__(self, code: str, message: str, status: int = 400, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Answer:
    """An HTTP answer. ``error`` is set if the call was refused."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: AwsError | None = None
    #: The body as the SDK parses it; None for errors, and for answers that are not parsed (streams).
    result: dict[str, Any] | None = None


class Silence(StrEnum):
    """What happens to a caller that gets no answer."""

    #: The connection is closed.
    DROPPED = "dropped"
    #: The connection stays open without an answer.
    TIMEOUT = "timeout"
    #: The process of the caller is killed.
    KILLED = "killed"


class NoAnswerError(Exception):
    """A call that gets no answer, whether the account processed it or not."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(silence)
        self.silence = silence


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that EventBridge could not deliver."""

    rule_arn: str
    target_arn: str
    reason: str
    event: dict[str, Any]
