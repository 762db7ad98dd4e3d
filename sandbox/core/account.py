"""The account: one process, one port of 127.0.0.1, an empty AWS account that behaves as AWS does."""

from __future__ import annotations

import importlib
import io
import os
import threading
import time
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.loaders import Loader, create_loader
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.request import Request
from moto.iam.models import IAMBackend, ManagedPolicy
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.core.behaviour import POINTS, Behaviour
from sandbox.core.call import NoAnswerError, Silence, on_behalf
from sandbox.core.faults import Faults
from sandbox.core.gateway import Gateway
from sandbox.core.iam import identity
from sandbox.core.quotas import Quotas
from sandbox.services.cloudtrail import records, trails

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sandbox.core.call import Caller, CallRecord, Dropped


class Service(Protocol):
    """Something that runs beside the account, such as the pollers of the event source mappings."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


#: Each makes one service of a new Sandbox. The rooms add theirs on import: ``SERVICES.append(EventSources)``.
SERVICES: list[Callable[[Sandbox], Service]] = []

#: How often ``wait_until`` looks.
_LOOK_AGAIN = 0.02


class Sandbox:
    """An AWS account on this machine. moto's state is per process, so one Sandbox runs at a time; each starts empty."""

    account_id: ClassVar[str] = "123456789012"
    access_key: ClassVar[str] = "AKIASANDBOXADMINISTR"
    secret_key: ClassVar[str] = "sandbox-administrator"  # noqa: S105 -- opens nothing but this sandbox
    #: Of every sandbox that is given none. The tests set it once, before they start any.
    default_behaviour: ClassVar[Behaviour] = Behaviour()
    _running: ClassVar[Sandbox | None] = None

    def __init__(
        self,
        port: int = 0,
        *,
        iam_propagation_seconds: float = 3.0,
        has_trail: bool = True,
        trail_account_id: str = account_id,
        disabled_regions: Collection[str] = (),
        service_control_policies: Collection[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        behaviour: Behaviour | None = None,
        **switches: Any,
    ) -> None:
        """``port`` 0 takes a free one.

        ``clock`` tells the time wherever AWS's time is visible; ``clock.MovableClock`` is one that can be moved.
        ``behaviour`` is what AWS does where that is not recorded (``default_behaviour``, if None); each of ``switches``
        replaces the position of one switch in it: ``Sandbox(log_delivery_policy="account")``.
        """
        self.behaviour = replace(behaviour or Sandbox.default_behaviour, **switches)
        self.iam_propagation_seconds = iam_propagation_seconds
        #: EventBridge gets "AWS API Call via CloudTrail" only where a trail logs. True: an organization's trail of
        #: management events covers every region, in DescribeTrails too; False: only the trails that calls have made.
        self.has_trail = has_trail
        #: Whose trail that is: the account's own, or another's, as members of its organization see it: DescribeTrails
        #: shows such a trail, and GetTrailStatus and GetEventSelectors are refused for it.
        self.trail_account_id = trail_account_id
        #: Opt-in regions that the account has not enabled: no key is valid there. May be changed at any time.
        self.disabled_regions = set(disabled_regions)
        #: Policies of the organization, as JSON: their denials hold for every principal but the administrator. What
        #: they do not deny is allowed. May be changed at any time.
        self.service_control_policies = list(service_control_policies)
        self.clock = clock
        self.gateway = Gateway(self)
        self.recorders.append(records.record)
        #: What calls meet on demand.
        self.faults = Faults()
        #: How many calls the account takes; off until asked for.
        self.quotas = Quotas(clock)
        self.interposers += [self.faults.interpose, self.quotas.interpose]
        #: Started and stopped with the account, in this order and its reverse.
        importlib.import_module("sandbox.rooms")  # not at the top: the rooms import this module
        self.services: list[Service] = [trails.Trails(self), *(new_service(self) for new_service in SERVICES)]
        #: Every call answered so far, oldest first.
        self.calls: list[CallRecord] = []
        #: CloudTrail's records so far, oldest first.
        self.trail: list[dict[str, Any]] = []
        #: Events that no target took, such as those a queue's policy kept out.
        self.dropped_events: list[Dropped] = []
        #: Role name -> when it, its trust or its policies were last made or changed.
        self.role_changes: dict[str, datetime] = {}
        #: Region and name of queues that were deleted -> when that was.
        self.deleted_queues: dict[tuple[str, str], datetime] = {}
        #: Region -> account-level retention policies of CloudWatch Logs by name.
        self.log_retention_policies: dict[str, dict[str, dict[str, Any]]] = {}
        #: Region -> saved queries of Logs Insights by id.
        self.query_definitions: dict[str, dict[str, dict[str, Any]]] = {}
        #: Set while the account goes down, so that whoever waits for something gives up.
        self.is_stopping = threading.Event()
        self._port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._session = boto3.Session(botocore_session=_isolated_session())
        self._clients: dict[tuple[Any, ...], Any] = {}

    # ---- life

    def start(self) -> Self:
        """The account is empty and answers at ``endpoint``."""
        if Sandbox._running is not None:
            raise RuntimeError("A sandbox runs already in this process; stop it first.")
        default_user_config["iam"]["load_aws_managed_policies"] = True
        IAMBackend._init_aws_policies = _managed_policies  # type: ignore[method-assign,assignment]
        BackendDict.reset()
        self._server = make_server("127.0.0.1", self._port, self.gateway, threaded=True, request_handler=_Handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()
        self.is_stopping.clear()
        Sandbox._running = self
        for service in self.services:
            service.start()
        return self

    def stop(self) -> None:
        """Nothing listens or polls any more; the account's state is gone."""
        if self._server is None or self._thread is None:
            return
        self.is_stopping.set()
        for service in reversed(self.services):
            service.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        BackendDict.reset()
        Sandbox._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse a switch as an attribute of the account: it would turn nothing."""
        if name in POINTS:
            raise AttributeError(f"{name} is a behaviour switch: turn({name}={value!r})")
        super().__setattr__(name, value)

    def turn(self, **switches: Any) -> None:
        """Change the positions of these switches from now on. Raise TypeError or ValueError for what is none."""
        self.behaviour = replace(self.behaviour, **switches)

    # ---- ways in

    @property
    def endpoint(self) -> str:
        """``localhost`` and not the IP address: with it the clients address S3 by path."""
        return f"http://localhost:{self._port}"

    def environment(self, region: str = "us-east-1") -> dict[str, str]:
        """The variables that point ``aws``, ``sam`` and boto3 at this account, and at no other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(
        self, service: str, region: str = "us-east-1", *, caller: Caller | None = None, invoked_by: str | None = None
    ) -> Any:
        """A boto3 client that calls the account in process, on the caller's thread, and never retries.

        It speaks as ``caller`` (the administrator, if None); ``invoked_by`` names a service that calls in their place.
        """
        speaker = caller or self.administrator
        if invoked_by is not None:
            speaker = on_behalf(speaker, invoked_by)
        key = (service, region, speaker.arn, speaker.user_identity.get("accessKeyId"), speaker.invoked_by)
        with self.lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = self._new_client(service, region, speaker)
        return client

    def _new_client(self, service: str, region: str, speaker: Caller) -> Any:
        client = self._session.client(
            cast(Any, service),  # the stubs know boto3's service names only as literals
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

        client.meta.events.register("before-send", cast(Any, partial(self._send, speaker)))
        return client

    def session(self, caller: Caller | None = None, region: str = "us-east-1") -> boto3.Session:
        """A boto3 session whose clients call the account in process, as ``caller`` and on the caller's thread."""
        inner = _isolated_session()
        inner.set_credentials(self.access_key, self.secret_key)
        inner.register("before-send", cast(Any, partial(self._send, caller or self.administrator)))
        return boto3.Session(botocore_session=inner, region_name=region)

    def _send(self, speaker: Caller, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        built = Request.from_primitives(request.method, request.url, request.headers, request.body)
        environ = built.environ | {"REMOTE_ADDR": "127.0.0.1"}
        path = request.url.split("://", 1)[1]
        environ["RAW_URI"] = environ["REQUEST_URI"] = path[path.index("/") :] if "/" in path else "/"
        try:
            answer = self.gateway.answer(environ, speaker)
        except NoAnswerError as error:
            raise _SILENCES[error.silence](request.url) from error
        return AWSResponse(request.url, answer.status, HTTPHeaders.from_pairs(answer.headers), _Raw(answer.body))

    @property
    def administrator(self) -> Caller:
        return identity.administrator(self)

    def caller_of_role(self, role_arn: str, session_name: str) -> dict[str, str]:
        """Credentials of a new session of the role: AccessKeyId, SecretAccessKey, SessionToken.

        The role's trust is not asked: it is AWS's service (Lambda, API Gateway) that assumes it.
        """
        session = identity.new_session(self, role_arn, session_name)
        return {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
        }

    def caller_of_key(self, access_key: str) -> Caller:
        """The Caller that signs with ``access_key``, to be handed to ``client``."""
        with self.lock:
            return identity.caller(self, access_key, "sts")

    # ---- time

    def now(self) -> datetime:
        return self.clock()

    def wait_until[T](self, condition: Callable[[], T], timeout: float = 30.0) -> T:
        """What ``condition()`` gives as soon as that is true; TimeoutError after ``timeout`` seconds of looking."""
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"After {timeout} s still not: {condition}")
            self.is_stopping.wait(_LOOK_AGAIN)
        return found

    def is_propagated(self, role_name: str) -> bool:
        """Other services see the role as it is: IAM's changes take seconds to spread."""
        changed = self.role_changes.get(role_name)
        return changed is None or (self.now() - changed).total_seconds() >= self.iam_propagation_seconds


class KilledError(BaseException):
    """The process that called is gone, as far as that can be had within this one: nothing catches it on its way."""


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


class _Handler(MotoRequestHandler):
    # An answer is two writes on one kept connection; Nagle's algorithm would hold the second for 40 ms.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 -- werkzeug's name
        """A line per request would drown what matters; ``Sandbox.calls`` has them all."""


class _Raw(io.BytesIO):
    """An answer's body as urllib3 would hand it to botocore."""

    def stream(self, amt: int = 65536, **_: Any) -> Any:
        while chunk := self.read(amt):
            yield chunk


_read_managed_policies = IAMBackend._init_aws_policies


def _managed_policies(backend: IAMBackend) -> list[ManagedPolicy]:
    """AWS's managed policies for moto, which would read its 4.7 MB of them anew for every partition and reset.

    Each account gets copies, since a policy counts its attachments; the documents never change.
    """
    if backend.partition != "aws":
        return []
    if not _POLICIES:
        _POLICIES.extend(_read_managed_policies(backend))
    return [copy(policy) for policy in _POLICIES]


_POLICIES: list[ManagedPolicy] = []


#: Of the models of AWS's services, which are the same for everybody and take long to read.
_LOADER: Loader = create_loader()


def _isolated_session() -> botocore.session.Session:
    """A session that reads none of the user's own AWS configuration."""
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session.set_config_variable("config_file", os.devnull)
    session.set_config_variable("credentials_file", os.devnull)
    session.register_component("data_loader", _LOADER)
    return session
