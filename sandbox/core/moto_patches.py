"""All changes of moto's own code. ``apply`` makes them in order; ``assembly`` calls it before it creates an account.

A patch is needed where no rule can help: for code of moto that runs within moto's answer, or outside of any call. A
service registers its part of a patch here (``on_message``), so that this module imports no service.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

from moto.core import responses, utils
from moto.core.config import default_user_config
from moto.iam.access_control import PermissionResult
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, iam_backends
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator
from moto.s3.models import FakeBucket
from moto.sqs import models as sqs_models
from moto.sqs.models import Queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.iam.models import Group, Role, User

    from sandbox.core.account import Account

_read_managed_policies = IAMBackend._init_aws_policies
_attach = ManagedPolicy.attach_to
_add_message = Queue.add_message
#: moto would list the methods of a service's class again for each call. Every account uses this one cache.
_method_names = functools.cache(utils.method_names_from_class)

#: Functions that are called with each message that a queue of moto gets, in the order of registration.
_LISTENERS: list[Callable[[Queue, Any], None]] = []
#: AWS's managed policies by ARN, read once. All accounts share them until they attach them.
_POLICIES: dict[str, ManagedPolicy] = {}


def apply() -> None:
    """Change moto's code, in the order of the lines below. A second call changes nothing."""
    default_user_config["iam"]["load_aws_managed_policies"] = True
    IAMBackend._init_aws_policies = _read_nothing  # type: ignore[method-assign,assignment]
    IAMBackend._init_managed_policies = _managed_policies  # type: ignore[method-assign,assignment]
    AWSManagedPolicy.attach_to = _attach_own  # type: ignore[method-assign,assignment]
    vars(responses)["method_names_from_class"] = _method_names
    IAMPolicyDocumentValidator._validate_version = _accept_any_version  # type: ignore[method-assign,assignment]
    IAMTrustPolicyDocumentValidator.validate = _accept_any_trust_policy  # type: ignore[method-assign,assignment]
    FakeBucket.get_permission = _decide_nothing  # type: ignore[method-assign,assignment]
    Queue.add_message = _add_message_and_notify  # type: ignore[method-assign,assignment]


def _read_nothing(_: IAMBackend) -> list[ManagedPolicy]:
    """Return no policies. moto only makes a dictionary of them, which ``_managed_policies`` returns instead."""
    return []


def _managed_policies(backend: IAMBackend) -> dict[str, ManagedPolicy]:
    """Return AWS's managed policies by ARN. moto would read 4.7 MB again for every partition and every reset."""
    if backend.partition != "aws":
        return {}
    if not _POLICIES:
        _POLICIES.update((policy.arn, policy) for policy in _read_managed_policies(backend))
    return dict(_POLICIES)


def _attach_own(policy: AWSManagedPolicy, to: Role | Group | User) -> None:
    """Attach the account's own copy of a policy, since a policy counts its attachments. Its documents never change."""
    policies = iam_backends[to.account_id][policy.partition].managed_policies
    if policies[policy.arn] is _POLICIES[policy.arn]:
        policies[policy.arn] = copy.copy(policy)
    _attach(policies[policy.arn], to)


def _accept_any_version(_: IAMPolicyDocumentValidator) -> None:
    """Accept a document without Version, which means 2008-10-17. moto refuses it, but the SAM transform creates it.

    *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    """


def _accept_any_trust_policy(_: IAMTrustPolicyDocumentValidator) -> None:
    """Accept every trust policy: ``services.iam.policy_documents`` checks them first.

    The texts of moto's refusals differ from AWS's, and moto knows only some of the actions of STS.
    """


def _decide_nothing(*_: object) -> PermissionResult:
    """Ignore a bucket's policy, which ``services.s3`` evaluates: moto evaluates it without conditions.

    With moto's evaluation, ``Deny unless aws:SecureTransport`` would deny every call.
    """
    return PermissionResult.NEUTRAL


def _add_message_and_notify(queue: Queue, message: Any) -> None:
    """Add a message as moto does, record on it the queues that it was in, and call the listeners."""
    vars(message).setdefault("queues", []).append(queue.queue_arn)
    _add_message(queue, message)
    for listener in tuple(_LISTENERS):
        listener(queue, message)


def queues_of(message: Any) -> list[str]:
    """Return the ARNs of the queues that a message of moto has been in, the current one last."""
    queues: list[str] = vars(message)["queues"]
    return queues


def on_message(listener: Callable[[Queue, Any], None]) -> None:
    """Call ``listener`` with each message that a queue gets, until ``no_longer_on_message``."""
    _LISTENERS.append(listener)


def no_longer_on_message(listener: Callable[[Queue, Any], None]) -> None:
    """Undo ``on_message``."""
    _LISTENERS.remove(listener)


def run_queues_on_clock_of(account: Account) -> None:
    """Use the account's clock for delays, visibility and retention of moto's queues."""
    vars(sqs_models).update(
        unix_time=lambda: account.now().timestamp(), unix_time_millis=lambda: account.now().timestamp() * 1000
    )


def run_queues_on_clock_of_machine() -> None:
    """Undo ``run_queues_on_clock_of``."""
    vars(sqs_models).update(unix_time=utils.unix_time, unix_time_millis=utils.unix_time_millis)
