"""The door of the account: an HTTP request becomes a Call, is judged, answered and recorded.

request -> parse -> caller -> authorise -> hooks -> rule of AWS, or moto -> recorders (CloudTrail)
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import select
import socket
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.serialize
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import NotFound

from sandbox.core.call import AwsError, Call, Caller, CallRecord
from sandbox.core.iam import authorization, identity

if TYPE_CHECKING:
    from moto.core.model import OperationModel

    from sandbox.core.account import Account
    from sandbox.core.call import Need

log = logging.getLogger(__name__)

#: Answers a call with the operation's result as the SDK would give it, or with None: "as moto answers".
#: The third argument calls moto: ``proceed()`` with the caller's parameters, ``proceed(params)`` with others.
#: An Answer is sent as it is: for bodies and statuses that the result's shape does not tell.
type Rule = Callable[[Account, Call, Proceed], dict[str, Any] | Answer | None]
type Proceed = Callable[..., dict[str, Any]]
#: Looks at an authorised call before it is answered; raises AwsError to refuse it.
type Hook = Callable[[Account, Call], None]
type Recorder = Callable[[Account, CallRecord, dict[str, Any] | None, AwsError | None], None]
#: Stands between a caller and the account: answers by itself, raises AwsError or NoAnswerError, or lets the third
#: argument answer. It runs without ``gateway.lock``, before anything is judged.
type Interposer = Callable[[Account, Call, Callable[[], Answer]], Answer]
#: Answers HTTP that no AWS client signed, such as a custom resource's response URL: (method, path, query, body).
type Route = Callable[[str, str, str, bytes], tuple[int, bytes]]
#: Answers HTTP that is no call of AWS at all, such as a request to a deployed API: (WSGI's environment, body).
type Server = Callable[[dict[str, Any], bytes], Answer]


@dataclass(frozen=True, slots=True)
class RegisteredRule:
    answer: Rule
    #: The rule may wait: it runs without ``gateway.lock`` and takes it itself where it touches state.
    blocking: bool


RULES: dict[tuple[str, str], RegisteredRule] = {}


def rule(service: str, *operations: str, blocking: bool = False) -> Callable[[Rule], Rule]:
    """The decorated function answers these operations of ``service`` (boto3's names) from now on.

    It may call ``proceed()`` for moto's answer, return a result dict (the SDK's shape), None for "what moto answers",
    or raise AwsError. A later registration for the same operation replaces an earlier one.
    """

    def register(answer: Rule) -> Rule:
        for operation in operations:
            RULES[service, operation] = RegisteredRule(answer, blocking)
        return answer

    return register


#: Hooks of every sandbox, before those of one (``gateway.hooks``).
HOOKS: list[Hook] = []


def hook(looks: Hook) -> Hook:
    """The decorated function looks at every authorised call of every sandbox from now on."""
    HOOKS.append(looks)
    return looks


@dataclass(slots=True)
class Answer:
    """An HTTP answer; ``error`` is set where the call was refused."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: AwsError | None = None
    #: What the SDK would make of the body; None for answers that are not parsed (streams) and errors.
    result: dict[str, Any] | None = None


class Silence(StrEnum):
    """What a caller sees who gets no answer."""

    #: The connection ends.
    DROPPED = "dropped"
    #: The connection stays, and nothing comes.
    TIMEOUT = "timeout"
    #: Nothing: the caller's own process is gone.
    KILLED = "killed"


