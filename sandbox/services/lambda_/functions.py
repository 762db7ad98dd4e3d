"""A Lambda function with its configuration, and the result of an invocation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends

from sandbox.core.call import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.account import Account


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it is configured now. It uses no environment that was created for another configuration."""

    name: str
    arn: str
    version: str
    region: str
    role: str
    handler: str
    runtime: str
    timeout: int
    memory_mb: int
    variables: tuple[tuple[str, str], ...]
    code_sha256: str
    log_group: str
    reserved_concurrency: int | None
    layers: tuple[str, ...]
    package: bytes = field(repr=False, compare=False, hash=False)


@dataclass(frozen=True, slots=True)
class Invoked:
    """An invocation that ended."""

    request_id: str
    function_arn: str
    payload: bytes
    #: The header ``X-Amz-Function-Error``: ``Unhandled``, or None.
    error: str | None
    started: datetime
    duration: float
    init_duration: float | None
    max_memory_mb: int
    #: Its lines in the log, with START, END and REPORT.
    lines: tuple[str, ...] = field(repr=False)


def unqualified(arn: str) -> str:
    """Return the ARN of a function without its version or alias."""
    return ":".join(arn.split(":")[:7])


def qualifier_of(function: Function) -> str | None:
    parts = function.arn.split(":")
    return parts[7] if len(parts) > 7 else None


def configured(
    account: Account, region: str, name: str, qualifier: str | None, logging_configs: Mapping[str, Mapping[str, Any]]
) -> Function:
    """Return moto's function as it is configured now. Raise AwsError if there is none.

    ``logging_configs``: ``LoggingConfig`` by function ARN, which moto does not keep. The caller holds ``account.lock``.
    """
    backend = lambda_backends[account.account_id][region]
    try:
        found = backend.get_function(name, qualifier)
    except LambdaClientError as error:
        arn = f"arn:aws:lambda:{region}:{account.account_id}:function:{name}"
        arn += f":{qualifier}" if qualifier else ""
        raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404) from error
    logging_config = logging_configs.get(unqualified(found.function_arn), {})
    reserved = found.reserved_concurrency
    return Function(
        name=found.function_name,
        arn=found.function_arn,
        version=str(found.version),
        region=region,
        role=found.role,
        handler=str(found.handler),
        runtime=str(found.run_time),
        timeout=int(found.timeout),
        memory_mb=int(found.memory_size),
        variables=tuple(sorted((key, str(value)) for key, value in found.environment_vars.items())),
        code_sha256=found.code_sha_256,
        log_group=logging_config.get("LogGroup") or f"/aws/lambda/{found.function_name}",
        reserved_concurrency=None if reserved is None else int(reserved),
        layers=tuple(layer["Arn"] for layer in found.layers),
        package=found.code_bytes,
    )
