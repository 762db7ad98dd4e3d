"""The registries to which modules add what they contribute on import: rules, hooks, recorders and services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.core.account import Account, Hook, Recorder, Service
from sandbox.core.call import Answer, Call

#: Answers a call with the operation's result as the SDK would give it, or with None: "as moto answers".
#: The third argument calls moto: ``proceed()`` with the caller's parameters, ``proceed(params)`` with others.
#: An Answer is sent as it is: for response bodies and statuses that the result's shape does not contain.
type Rule = Callable[[Account, Call, Proceed], dict[str, Any] | Answer | None]
type Proceed = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RegisteredRule:
    """A rule, and whether it may wait."""

    answer: Rule
    #: The rule may wait: it runs without ``account.lock`` and takes it itself where it touches state.
    blocking: bool


#: boto3's name of a service and an operation -> the rule that answers it.
RULES: dict[tuple[str, str], RegisteredRule] = {}
#: Hooks of every sandbox, called before those of one (``account.hooks``).
HOOKS: list[Hook] = []
#: Called with every answered call of every sandbox.
RECORDERS: list[Recorder] = []
#: Each creates one service of a new account. Lowest service first; they are stopped in the reverse order.
SERVICES: list[Callable[[Account], Service]] = []


def rule(service: str, *operations: str, blocking: bool = False) -> Callable[[Rule], Rule]:
    """Register the decorated function as what answers these operations of ``service`` (boto3's names).

    It may call ``proceed()`` for moto's answer, return a result dict (the SDK's shape), None for "what moto answers",
    or raise AwsError. Raise ValueError if an operation has a rule already.
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
