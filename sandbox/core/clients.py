"""boto3 clients that call the account in this process, on the caller's thread, without HTTP."""

from __future__ import annotations

import functools
import io
import os
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.loaders import Loader, create_loader
from moto.core.request import Request

from sandbox.core import wire
from sandbox.core.call import Answer, Caller, NoAnswerError, Silence

if TYPE_CHECKING:
    from collections.abc import Callable

#: The administrator's access key.
ACCESS_KEY = "AKIASANDBOXADMINISTR"
SECRET_KEY = "sandbox-administrator"  # noqa: S105 -- opens nothing but this sandbox


class KilledError(BaseException):
    """The process that called was killed, as far as one process can show it: no ``except Exception`` catches this."""


class Clients:
    """Creates the clients of the accounts.

    ``answer`` answers a request: WSGI's environment, and who speaks; None: the owner of the key that signed it.
    """

    def __init__(self, answer: Callable[[dict[str, Any], Caller | None], Answer]) -> None:
        self._answer = answer
        self._clients: dict[tuple[Any, ...], Any] = {}

    def client(self, service: str, region: str, speaker: Caller, endpoint: str) -> Any:
        """Return a client that speaks as ``speaker`` and never retries. It is created once. Not thread-safe."""
        key = (service, region, speaker.arn, speaker.user_identity.get("accessKeyId"), speaker.invoked_by)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _shared_session().client(
                cast(Any, service),  # the stubs know boto3's service names only as literals
                region_name=region,
                endpoint_url=endpoint,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            client.meta.events.register("before-send", cast(Any, partial(self._send, speaker)))
        return client

    def session(self, region: str, speaker: Caller) -> boto3.Session:
        """Return a new boto3 session whose clients speak as ``speaker``."""
        inner = _isolated_session()
        inner.set_credentials(ACCESS_KEY, SECRET_KEY)
        inner.register("before-send", cast(Any, partial(self._send, speaker)))
        return boto3.Session(botocore_session=inner, region_name=region)

    def _send(self, speaker: Caller, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        built = Request.from_primitives(request.method, request.url, request.headers, request.body)
        environ = built.environ | {"REMOTE_ADDR": "127.0.0.1"}
        path = request.url.split("://", 1)[1]
        environ["RAW_URI"] = environ["REQUEST_URI"] = path[path.index("/") :] if "/" in path else "/"
        # A program that has assumed a role signs with the keys of that role.
        signed = wire.credential(environ)
        is_own = signed is None or signed[0] == ACCESS_KEY
        try:
            answer = self._answer(environ, speaker if is_own else None)
        except NoAnswerError as error:
            raise _SILENCES[error.silence](request.url) from error
        return AWSResponse(request.url, answer.status, HTTPHeaders.from_pairs(answer.headers), _Raw(answer.body))


def _dropped(url: str) -> Exception:
    return ConnectionClosedError(endpoint_url=url)


def _timed_out(url: str) -> Exception:
    return ReadTimeoutError(endpoint_url=url)


#: What a caller in this process gets in place of an answer.
_SILENCES: dict[Silence, Callable[[str], BaseException]] = {
    Silence.DROPPED: _dropped,
    Silence.TIMEOUT: _timed_out,
    Silence.KILLED: KilledError,
}


class _Raw(io.BytesIO):
    """An answer's body as urllib3 would hand it to botocore."""

    def stream(self, amt: int = 65536, **_: Any) -> Any:
        while chunk := self.read(amt):
            yield chunk


#: Of the models of AWS's services, which are the same for everybody and take long to read.
_LOADER: Loader = create_loader()


@functools.cache
def _shared_session() -> boto3.Session:
    """Return the session that creates the clients of every account; what differs is registered with each client."""
    return boto3.Session(botocore_session=_isolated_session())


def _isolated_session() -> botocore.session.Session:
    """Return a session that reads none of the user's own AWS configuration."""
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)
    session.register_component("data_loader", _LOADER)
    return session
