"""Simulated time, which passes only while an actor waits: hours of load and retries take seconds, equal in each run.

``VirtualTime`` is the clock of a Sandbox and of its callers. ``Function`` is a handler in this process with the
messages of its queue. The time includes waits, quotas and delays of AWS; a call takes the time of ``Latency``.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import botocore.endpoint

from sandbox.core.clients import KilledError
from sandbox.services.lambda_.pollers import record, seconds_until_visible, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.assembly import Sandbox
    from sandbox.core.account import Account
    from sandbox.core.call import Answer, Call, Caller

#: Seconds after which a poller reads its queue again. (Lambda's own pollers use long polling.)
_POLL_SECONDS = 0.1

_START = datetime(2026, 11, 23, 9, tzinfo=UTC)


class _EndedError(BaseException):
    """The simulation is over."""


class VirtualTime:
    """The clock, and the actors that wait. One actor runs at a time, the others wait.

    In its ``with`` block, botocore's waits between retries use this time too, and random numbers are the same in each
    run: the waits and the turns of messages depend on them.
    """

    def __init__(self) -> None:
        #: The start of the simulated time.
        self.start_of_time = _START
        self._seconds = 0.0
        self._waiting: list[tuple[float, int, threading.Semaphore]] = []
        self._order = itertools.count()
        self._mine = threading.local()
        self._baton = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._is_over = False

    def __enter__(self) -> Self:
        self._random = random.getstate()
        random.seed(0)
        self._botocore = vars(botocore.endpoint)["time"]
        vars(botocore.endpoint)["time"] = SimpleNamespace(sleep=self.sleep)
        return self

    def __exit__(self, *_: object) -> None:
        vars(botocore.endpoint)["time"] = self._botocore
        random.setstate(self._random)
        self._is_over = True
        while self._waiting:
            heapq.heappop(self._waiting)[2].release()
            self._baton.acquire()
        for thread in self._threads:
            thread.join()

    def __call__(self) -> datetime:
        return _START + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Let this time pass for all actors. While an actor sleeps, the actors that wake before it run."""
        mine: threading.Semaphore | None = getattr(self._mine, "turn", None)
        if mine is None:
            self._seconds += max(0.0, seconds)
            return
        heapq.heappush(self._waiting, (self._seconds + max(0.0, seconds), next(self._order), mine))
        self._baton.release()
        mine.acquire()
        if self._is_over:
            raise _EndedError

    def start(self, actor: Callable[[], None]) -> None:
        """Add an actor. It begins at the current time, when ``run`` is called."""
        turn = threading.Semaphore(0)

        def live() -> None:
            self._mine.turn = turn
            turn.acquire()
            try:
                if not self._is_over:
                    actor()
            except _EndedError:
                pass
            except BaseException as error:  # noqa: BLE001 - raised by run(), in the thread of who waits for it
                self._failures.append(error)
            finally:
                self._baton.release()

        thread = threading.Thread(target=live, name="actor", daemon=True)
        self._threads.append(thread)
        thread.start()
        heapq.heappush(self._waiting, (self._seconds, next(self._order), turn))

    def run(self, until: Callable[[], bool], limit: float) -> None:
        """Run the actors until the condition holds. Raise TimeoutError after ``limit`` simulated seconds.

        An error of an actor is raised too.
        """
        end = self._seconds + limit
        while not until():
            if not self._waiting or self._waiting[0][0] > end:
                raise TimeoutError(f"not within {limit} s of simulated time")
            moment, _, turn = heapq.heappop(self._waiting)
            self._seconds = max(self._seconds, moment)
            turn.release()
            self._baton.acquire()
            if self._failures:
                raise self._failures[0]


@dataclass(slots=True)
class Latency:
    """An interposer of the gateway that makes each call take some time."""

    time: VirtualTime
    seconds: float

    def interpose(self, _account: Account, call: Call, answer: Callable[[], Answer]) -> Answer:
        """Return the account's answer after the delay. The account's own administrator does not wait."""
        if not call.caller.is_trusted:
            self.time.sleep(self.seconds)
        return answer()


@dataclass(slots=True)
class Context:
    """The part of Lambda's context that the handlers use: the remaining time."""

    time: VirtualTime
    deadline: float
    function_name: str = "simulated"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:simulated"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - self.time.monotonic()) * 1000)


@dataclass(slots=True)
class Function:
    """A handler that is called with batches of its queue, as by an event source mapping.

    ``new``: creates a handler, at the start and after each kill. ``timeout``: in seconds; an invocation that takes
    longer counts as failed, since Lambda would have ended it.
    """

    sandbox: Sandbox
    time: VirtualTime
    new: Callable[[], Callable[[dict[str, Any], Context], Any]]
    queue_url: str
    queue_arn: str
    timeout: float
    batch_size: int = 10
    reports_items: bool = True
    invocations: int = 0
    cut_off: int = 0
    _handler: Callable[[dict[str, Any], Context], Any] | None = None

    def take(self) -> bool:
        """Run one batch, and delete the messages that succeeded. Return False if the queue returned no message."""
        sqs = self.sandbox.client("sqs")
        batch = sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=self.batch_size,
            AttributeNames=["All"],
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not batch:
            return False
        error, payload = self._invoke({"Records": [record(message, self.queue_arn) for message in batch]})
        done = succeeded(error, payload, [message["MessageId"] for message in batch], self.reports_items)
        for message in batch:
            if message["MessageId"] in done:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _invoke(self, event: dict[str, Any]) -> tuple[str | None, bytes]:
        """Invoke the function. Return the error, or None, and the answer."""
        self.invocations += 1
        context = Context(self.time, self.time.monotonic() + self.timeout)
        if self._handler is None:
            self._handler = self.new()
        try:
            answer = self._handler(event, context)
        except KilledError:
            self._handler = None
            return "killed", b""
        except Exception as error:  # noqa: BLE001 - Lambda's runtime catches whatever a handler raises
            return repr(error), b""
        if self.time.monotonic() > context.deadline:
            self.cut_off += 1
            return "timeout", b""
        return None, json.dumps(answer).encode()

    def is_idle(self) -> bool:
        """Tell whether the queue is empty: no message waits, and none is being processed."""
        return self._wait() is None

    def drain(self) -> None:
        """Process messages until the queue is empty. Let the time pass that this needs."""
        while (wait := self._wait()) is not None:
            self.time.sleep(wait)
            self.take()

    def live(self) -> None:
        """Process batches until the simulation ends. Each concurrent environment is one actor that runs this."""
        while True:
            if not self.take():
                self.time.sleep(_POLL_SECONDS)

    def _wait(self) -> float | None:
        """Return the seconds until a message is visible, or None if the queue is empty."""
        return seconds_until_visible(self.sandbox, self.queue_arn)


def caller_of_new_role(sandbox: Sandbox, name: str) -> Caller:
    """Return a session of a new role that may call everything, for tests that do not examine permissions."""
    iam = sandbox.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="anything", PolicyDocument=_policy(allow))
    return sandbox.caller_of_key(sandbox.caller_of_role(arn, "simulated")["AccessKeyId"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
