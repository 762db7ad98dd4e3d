"""Every change of moto's own code, in one place. ``apply`` states the order; ``assembly`` calls it before any account.

A patch is for what no rule can reach: code of moto that runs inside moto's answer, or outside of every call. What a
service contributes to one is registered here (``on_message``), so this module imports no service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core import utils
from moto.core.config import default_user_config
from moto.iam.access_control import PermissionResult
from moto.iam.models import IAMBackend, ManagedPolicy
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator
from moto.s3.models import FakeBucket
from moto.sqs import models as sqs_models
from moto.sqs.models import Queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.account import Account

_read_managed_policies = IAMBackend._init_aws_policies
_add_message = Queue.add_message

#: Called with each message that a queue of moto gets, in the order of registration.
_LISTENERS: list[Callable[[Queue, Any], None]] = []
#: AWS's managed policies, read once.
_POLICIES: list[ManagedPolicy] = []


def apply() -> None:
    """Change moto's code. The order is that of the lines below; a second call changes nothing more."""
    default_user_config["iam"]["load_aws_managed_policies"] = True
    IAMBackend._init_aws_policies = _managed_policies  # type: ignore[method-assign,assignment]
    IAMPolicyDocumentValidator._validate_version = _accept_any_version  # type: ignore[method-assign,assignment]
    IAMTrustPolicyDocumentValidator.validate = _accept_any_trust_policy  # type: ignore[method-assign,assignment]
    FakeBucket.get_permission = _decide_nothing  # type: ignore[method-assign,assignment]
    Queue.add_message = _add_message_and_notify  # type: ignore[method-assign,assignment]


def _managed_policies(backend: IAMBackend) -> list[ManagedPolicy]:
    """Return AWS's managed policies. moto would read its 4.7 MB of them anew for every partition and reset.

    Each account gets copies, since a policy counts its attachments; the documents never change.
    """
    if backend.partition != "aws":
        return []
    if not _POLICIES:
        _POLICIES.extend(_read_managed_policies(backend))
    return [_copy(policy) for policy in _POLICIES]


def _copy(policy: ManagedPolicy) -> ManagedPolicy:
    """Return a shallow copy. ``copy.copy`` takes ten times as long, and there are 1,100 policies."""
    twin = object.__new__(type(policy))
    vars(twin).update(vars(policy))
    return twin


def _accept_any_version(_: IAMPolicyDocumentValidator) -> None:
    """Accept a document without Version: it is one of 2008-10-17. moto refuses it, and the SAM transform writes such.

    *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    """


def _accept_any_trust_policy(_: IAMTrustPolicyDocumentValidator) -> None:
    """Accept every trust policy: ``services.iam.policy_documents`` checks them first.

    moto words its refusals in its own way, and knows only some of STS's actions.
    """


def _decide_nothing(*_: object) -> PermissionResult:
    """Leave a bucket's policy to ``services.s3``: moto evaluates it without conditions.

    For moto, ``Deny unless aws:SecureTransport`` denies every call.
    """
    return PermissionResult.NEUTRAL


def _add_message_and_notify(queue: Queue, message: Any) -> None:
    """Add a message as moto does, however it got here; note on it which queues it was in; call the listeners."""
    vars(message).setdefault("queues", []).append(queue.queue_arn)
    _add_message(queue, message)
    for listener in tuple(_LISTENERS):
        listener(queue, message)


def queues_of(message: Any) -> list[str]:
    """Return the ARNs of the queues that a message of moto has been in, the present one last."""
    queues: list[str] = vars(message)["queues"]
    return queues


def on_message(listener: Callable[[Queue, Any], None]) -> None:
    """Call ``listener`` with each message that a queue gets, until ``no_longer_on_message``."""
    _LISTENERS.append(listener)


def no_longer_on_message(listener: Callable[[Queue, Any], None]) -> None:
    """Undo ``on_message``."""
    _LISTENERS.remove(listener)


def run_queues_on_clock_of(account: Account) -> None:
    """Make delays, visibility and retention of moto's queues pass with the account's time."""
    vars(sqs_models).update(
        unix_time=lambda: account.now().timestamp(), unix_time_millis=lambda: account.now().timestamp() * 1000
    )


def run_queues_on_clock_of_machine() -> None:
    """Undo ``run_queues_on_clock_of``."""
    vars(sqs_models).update(unix_time=utils.unix_time, unix_time_millis=utils.unix_time_millis)
