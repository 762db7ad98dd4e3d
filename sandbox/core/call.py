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
    """Who makes a call, as AWS would know them from the access key they signed with."""

    account: str
    #: IAM user, root or STS assumed-role ARN.
    arn: str
    #: ARN of the role behind an assumed-role session (with its path); None for users and root.
    role_arn: str | None
    #: CloudTrail's ``userIdentity`` block, without ``invokedBy``.
    user_identity: dict[str, Any] = field(repr=False)
    #: A service that calls on the caller's behalf, such as ``cloudformation.amazonaws.com``; None for a direct call.
    invoked_by: str | None = None
    #: Nothing is checked for this caller: the sandbox's own administrator, and AWS's services in their own name.
    is_trusted: bool = False

    def on_behalf_of(self, service: str) -> Caller:
        """Return this caller with ``service`` (``cloudformation.amazonaws.com``) calling in its place."""
        return replace(self, invoked_by=service)


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: an action on a resource, and the condition keys AWS sets for it."""

    action: str
    resource: str
    context: dict[str, str | list[str]] = field(default_factory=dict)
    #: An older action that is as good.
    or_action: str | None = None


@dataclass(slots=True)
class Call:
    """One AWS API call, parsed by its service model."""

    #: boto3's name of the service: ``apigateway``, ``apigatewayv2``, ``logs``, ``iam`` ...
    service: str
    #: The operation as the model and CloudTrail spell it: ``UpdateStage``.
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
    #: The ``Host`` header; CloudTrail tells it of REST calls.
    host: str = ""
    #: What was asked of the caller beyond what every such call needs, as it came up while the call was answered.
    further_needs: list[Need] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that was answered, and how."""

    call: Call
    time: datetime
    #: HTTP status of the answer.
    status: int
    #: None for a call that succeeded; may be "" where AWS answers without a code.
    error_code: str | None
    #: The permissions that were asked for, whether or not the caller was checked, and whether they were had.
    needs: tuple[Need, ...]


class AwsError(Exception):
    """An answer of 4xx or 5xx, as the named service would word it.

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
    """An HTTP answer; ``error`` is set where the call was refused."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: AwsError | None = None
    #: What the SDK would make of the body; None for answers that are not parsed (streams) and errors.
    result: dict[str, Any] | None = None


class Silence(StrEnum):
    """What a caller sees who gets no answer."""

    #: The connection ends.
    DROPPED = "dropped"
    #: The connection stays open, and no answer comes.
    TIMEOUT = "timeout"
    #: Nothing: the caller's own process was killed.
    KILLED = "killed"


class NoAnswerError(Exception):
    """A call that gets no answer, whether it was done or not."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(silence)
        self.silence = silence


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event EventBridge could not deliver."""

    rule_arn: str
    target_arn: str
    reason: str
    event: dict[str, Any]
