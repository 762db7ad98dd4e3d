"""Deliver a batch of messages to the handler in a test."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from testing.builders import ACCOUNT

#: Deliver one batch of StageQueue with these messages. Return the ids (0, 1, ...) of those that failed.
type Deliver = Callable[..., list[str]]


class Context(SimpleNamespace):
    """Lambda's context object, with a minute left unless a test sets ``remaining``, in milliseconds."""

    function_name = "enforce"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:enforce"
    aws_request_id = "00000000-0000-4000-8000-000000000000"
    remaining = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining
