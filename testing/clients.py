"""boto3 clients that call the sandbox over HTTP, and the errors that they get."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox


def client(
    sandbox: Sandbox, service: str, region: str = "us-east-1", *, credentials: dict[str, str] | None = None
) -> Any:
    """Return a client of boto3 that calls the sandbox over HTTP, as the administrator or with STS credentials."""
    keys = credentials or {"AccessKeyId": sandbox.access_key, "SecretAccessKey": sandbox.secret_key}
    return _client(
        sandbox.endpoint, service, region, keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken")
    )


@lru_cache(maxsize=64)
def _client(endpoint: str, service: str, region: str, access_key: str, secret_key: str, token: str | None) -> Any:
    # Creating a client takes longer than a call. Each sandbox has another port.
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know the services only as literals
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """Return code and message of the error that the call raises."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
