"""The accounts of one process, and the state that all services of an account share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.core.behaviour import POINTS, Behaviour
from sandbox.core.call import Answer, AwsError, Call, Caller, CallRecord, Dropped
from sandbox.core.clients import ACCESS_KEY, SECRET_KEY, Clients
from sandbox.core.clock import machine_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import boto3

ACCOUNT_ID = "123456789012"

#: Checks an authorised call before it is answered; raises AwsError to refuse it.
type Hook = Callable[[Account, Call], None]
#: Receives every answered call: the call, its result (None if refused) and its error.
type Recorder = Callable[[Account, CallRecord, dict[str, Any] | None, AwsError | None], None]
#: Stands between a caller and the account: answers by itself, raises AwsError or NoAnswerError, or lets the third
#: argument answer. It runs without ``account.lock``, before the call is authorised.
type Interposer = Callable[[Account, Call, Callable[[], Answer]], Answer]
#: Answers HTTP that no AWS client signed, such as a custom resource's response URL: (method, path, query, body).
type Route = Callable[[str, str, str, bytes], tuple[int, bytes]]
#: Answers HTTP that is no call of AWS at all, such as a request to a deployed API: (WSGI's environment, body).
type Server = Callable[[dict[str, Any], bytes], Answer]

#: Seconds between two checks of ``wait_until``.
_PAUSE = 0.02


class Service(Protocol):
    """Something that runs beside the account, such as the pollers of the event source mappings."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(kw_only=True, eq=False, repr=False)
class AccountSettings:
    """What differs between accounts. All but the ID and the clock may be changed while the account runs."""

    account_id: str = ACCOUNT_ID
    #: Of the organization that the account is a member of; empty: of none.
    organization_id: str = ""
    #: Of the same organization; empty: there is none.
    management_account_id: str = ""
    #: How long other services do not see a changed role.
    iam_propagation_seconds: float = 3.0
    #: EventBridge gets "AWS API Call via CloudTrail" only where a trail logs. True: an organization's trail of
    #: management events covers every region, in DescribeTrails too; False: only the trails that calls have created.
    has_trail: bool = True
    #: Whose trail that is: the account's own, or another's, as members of its organization see it: DescribeTrails
    #: shows such a trail, and GetTrailStatus and GetEventSelectors are refused for it.
    trail_account_id: str = ACCOUNT_ID
    #: Opt-in regions that the account has not enabled: no key is valid there.
    disabled_regions: set[str] = field(default_factory=set)
    #: Service control policies of the organization, as JSON. Their denials hold for every principal but the
    #: administrator and service-linked roles. What they do not deny is allowed, unless ``allow_lists`` says otherwise.
    service_control_policies: list[str] = field(default_factory=list)
    #: The policies (JSON) of each level of the organization, from the account to the root, from which the policy
    #: FullAWSAccess was detached. What one of these levels does not allow is denied.
    allow_lists: list[tuple[str, ...]] = field(default_factory=list)
    #: The time wherever AWS's time is visible; ``clock.MovableClock`` is one that can be moved.
    clock: Callable[[], datetime] = machine_time


class Accounts:
    """The accounts of one process, and what they share. The first is the one that ``assembly.Sandbox`` starts."""

    def __init__(self, behaviour: Behaviour, clients: Clients) -> None:
        self.behaviour = behaviour
        self.clients = clients
        #: Held while a call is answered, since moto's state is not safe between threads. Blocking rules run without it.
        self.lock = threading.RLock()
        #: The first stands nearest to the caller.
        self.interposers: list[Interposer] = []
        #: Set while the accounts stop, so that whatever waits for something gives up.
        self.is_stopping = threading.Event()
        #: Port of 127.0.0.1 at which the accounts answer; 0 until it is known.
        self.port = 0
        self._by_id: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._by_id.values()))

    def get(self, account_id: str) -> Account | None:
        """Return the account with this ID, or None."""
        return self._by_id.get(account_id)

    def add(self, account: Account) -> None:
        """Add an account. Raise ValueError if there is one with its ID."""
        if account.account_id in self._by_id:
            raise ValueError(f"there is an account {account.account_id} already")
        self._by_id[account.account_id] = account

    def forget_others(self, account: Account) -> None:
        """Remove all accounts but this one."""
        self._by_id = {account.account_id: account}


