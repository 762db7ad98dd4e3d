"""The entry point of the account: an HTTP request becomes a Call, which ``exchange`` answers."""

from __future__ import annotations

import contextlib
import select
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from sandbox.core import moto_app, wire
from sandbox.core.call import Answer, AwsError, Call, Caller, NoAnswerError, Silence
from sandbox.core.exchange import Exchange
from sandbox.core.iam import identity

if TYPE_CHECKING:
    from sandbox.core.account import Account, Accounts

#: Services that answer whatever the region.
_GLOBAL = frozenset({"iam", "s3"})


class Gateway:
    """Answers every request to one of the accounts, over HTTP (it is a WSGI application) or in process."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

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
        """Return the answer to one request; ``caller`` speaks in place of the access key that signed it."""
        body = wire.read_body(environ)
        signed = wire.credential(environ)
        path = environ.get("PATH_INFO", "/")
        first = next(iter(self._accounts))
        for prefix, server in first.servers.items():
            if path.startswith(prefix):
                return server(environ, body)
        if signed is None:
            for prefix, route in first.routes.items():
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
            account, caller = self._speaker(caller, access_key, service)
            if region in account.disabled_regions and service not in _GLOBAL:
                raise identity.unknown_key(service)
            call = Call(
                service=service,
                operation=operation.name,
                region=region,
                caller=caller,
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
        return Exchange(account, call, moto_app.Request(operation, protocol, environ, body)).answer()

    def _speaker(self, caller: Caller | None, access_key: str, service: str) -> tuple[Account, Caller]:
        """Return the caller, by the access key if it is not known, and the account whose caller it is."""
        if caller is None:
            caller = identity.caller(self._accounts, access_key, service)
        account = self._accounts.get(caller.account)
        if account is None:
            raise identity.unknown_key(service)
        return account, caller

    def _wait_until_closed(self, connection: socket.socket) -> None:
        """Wait until the caller closes the connection, or the accounts stop."""
        while not self._accounts.is_stopping.is_set():
            readable, _, _ = select.select([connection], [], [], 0.2)
            if readable:
                return