class NoAnswerError(Exception):
    """A call that gets no answer, whether it was done or not."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(silence)
        self.silence = silence


#: Name under which a request is signed -> boto3's name of the service, where they differ.
SIGNING_NAMES = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "eventbridge": "events",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
}
#: Services that answer whatever the region.
_GLOBAL = frozenset({"iam", "s3"})
#: Operations whose answer is a stream of bytes, kept as moto gave it.
STREAMED = {("s3", "GetObject")}


class Gateway:
    """Answers every request to the account, over HTTP (it is a WSGI application) or in process."""

    def __init__(self, account: Account) -> None:
        self.account = account
        #: Held while a call is answered, since moto's state is not safe between threads. Blocking rules run without it.
        self.lock = threading.RLock()
        self.hooks: list[Hook] = []
        #: The first stands nearest to the caller.
        self.interposers: list[Interposer] = []
        #: Told of every answered call: the call, its result (None if refused) and its error.
        self.recorders: list[Recorder] = []
        #: Path prefix -> who answers requests below it that no AWS client signed.
        self.routes: dict[str, Route] = {}
        #: Path prefix -> who serves requests below it, signed or not.
        self.servers: dict[str, Server] = {}
        self._moto = _Moto(create_backend_app)

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
        start_response(f"{answer.status} {_REASONS.get(answer.status, 'Error')}", headers)
        return [answer.body]

    def answer(self, environ: dict[str, Any], caller: Caller | None = None) -> Answer:
        """The answer to one request; ``caller`` speaks in place of the access key that signed it."""
        body = _read_body(environ)
        signed = _credential(environ)
        path = environ.get("PATH_INFO", "/")
        for prefix, server in self.servers.items():
            if path.startswith(prefix):
                return server(environ, body)
        if signed is None:
            for prefix, route in self.routes.items():
                if path.startswith(prefix):
                    status, text = route(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
                    return Answer(status, [("Content-Type", "application/json")], text)
            missing = AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            return _error_answer("rest-json", missing, str(uuid.uuid4()))
        access_key, region, signing_name = signed
        service = _service(signing_name, path, environ)
        request = Request(_with_body(environ, body))
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
                params=_parameters(protocol, operation, request, uri_params),
                request_id=request_id,
                user_agent=environ.get("HTTP_USER_AGENT", ""),
                source_ip=environ.get("REMOTE_ADDR", "127.0.0.1"),
                http_method=request.method,
                http_path=unquote(request.raw_path),
                host=environ.get("HTTP_HOST", ""),
            )
        except AwsError as error:
            return _error_answer(protocol, error, request_id)
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
                changed = _reserialized(environ, protocol, operation, params)
            with self.lock:
                answer = self._ask_moto(call, operation, protocol, *changed)
            if answer.error:
                raise answer.error
            moto_answers.append(answer)
            return answer.result or {}

        needs: tuple[Need, ...] = ()

        def record(answer: Answer) -> Answer:
            with self.lock:
                record = CallRecord(
                    call=call,
                    time=self.account.now(),
                    status=answer.status,
                    error_code=answer.error.code if answer.error else None,
                    needs=(*needs, *call.further_needs),
                )
                self.account.calls.append(record)
                for tell in self.recorders:
                    tell(self.account, record, answer.result, answer.error)
            return answer

        def ask_the_account() -> Answer:
            nonlocal needs
            with self.lock:
                needs = authorization.needs(self.account, call)
                authorization.authorise(self.account, call, needs)
                for looks in (*HOOKS, *self.hooks):
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
            return _result_answer(protocol, operation, result, call.request_id)

        def answered() -> Answer:
            try:
                answer = ask_the_account()
            except AwsError as error:
                answer = _error_answer(protocol, error, call.request_id)
            except Exception as error:  # its fault must be an answer that says so, never a client that hangs
                log.exception("The sandbox failed in %s %s", call.service, call.operation)
                message = f"The sandbox failed in {call.service} {call.operation}: {error!r}"
                answer = _error_answer(protocol, AwsError("NotImplemented", message, 501), call.request_id)
            return record(answer)

        through: Callable[[], Answer] = answered
        for interposer in reversed(self.interposers):
            through = partial(interposer, self.account, call, through)
        try:
            return through()
        except AwsError as error:
            return record(_error_answer(protocol, error, call.request_id))

    def _ask_moto(
        self, call: Call, operation: OperationModel, protocol: str, environ: dict[str, Any], body: bytes
    ) -> Answer:
        started: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            if exc_info:
                raise exc_info[1]
            started.update(status=int(status.split()[0]), headers=headers)

        try:
            chunks = self._moto(_with_body(environ, body), start_response)
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
        parser = botocore.parsers.create_parser(_parser_protocol(protocol))
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


_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 403: "Forbidden",
            404: "Not Found", 409: "Conflict", 429: "Too Many Requests", 500: "Internal Server Error",
            501: "Not Implemented"}  # fmt: skip


def _read_body(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return cast(bytes, stream.read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return cast(bytes, stream.read(length)) if length else b""


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    copy = {key: value for key, value in environ.items() if not key.startswith("werkzeug.")}
    copy |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": True}
    copy.pop("HTTP_TRANSFER_ENCODING", None)
    return copy


def _credential(environ: dict[str, Any]) -> tuple[str, str, str] | None:
    """(access key, region, signing name) of a signed request; None for an unsigned one."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" in authorization:
        scope = authorization.split("Credential=", 1)[1].split(",")[0].strip()
    else:
        query = dict(pair.split("=", 1) for pair in environ.get("QUERY_STRING", "").split("&") if "=" in pair)
        scope = unquote(query.get("X-Amz-Credential", ""))
        if not scope and "AWSAccessKeyId" in query:  # S3's older presigned URLs
            return unquote(query["AWSAccessKeyId"]), "us-east-1", "s3"
    parts = scope.split("/")
    return (parts[0], parts[2], parts[3].lower()) if len(parts) == 5 else None