class Account(AccountSettings):
    """One AWS account: what rules and services are given. ``assembly.Sandbox`` is one that can be started."""

    def __init__(self, settings: AccountSettings, accounts: Accounts) -> None:
        super().__init__(**vars(settings))
        self.accounts = accounts
        accounts.add(self)
        self.lock, self.interposers, self.is_stopping = accounts.lock, accounts.interposers, accounts.is_stopping
        #: The administrator's.
        self.access_key = ACCESS_KEY if self.account_id == ACCOUNT_ID else f"{ACCESS_KEY[:8]}{self.account_id}"
        self.secret_key = SECRET_KEY
        #: Called in this order after the hooks of every sandbox.
        self.hooks: list[Hook] = []
        #: Path prefix -> what answers requests below it that no AWS client signed.
        self.routes: dict[str, Route] = {}
        #: Path prefix -> what serves requests below it, signed or not.
        self.servers: dict[str, Server] = {}
        #: Started and stopped with the account, in this order and its reverse.
        self.services: list[Service] = []
        #: Ends the process of a caller. By default nothing: a killed caller then only gets no answer.
        self.kill: Callable[[Caller], None] = lambda _: None
        #: Every call answered so far, oldest first.
        self.calls: list[CallRecord] = []
        #: CloudTrail's records so far, oldest first.
        self.trail: list[dict[str, Any]] = []
        #: Events that no target took, such as those that a queue's policy kept out.
        self.dropped_events: list[Dropped] = []
        #: Role name -> when it, its trust or its policies were last created or changed.
        self.role_changes: dict[str, datetime] = {}
        self._states: dict[tuple[type, str], Any] = {}

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse a behaviour switch as an attribute of the account: it would turn nothing."""
        if name in POINTS:
            raise AttributeError(f"{name} is a behaviour switch: turn({name}={value!r})")
        super().__setattr__(name, value)

    @property
    def behaviour(self) -> Behaviour:
        """Return the positions of the behaviour switches."""
        return self.accounts.behaviour

    def turn(self, **switches: Any) -> None:
        """Change the positions of these switches, for all accounts. Raise TypeError or ValueError for what is none."""
        self.accounts.behaviour = replace(self.accounts.behaviour, **switches)

    def service[T](self, wanted: type[T]) -> T:
        """Return the account's service of this class. Raise LookupError if it has none."""
        for service in self.services:
            if isinstance(service, wanted):
                return service
        raise LookupError(f"The account has no {wanted.__name__}")

    def state[T](self, wanted: type[T], region: str = "") -> T:
        """Return the state of this class that a service keeps for the account, or for one region of it.

        It is created empty at the first use. State that must end with an object of moto is kept on that object.
        """
        with self.lock:
            if (wanted, region) not in self._states:
                self._states[wanted, region] = wanted()
            found: T = self._states[wanted, region]
            return found

    # ---- callers and their clients

    @property
    def endpoint(self) -> str:
        """``localhost`` and not the IP address: with it the clients address S3 by path."""
        return f"http://localhost:{self.accounts.port}"

    @property
    def administrator(self) -> Caller:
        """The IAM user that owns the account; nothing is checked for it."""
        arn = f"arn:aws:iam::{self.account_id}:user/administrator"
        return Caller(
            account=self.account_id,
            arn=arn,
            role_arn=None,
            user_identity={
                "type": "IAMUser",
                "principalId": "AIDASANDBOXADMINISTRA",
                "arn": arn,
                "accountId": self.account_id,
                "accessKeyId": self.access_key,
                "userName": "administrator",
            },
            is_trusted=True,
        )

    def client(
        self, service: str, region: str = "us-east-1", *, caller: Caller | None = None, invoked_by: str | None = None
    ) -> Any:
        """Return a boto3 client that calls the account in process, on the caller's thread, and never retries.

        It speaks as ``caller`` (the administrator, if None); ``invoked_by`` names a service that calls in their place.
        """
        speaker = caller or self.administrator
        if invoked_by is not None:
            speaker = speaker.on_behalf_of(invoked_by)
        with self.lock:
            return self.accounts.clients.client(service, region, speaker, self.endpoint)

    def session(self, caller: Caller | None = None, region: str = "us-east-1") -> boto3.Session:
        """Return a boto3 session whose clients call the account in process, on the caller's thread, as ``caller``."""
        return self.accounts.clients.session(region, caller or self.administrator)

    def environment(self, region: str = "us-east-1") -> dict[str, str]:
        """Return the variables that point ``aws``, ``sam`` and boto3 at this account, and at no other."""
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

    # ---- time

    def now(self) -> datetime:
        """Return AWS's time."""
        return self.clock()

    def wait_until[T](self, condition: Callable[[], T], timeout: float = 30.0) -> T:
        """Return what ``condition()`` gives as soon as that is true. Raise TimeoutError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"After {timeout} s still not: {condition}")
            self.is_stopping.wait(_PAUSE)
        return found

    def is_propagated(self, role_name: str) -> bool:
        """Return whether other services see the role as it is: IAM's changes take seconds to spread."""
        changed = self.role_changes.get(role_name)
        return changed is None or (self.now() - changed).total_seconds() >= self.iam_propagation_seconds
