"""Assemble the account from state, gateway, services, faults and quotas, and serve it on one port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.core import moto_patches
from sandbox.core.account import ACCOUNT_ID, Account, Accounts, AccountSettings
from sandbox.core.behaviour import Behaviour
from sandbox.core.clients import Clients
from sandbox.core.clock import machine_time
from sandbox.core.faults import Faults
from sandbox.core.gateway import Gateway
from sandbox.core.iam import identity
from sandbox.core.quotas import Quotas
from sandbox.core.registry import SERVICES
from sandbox.services import catalogue

if TYPE_CHECKING:
    from sandbox.core.call import Answer, Caller

moto_patches.apply()
catalogue.load()

#: Seconds between two checks of the server whether it must end. It also checks at each connection.
_POLL_SECONDS = 0.5
#: Connections that may wait to be accepted, as many as at a port that werkzeug opens.
_WAITING_CONNECTIONS = 128


class Sandbox(Account):
    """An AWS account on this machine, which has at most a trail when it starts.

    One runs at a time, because moto's state is per process.
    """

    #: The behaviour of a sandbox that is created without one. The tests set it once, before they start a sandbox.
    default_behaviour: ClassVar[Behaviour] = Behaviour()
    _running: ClassVar[Sandbox | None] = None

    def __init__(
        self,
        port: int = 0,
        *,
        iam_propagation_seconds: float = 3.0,
        has_trail: bool = True,
        trail_account_id: str = ACCOUNT_ID,
        disabled_regions: Collection[str] = (),
        service_control_policies: Collection[str] = (),
        clock: Callable[[], datetime] = machine_time,
        behaviour: Behaviour | None = None,
        **switches: Any,
    ) -> None:
        """Create an account, which ``start`` starts. ``port``: 0 takes a free one.

        ``behaviour``: what AWS does where no recording shows it (None: ``default_behaviour``). Each of ``switches``
        replaces the position of one switch in it: ``Sandbox(log_delivery_policy="account")``. The other settings are
        those of ``AccountSettings``.
        """
        settings = AccountSettings(
            iam_propagation_seconds=iam_propagation_seconds,
            has_trail=has_trail,
            trail_account_id=trail_account_id,
            disabled_regions=set(disabled_regions),
            service_control_policies=list(service_control_policies),
            clock=clock,
        )
        positions = replace(behaviour or Sandbox.default_behaviour, **switches)
        super().__init__(settings, Accounts(positions, Clients(self._answer)))
        self.accounts.port = port
        self.gateway = Gateway(self.accounts)
        #: The faults that tests add.
        self.faults = Faults()
        #: The quotas of calls, which are off at the start.
        self.quotas = Quotas(clock)
        self.interposers += [self.faults.interpose, self.quotas.interpose]
        self.services += [new_service(self) for new_service in SERVICES]
        self._others: list[Account] = []
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port of 127.0.0.1 at which the accounts answer."""
        return self.accounts.port

    def add_account(self, account_id: str, **settings: Any) -> Account:
        """Return a new account beside this one, with these settings (``AccountSettings``). It runs with it.

        Requests to deployed APIs, and custom resources, exist in the first account only.

        Raise ValueError for an ID that an account has. Raise RuntimeError if this account does not run.
        """
        if self._server is None:
            raise RuntimeError("The sandbox does not run; start it first.")
        account = Account(AccountSettings(account_id=account_id, clock=self.clock, **settings), self.accounts)
        account.iam_propagation_seconds = settings.get("iam_propagation_seconds", self.iam_propagation_seconds)
        account.services += [new_service(account) for new_service in SERVICES]
        self._others.append(account)
        for service in account.services:
            service.start()
        return account

    def _answer(self, environ: dict[str, Any], speaker: Caller | None) -> Answer:
        return self.gateway.answer(environ, speaker)

    # ---- start and stop

    def start(self) -> Self:
        """Start the account: it is empty and answers at ``endpoint``.

        Raise RuntimeError if another one runs in this process, and OSError if the port cannot be used.
        """
        if Sandbox._running is not None:
            raise RuntimeError("A sandbox runs already in this process; stop it first.")
        # Opened here, because werkzeug would print two lines of its own about a port in use, and end the program.
        with socket.create_server(("127.0.0.1", self.port), backlog=_WAITING_CONNECTIONS) as listening:
            _empty_moto()
            self.accounts.port = listening.getsockname()[1]
            self._server = make_server(
                "127.0.0.1",
                self.port,
                self.gateway,
                threaded=True,
                request_handler=_Handler,
                fd=listening.fileno(),
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )
        self._thread.start()
        self.is_stopping.clear()
        Sandbox._running = self
        for service in self.services:
            service.start()
        return self

    def stop(self) -> None:
        """Stop the account: stop to listen and to poll, and delete its state."""
        if self._server is None or self._thread is None:
            return
        self.is_stopping.set()
        for account in (*reversed(self._others), self):
            for service in reversed(account.services):
                service.stop()
        self.accounts.forget_others(self)
        self._others.clear()
        self._shut_down(self._server)
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        _empty_moto()
        Sandbox._running = None

    def _shut_down(self, server: BaseWSGIServer) -> None:
        shutting = threading.Thread(target=server.shutdown, name="sandbox-shutdown")
        shutting.start()
        # The server's loop notices the request when a connection comes, or after its poll interval.
        while shutting.is_alive():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
            shutting.join(0.02)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- access for tools and tests

    def caller_of_role(self, role_arn: str, session_name: str) -> dict[str, str]:
        """Return credentials of a new session of the role: AccessKeyId, SecretAccessKey, SessionToken."""
        return identity.credentials_of_role(self, role_arn, session_name)

    def caller_of_key(self, access_key: str) -> Caller:
        """Return the Caller that signs with ``access_key``, for ``client``."""
        return identity.caller_of_key(self, access_key)


def _empty_moto() -> None:
    """Delete moto's state, also its list of all objects, which would grow with every account."""
    BackendDict.reset()
    reset_model_data()


class _Handler(MotoRequestHandler):
    # An answer is written in two parts. On a reused connection, Nagle's algorithm would delay the second by 40 ms.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 -- werkzeug's name
        """Print nothing: one line per request would hide important output. ``Sandbox.calls`` has all calls."""
