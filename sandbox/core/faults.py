"""Faults for tests: a call is refused, lost before the account processes it, or processed without an answer.

``sandbox.faults.add(Fault(FaultType.THROTTLED, "apigateway", "UpdateStage"))`` makes the next such call fail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sandbox.core.call import AwsError, NoAnswerError, Silence

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Answer, Call, Caller


class FaultType(StrEnum):
    """The type of a fault."""

    THROTTLED = "429"
    #: An answer that API Gateway sometimes gives. *Source:* awslabs/nx-plugin-for-aws, pull request 924.
    THROTTLED_WITHOUT_CODE = "429 without an error code"
    INTERNAL_ERROR = "500"
    UNAVAILABLE = "503"
    CONFLICT = "conflict"
    ACCESS_DENIED = "access denied"
    #: The account did not process the call.
    TIMEOUT = "timeout"
    DROPPED = "dropped connection"
    KILLED = "killed before the call"
    #: The account processed the call.
    TIMEOUT_AFTER = "timeout after the call"
    DROPPED_AFTER = "dropped connection after the call"
    KILLED_AFTER = "killed after the call"


_BEFORE = {FaultType.TIMEOUT: Silence.TIMEOUT, FaultType.DROPPED: Silence.DROPPED, FaultType.KILLED: Silence.KILLED}
_AFTER = {
    FaultType.TIMEOUT_AFTER: Silence.TIMEOUT,
    FaultType.DROPPED_AFTER: Silence.DROPPED,
    FaultType.KILLED_AFTER: Silence.KILLED,
}

#: The errors for too many calls by service, with the HTTP status.
#: *Source:* botocore's models (exceptions of the operations) and, where these name none, its list of throttling codes.
_THROTTLES = {
    "apigateway": ("TooManyRequestsException", "Too Many Requests", 429),
    "apigatewayv2": ("TooManyRequestsException", "Too Many Requests", 429),
    "scheduler": ("ThrottlingException", "Rate exceeded", 429),
    "sqs": ("RequestThrottled", "Rate exceeded", 403),
    "iam": ("Throttling", "Rate exceeded", 400),
    # Its text: awslabs/aws-deployment-framework, issue 784.
    "organizations": (
        "TooManyRequestsException",
        "You have sent too many requests in too short a period of time. Try again later.",
        400,
    ),
}
_OTHER_THROTTLE = ("ThrottlingException", "Rate exceeded", 400)

#: The errors for concurrent changes of one resource by service. Other services have no such error.
_CONFLICTS = {
    "apigateway": (
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        409,
    ),
    "apigatewayv2": (
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        409,
    ),
    "iam": ("ConcurrentModification", "The request was rejected because of a concurrent modification.", 409),
    "logs": ("OperationAbortedException", "A conflicting operation is in progress against this resource.", 400),
    "scheduler": ("ConflictException", "Conflicting schedule update in progress.", 409),
}
_DENIED = {"iam": "AccessDenied", "sqs": "AccessDenied", "sts": "AccessDenied"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the calls that it affects.

    ``service``, ``operation``: the names in boto3 and in the model; None: any. ``times``: number of calls; None: all,
    until ``lift``. ``skip``: number of such calls that succeed before. ``of``: the callers; by default all except the
    sandbox's own administrator.
    """

    kind: FaultType
    service: str | None = None
    operation: str | None = None
    times: int | None = 1
    skip: int = 0
    of: Callable[[Caller], bool] = lambda caller: not caller.is_trusted

    def fits(self, call: Call) -> bool:
        return (
            self.service in (None, call.service) and self.operation in (None, call.operation) and self.of(call.caller)
        )


@dataclass(slots=True)
class _Pending:
    fault: Fault
    skip: int
    times: int | None


class Faults:
    """The faults of one account."""

    def __init__(self) -> None:
        #: The faults that occurred, oldest first, each with its call.
        self.met: list[tuple[Fault, Call]] = []
        self._pending: list[_Pending] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault. The next call that matches it fails."""
        with self._lock:
            self._pending.append(_Pending(fault, fault.skip, fault.times))

    def lift(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._pending.clear()

    def interpose(self, account: Account, call: Call, answer: Callable[[], Answer]) -> Answer:
        """Return the answer of the account, or raise the fault that matches the call."""
        if (fault := self._take(call)) is None:
            return answer()
        kind = fault.kind
        if silence := _AFTER.get(kind):
            answer()
        elif (silence := _BEFORE.get(kind)) is None:
            raise refusal(kind, call)
        if silence is Silence.KILLED:
            account.kill(call.caller)
        raise NoAnswerError(silence)

    def _take(self, call: Call) -> Fault | None:
        with self._lock:
            for pending in self._pending:
                if not pending.fault.fits(call):
                    continue
                if pending.skip:
                    pending.skip -= 1
                    continue
                if pending.times is not None:
                    pending.times -= 1
                    if not pending.times:
                        self._pending.remove(pending)
                self.met.append((pending.fault, call))
                return pending.fault
        return None


def can_meet(kind: FaultType, service: str) -> bool:
    """Tell whether the service has such an error."""
    if kind is FaultType.CONFLICT:
        return service in _CONFLICTS
    return kind is not FaultType.THROTTLED_WITHOUT_CODE or service in ("apigateway", "apigatewayv2")


def refusal(kind: FaultType, call: Call) -> AwsError:
    """Return the error with which the call's service answers."""
    service = call.service
    match kind:
        case FaultType.THROTTLED:
            return AwsError(*_THROTTLES.get(service, _OTHER_THROTTLE))
        case FaultType.THROTTLED_WITHOUT_CODE:
            return AwsError("", "Too Many Requests", 429)
        case FaultType.CONFLICT:
            return AwsError(*_CONFLICTS[service])
        case FaultType.ACCESS_DENIED:
            message = f"User: {call.caller.arn} is not authorized to perform: {service}:{call.operation}"
            return AwsError(_DENIED.get(service, "AccessDeniedException"), message, 403)
        case FaultType.UNAVAILABLE:
            return AwsError("ServiceUnavailableException", "Service Unavailable", 503)
        case _:
            return AwsError("InternalFailure", "Internal server error", 500)
