"""moto as a WSGI application: a request goes in, its answer comes out, parsed as the SDK would parse it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import botocore.parsers
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.core import wire
from sandbox.core.call import Answer, AwsError, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.core.model import OperationModel

log = logging.getLogger(__name__)

#: Operations whose answer is a stream of bytes, kept as moto gave it.
STREAMED = {("s3", "GetObject")}


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it came over the wire."""

    operation: OperationModel
    protocol: str
    #: WSGI's.
    environ: dict[str, Any]
    body: bytes

    def with_parameters(self, parameters: dict[str, Any]) -> Request:
        """Return the same request with other parameters."""
        environ, body = wire.reserialized(self.environ, self.protocol, self.operation, parameters)
        return replace(self, environ=environ, body=body)


def ask(account_id: str, call: Call, request: Request) -> Answer:
    """Return moto's answer in this account. ``error`` is set where moto refuses the call, or has no such operation."""
    started: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        if exc_info:
            raise exc_info[1]
        started.update(status=int(status.split()[0]), headers=headers)

    try:
        environ = wire.with_body(request.environ, request.body) | {"HTTP_X_MOTO_ACCOUNT_ID": account_id}
        chunks = _MOTO(environ, start_response)
        text = b"".join(chunks)
    except NotImplementedError as error:
        log.exception("moto has no %s %s", call.service, call.operation)
        message = f"The sandbox has no {call.operation} of {call.service}: {error}"
        return Answer(501, [], b"", AwsError("NotImplemented", message, 501))
    status = started["status"]
    if status == 404 and text.startswith(b"<!doctype html>"):
        message = f"The sandbox has no {call.operation} of {call.service}: moto knows no such path"
        log.error(message)
        return Answer(501, [], b"", AwsError("NotImplemented", message, 501))
    answer = Answer(status, started["headers"], text)
    if (call.service, call.operation) in STREAMED and status < 300:
        return answer
    headers = {name.lower(): value for name, value in answer.headers}
    parser = botocore.parsers.create_parser(wire.parser_protocol(request.protocol))
    parsed = parser.parse(
        {"status_code": status, "headers": headers, "body": text},
        cast(Any, request.operation.output_shape),  # None for operations without output, which the stubs forget
    )
    if status >= 300 and "Error" in parsed:
        answer.error = AwsError(parsed["Error"].get("Code", ""), parsed["Error"].get("Message", ""), status)
    else:
        http = request.operation.http
        if request.protocol == "rest-json" and "responseCode" in http:  # moto answers 200 to much of it
            answer.status = http["responseCode"]
            answer.body = b"" if answer.status == 204 else answer.body
        parsed.pop("ResponseMetadata", None)
        answer.result = parsed
    return answer


class _Moto(DomainDispatcherApplication):
    """moto's application, without its search of its own folder on disk in every call for the service of a host."""

    def __init__(self, create_app: Callable[[Any], Any]) -> None:
        super().__init__(create_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


#: Serves every account of this process: it holds routes and no state, and takes long to create.
_MOTO = _Moto(create_backend_app)
