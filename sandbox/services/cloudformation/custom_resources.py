"""The URLs to which custom resources send their answers: one for each request, for one PUT.

On AWS it is a presigned URL of a bucket that belongs to CloudFormation. Here it is a URL of the gateway, without a
signature but with a random id.

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
    """The answers of custom resources, by request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        #: None until the answer has arrived.
        self._answers: dict[str, bytes | None] = {}

    def start(self) -> None:
        """Start to accept answers."""
        self._answers.clear()
        self._account.routes[_PREFIX] = self._take

    def stop(self) -> None:
        """Stop accepting answers."""
        self._account.routes.pop(_PREFIX, None)

    def expect(self, region: str, stack_id: str, logical_id: str) -> tuple[str, str]:
        """Return the id of a new request, and the URL for the answer to it."""
        request_id = str(uuid.uuid4())
        with self._lock:
            self._answers[request_id] = None
        name = quote(key(stack_id, logical_id, request_id), safe="")
        return request_id, f"{self._account.endpoint}/{bucket(region)}/{name}"

    def wait(self, request_id: str, seconds: float) -> bytes | None:
        """Return the answer to the request, or None if there is none after so many seconds or if the account stops."""

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
    """Return the answer as an object, and its error or None. *about*: the key of the answer in the bucket.

    *Source* of the texts: reports of users. The text for an answer that is not JSON is not recorded.
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
