"""Where custom resources answer CloudFormation: one address for each request, which takes one PUT.

On AWS it is a presigned address of a bucket of CloudFormation's own; here it is one of the gateway, without a signature
but with an id that nobody guesses.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.core.registry import SERVICES

if TYPE_CHECKING:
    from sandbox.core.account import Account

_PREFIX = "/cloudformation-custom-resource-response-"
#: The longest answer, in bytes.
_LIMIT = 4096


def bucket(region: str) -> str:
    """Return the name of CloudFormation's bucket in the region."""
    return f"cloudformation-custom-resource-response-{region.replace('-', '')}"


def key(stack_id: str, logical_id: str, request_id: str) -> str:
    """Return the key of the object in the bucket that holds the answer to one request."""
    return f"{stack_id}|{logical_id}|{request_id}"


class Responses:
    """The answers that custom resources have given, each by its request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        #: None until the answer is there.
        self._answers: dict[str, bytes | None] = {}

    def start(self) -> None:
        """Take answers from now on."""
        self._answers.clear()
        self._account.routes[_PREFIX] = self._take

    def stop(self) -> None:
        """Take no more answers."""
        self._account.routes.pop(_PREFIX, None)

    def expect(self, region: str, stack_id: str, logical_id: str) -> tuple[str, str]:
        """Return a new request's id, and the address that takes its answer."""
        request_id = str(uuid.uuid4())
        with self._lock:
            self._answers[request_id] = None
        name = quote(key(stack_id, logical_id, request_id), safe="")
        return request_id, f"{self._account.endpoint}/{bucket(region)}/{name}"

    def wait(self, request_id: str, seconds: float) -> bytes | None:
        """Return the answer to the request; None if there is none after so many seconds, or if the account stops."""

        def is_over() -> bool:
            return self._answers[request_id] is not None or self._account.is_stopping.is_set()

        with contextlib.suppress(TimeoutError):
            self._account.wait_until(is_over, seconds)
        with self._lock:
            return self._answers.pop(request_id)

    def _take(self, method: str, path: str, _: str, body: bytes) -> tuple[int, bytes]:
        request_id = path.rsplit("|", 1)[-1]
        with self._lock:
            if method != "PUT" or self._answers.get(request_id, b"") is not None:
                return 403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            self._answers[request_id] = body
        return 200, b""


def parsed(answer: bytes, about: str, region: str) -> tuple[dict[str, Any], str | None]:
    """Return the answer as an object, and what is wrong with it, if anything; *about* is its name in the bucket.

    *Source* of the words: reports of users; those for answers that are no JSON are this module's own.
    """
    if len(answer) > _LIMIT:
        return {}, "Response object is too long."
    try:
        given = json.loads(answer)
    except ValueError:
        return {}, "Response is not valid JSON."
    if not isinstance(given, dict):
        return {}, "Response is not valid JSON."
    for name in ("Status", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId"):
        if not given.get(name):
            return given, f"Vendor response doesn't contain {name} key in object {about} in S3 bucket {bucket(region)}"
    return given, None


SERVICES.append(Responses)
