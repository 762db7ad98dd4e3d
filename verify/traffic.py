"""Requests to the APIs of the run, and their lines in log groups. Requests go to no other address."""

from __future__ import annotations

import base64
import http.client
import secrets
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.points import UnclearError
from verify.run import Run

_TIMEOUT = 15
#: Headers of answers that hold the request's id: of REST and WebSocket APIs, and of HTTP APIs.
_IDS = ("x-amzn-RequestId", "apigw-requestid", "x-amz-apigw-id")


def request(run: Run, api_id: str, stage: str, *, is_websocket: bool = False, agent: str = "") -> tuple[str, ...]:
    """Send one GET, or open a WebSocket connection and close it. Return texts, one of which each of its log lines has.

    ``agent``: the User-Agent; empty for one of the run. Any answer is accepted. Raise UnclearError without an answer.
    """
    run.account.check()
    secure, host, path = _address(run, api_id, stage)
    nonce = agent or f"{run.name}-{secrets.token_hex(6)}"
    headers = {"User-Agent": nonce}
    if is_websocket:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers |= {"Sec-WebSocket-Key": key}
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(host, timeout=_TIMEOUT)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        ids = tuple(found for name in _IDS if (found := answer.getheader(name)))
    except (OSError, http.client.HTTPException) as error:
        raise UnclearError(f"no answer from {host}: {error}") from error
    finally:
        connection.close()
    return ids if agent else (nonce, *ids)


def _address(run: Run, api_id: str, stage: str) -> tuple[bool, str, str]:
    """Return whether to use TLS, the host and the path. An emulator of AWS serves APIs below its own address."""
    endpoint = urlsplit(run.client("apigateway").meta.endpoint_url)
    if ".amazonaws.com" in (endpoint.hostname or ""):
        path = "/" if stage == "$default" else f"/{stage}"
        return True, run.api_host(api_id), path
    return endpoint.scheme == "https", endpoint.netloc, f"/_aws/execute-api/{api_id}/{quote(stage)}/"


def lines(run: Run, group: str) -> Iterator[str]:
    """Return the lines of the log group; none if it does not exist."""
    try:
        for page in run.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group):
            yield from (event["message"] for event in page["events"])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise


def has_line(run: Run, group: str, marks: tuple[str, ...]) -> bool:
    """Return whether the log group has a line with one of the marks."""
    return any(mark in line for line in lines(run, group) for mark in marks)
