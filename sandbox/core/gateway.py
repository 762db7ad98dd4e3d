"""The door of the account: an HTTP request becomes a Call, is judged, answered and recorded.

request -> parse -> caller -> authorise -> hooks -> rule of AWS, or moto -> recorders (CloudTrail)
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import botocore.parsers
import botocore.serialize
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import NotFound

from sandbox.core import wire
from sandbox.core.call import Answer, AwsError, Call, Caller, CallRecord, NoAnswerError, Silence
from sandbox.core.iam import authorization, identity
from sandbox.core.registry import HOOKS, RECORDERS, RULES

if TYPE_CHECKING:
    from moto.core.model import OperationModel

    from sandbox.core.account import Account
    from sandbox.core.call import Need

log = logging.getLogger(__name__)

#: Services that answer whatever the region.
_GLOBAL = frozenset({"iam", "s3"})
#: Operations whose answer is a stream of bytes, kept as moto gave it.
STREAMED = {("s3", "GetObject")}


class Gateway:
    """Answers every request to the account, over HTTP (it is a WSGI application) or in process."""

    def __init__(self, account: Account) -> None:
        self.account = account

    # ---- the two ways in

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer = self.answer(environ)
        except NoAnswerError as error:
            connection: socket.socket = environ["werkzeug.socket"]
            if error.silence is Silence.TIMEOUT:
                self._wait_until_closed(connection)
            with contextlib.suppress(OSError):  # the caller may have closed it by now
                connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("no answer, as was asked for") from error  # the server then lets go of it
        headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        if environ["REQUEST_METHOD"] == "HEAD":  # a HEAD answer tells the length of what it does not send
            headers = answer.headers
        elif answer.status != 204:
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{answer.status} {wire.REASONS.get(answer.status, 'Error')}", headers)
        return [answer.body]

    def answer(self, environ: dict[str, Any], caller: Caller | None = None) -> Answer:
        """The answer to one request; ``caller`` speaks in place of the access key that signed it."""
        body = wire.read_body(environ)
        signed = wire.credential(environ)
        path = environ.get("PATH_INFO", "/")
        for prefix, server in self.account.servers.items():
            if path.startswith(prefix):
                return server(environ, body)
        if signed is None:
            for prefix, route in self.account.routes.items():
                if path.startswith(prefix):
                    status, text = route(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
                    return Answer(status, [("Content-Type", "application/json")], text)
            missing = AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            return wire.error_answer("rest-json", missing, str(uuid.uuid4()))
        access_key, region, signing_name = signed
        service = wire.service_of(signing_name, path, environ)
        request = Request(wire.with_body(environ, body))
        protocol = "rest-json"
        request_id = str(uuid.uuid4())
        try:
            try:
                protocol = determine_request_protocol(get_service_model(service), request.content_type)
                operation, uri_params = get_service_router(service).match(request)
            except NotFound:
                raise AwsError(
                    "UnknownOperationException", f"{request.method} {path} is no operation of {service}.", 404
                ) from None
            except Exception as error:  # botocore knows no such service, or moto no such protocol
                raise AwsError("NotImplemented", f"The sandbox has no service {service}: {error}", 501) from error
            if region in self.account.disabled_regions and service not in _GLOBAL:
                raise identity.unknown_key(service)
            call = Call(
                service=service,
                operation=operation.name,
                region=region,
                caller=caller or identity.caller(self.account, access_key, service),
                params=wire.parameters(protocol, operation, request, uri_params),
                request_id=request_id,
                user_agent=environ.get("HTTP_USER_AGENT", ""),
                source_ip=environ.get("REMOTE_ADDR", "127.0.0.1"),
                http_method=request.method,
                http_path=unquote(request.raw_path),
                host=environ.get("HTTP_HOST", ""),
            )
        except AwsError as error:
            return wire.error_answer(protocol, error, request_id)
        return self._answer_call(call, operation, protocol, environ, body)

    def _wait_until_closed(self, connection: socket.socket) -> None:
        """The caller has given up."""
        while not self.account.is_stopping.is_set():
            readable, _, _ = select.select([connection], [], [], 0.2)
            if readable:
                return

    # ---- one call

    def _answer_call(
        self, call: Call, operation: OperationModel, protocol: str, environ: dict[str, Any], body: bytes
    ) -> Answer:
        registered = RULES.get((call.service, call.operation))
        moto_answers: list[Answer] = []

        def proceed(params: dict[str, Any] | None = None) -> dict[str, Any]:
            changed = environ, body
            if params is not None:
                changed = wire.reserialized(environ, protocol, operation, params)
            with self.account.lock:
                answer = self._ask_moto(call, operation, protocol, *changed)
            if answer.error:
                raise answer.error
            moto_answers.append(answer)
            return answer.result or {}

        needs: tuple[Need, ...] = ()

        def record(answer: Answer) -> Answer:
            with self.account.lock:
                record = CallRecord(
                    call=call,
                    time=self.account.now(),
                    status=answer.status,
                    error_code=answer.error.code if answer.error else None,
                    needs=(*needs, *call.further_needs),
                )
                self.account.calls.append(record)
                for tell in RECORDERS:
                    tell(self.account, record, answer.result, answer.error)
            return answer

        def ask_the_account() -> Answer:
            nonlocal needs
            with self.account.lock:
                needs = authorization.needs(self.account, call)
                authorization.authorise(self.account, call, needs)
                for looks in (*HOOKS, *self.account.hooks):
                    looks(self.account, call)
                if registered is None or not registered.blocking:
                    result = registered.answer(self.account, call, proceed) if registered else None
                    if result is None and not moto_answers:
                        proceed()
            if registered is not None and registered.blocking:
                result = registered.answer(self.account, call, proceed)
                if result is None and not moto_answers:
                    proceed()
            if isinstance(result, Answer):
                return result
            if result is None:
                return moto_answers[-1]
            return wire.result_answer(protocol, operation, result, call.request_id)

        def answered() -> Answer:
            try:
                answer = ask_the_account()
            except AwsError as error:
                answer = wire.error_answer(protocol, error, call.request_id)
            except Exception as error:  # its fault must be an answer that says so, never a client that hangs
                log.exception("The sandbox failed in %s %s", call.service, call.operation)
                message = f"The sandbox failed in {call.service} {call.operation}: {error!r}"
                answer = wire.error_answer(protocol, AwsError("NotImplemented", message, 501), call.request_id)
            return record(answer)

        through: Callable[[], Answer] = answered
        for interposer in reversed(self.account.interposers):
            through = partial(interposer, self.account, call, through)
        try:
            return through()
        except AwsError as error:
            return record(wire.error_answer(protocol, error, call.request_id))

    def _ask_moto(
        self, call: Call, operation: OperationModel, protocol: str, environ: dict[str, Any], body: bytes
    ) -> Answer:
        started: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            if exc_info:
                raise exc_info[1]
            started.update(status=int(status.split()[0]), headers=headers)

        try:
            chunks = _MOTO(wire.with_body(environ, body), start_response)
            text = b"".join(chunks)
        except NotImplementedError as error:
            log.exception("moto lacks %s %s", call.service, call.operation)
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
        parser = botocore.parsers.create_parser(wire.parser_protocol(protocol))
        parsed = parser.parse(
            {"status_code": status, "headers": headers, "body": text},
            cast(Any, operation.output_shape),  # None for operations without output, which the stubs forget
        )
        if status >= 300 and "Error" in parsed:
            answer.error = AwsError(parsed["Error"].get("Code", ""), parsed["Error"].get("Message", ""), status)
        else:
            if protocol == "rest-json" and "responseCode" in operation.http:  # moto answers 200 to much of it
                answer.status = operation.http["responseCode"]
                answer.body = b"" if answer.status == 204 else answer.body
            parsed.pop("ResponseMetadata", None)
            answer.result = parsed
        return answer


class _Moto(DomainDispatcherApplication):
    """moto, which would list its own folder on disk once or twice in every call to know which service a host means."""

    def __init__(self, create_app: Callable[[Any], Any]) -> None:
        super().__init__(create_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


#: Serves every account of this process: it holds routes and no state, and takes long to create.
_MOTO = _Moto(create_backend_app)
