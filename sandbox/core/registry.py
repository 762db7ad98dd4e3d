"""The registries of rules, hooks, recorders and services, to which modules add theirs on import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.core.account import Account, Hook, Recorder, Service
from sandbox.core.call import Answer, Call

#: Answers a call with the operation's result as the SDK returns it, or with None, which means moto's answer.
#: The third argument calls moto: ``proceed()`` with the caller's parameters, ``proceed(params)`` with others.
#: An Answer is sent unchanged, for content and statuses that the shape of the result cannot express.
type Rule = Callable[[Account, Call, Proceed], dict[str, Any] | Answer | None]
type Proceed = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RegisteredRule:
    """A rule, and whether it may block."""

    answer: Rule
    #: True if the rule may block. It then runs without ``account.lock``, and takes the lock itself to use state.
    blocking: bool


#: boto3's name of a service and an operation -> the rule that answers it.
RULES: dict[tuple[str, str], RegisteredRule] = {}
#: Hooks of all sandboxes, which are called before the hooks of one account (``account.hooks``).
HOOKS: list[Hook] = []
#: Functions that are called with every answered call of every sandbox.
RECORDERS: list[Recorder] = []
#: Each function creates one service of a new account, lowest service first. Services stop in the reverse order.
SERVICES: list[Callable[[Account], Service]] = []


def rule(service: str, *operations: str, blocking: bool = False) -> Callable[[Rule], Rule]:
    """Register the decorated function, which answers these operations of ``service`` (boto3's names).

    The function may call ``proceed()`` for moto's answer. It returns a result (in the SDK's form) or None (moto's
    answer), or raises AwsError. Raise ValueError if an operation has a rule already.
    """

    def register(answer: Rule) -> Rule:
        for operation in operations:
            if (service, operation) in RULES:
                raise ValueError(f"{service} {operation} has a rule already: {RULES[service, operation].answer}")
            RULES[service, operation] = RegisteredRule(answer, blocking)
        return answer

    return register


def hook(check: Hook) -> Hook:
    """Register the decorated function to check every authorised call of every sandbox before it is answered."""
    HOOKS.append(check)
    return check


def recorder(record: Recorder) -> Recorder:
    """Register the decorated function to receive every answered call of every sandbox."""
    RECORDERS.append(record)
    return record