def _service(signing_name: str, path: str, environ: dict[str, Any]) -> str:
    if signing_name == "apigateway":  # both versions sign and address as apigateway
        return "apigatewayv2" if path.startswith("/v2/") else "apigateway"
    if signing_name == "dynamodb" and environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    return SIGNING_NAMES.get(signing_name, signing_name)


def _parameters(
    protocol: str, operation: OperationModel, request: Request, uri_params: dict[str, Any]
) -> dict[str, Any]:
    parser = PROTOCOL_PARSERS[protocol](operation)
    parsed = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_path": request.path,
            "url_params": uri_params,
        }
    )
    return parsed or {}


def _parser_protocol(protocol: str) -> str:
    return {"query-json": "query"}.get(protocol, protocol)


def _reserialized(
    environ: dict[str, Any], protocol: str, operation: OperationModel, params: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    serializer = botocore.serialize.create_serializer(_parser_protocol(protocol), include_validation=False)
    request = serializer.serialize_to_request(params, operation)
    body = request["body"]
    if isinstance(body, dict):  # the query protocol leaves the encoding to the HTTP client
        body = "&".join(f"{quote(str(k), safe='')}={quote(str(v), safe='')}" for k, v in body.items())
    body = body.encode() if isinstance(body, str) else body
    query = request["query_string"]
    if isinstance(query, dict):
        pairs = [(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs])]
        query = "&".join(f"{quote(str(k), safe='')}={quote(str(v), safe='')}" for k, v in pairs)
    path = request["url_path"]
    changed = environ | {
        "PATH_INFO": unquote(path),
        "RAW_URI": f"{path}?{query}" if query else path,
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "QUERY_STRING": query,
    }
    changed.pop("HTTP_CONTENT_ENCODING", None)
    return changed, body


def _result_answer(protocol: str, operation: OperationModel, result: dict[str, Any], request_id: str) -> Answer:
    serializer = get_serializer_class(operation.service_model.service_name, protocol)(operation_model=operation)
    serialized = serializer.serialize(result)
    body = serialized["body"]
    headers = [(name, str(value)) for name, value in serialized["headers"].items()]
    headers.append(("x-amzn-RequestId", request_id))
    status = operation.http.get("responseCode", 200)
    return Answer(status, headers, body.encode() if isinstance(body, str) else body, result=result)


def _error_answer(protocol: str, error: AwsError, request_id: str) -> Answer:
    headers = [("x-amzn-RequestId", request_id), *error.headers.items()]
    code, message = error.code, error.message
    if protocol in ("query", "ec2", "rest-xml"):
        detail = f"<Code>{escape(code)}</Code>" if code else ""
        detail += f"<Message>{escape(message)}</Message>"
        if protocol == "rest-xml":
            text = f"<Error>{detail}<RequestId>{request_id}</RequestId></Error>"
        else:
            fault = "Sender" if error.status < 500 else "Receiver"
            inner = f"<Error><Type>{fault}</Type>{detail}</Error>"
            text = f"<ErrorResponse>{inner}<RequestId>{request_id}</RequestId></ErrorResponse>"
        return Answer(error.status, [*headers, ("Content-Type", "text/xml")], text.encode(), error)
    body = {"message": message}
    if code and protocol == "json":
        body["__type"] = code
    if code:
        headers.append(("x-amzn-ErrorType", code))
    content_type = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
    return Answer(error.status, [*headers, ("Content-Type", content_type)], json.dumps(body).encode(), error)


def on_behalf(caller: Caller, service: str) -> Caller:
    """The same caller, with ``service`` (``cloudformation.amazonaws.com``) calling in their place."""
    return replace(caller, invoked_by=service)
