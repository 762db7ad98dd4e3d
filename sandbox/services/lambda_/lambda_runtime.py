"""The execution environments of Lambda functions, and retries of asynchronous invocations.

moto stores the functions, but runs them only in Docker. Functions for both processor architectures run on this
machine's architecture. Not implemented: layers, container images, runtimes other than Python, destinations of
asynchronous calls.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.clock import MovableClock
from sandbox.core.iam import authorization, identity, trust
from sandbox.core.registry import SERVICES
from sandbox.services.cloudwatch import metrics
from sandbox.services.lambda_ import shared_files
from sandbox.services.lambda_.execution_environment import (
    ExecutionEnvironment,
    Invocation,
    MovedClock,
)
from sandbox.services.lambda_.functions import Function, Invoked, configured, qualifier_of, unqualified
from sandbox.services.lambda_.log_streams import LogStream, closing_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.account import Account
    from sandbox.core.call import Caller

log = logging.getLogger(__name__)

#: Seconds before the second and before the third attempt of an asynchronous invocation that failed.
#: *Source:* https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_SECONDS = (60.0, 120.0)


@dataclass(slots=True)
class _Warm:
    """An environment with its log stream. It runs an invocation or waits for the next one."""

    function: Function
    log: LogStream
    process: ExecutionEnvironment


class LambdaRuntime:
    """The execution environments of all functions."""

    def __init__(self, account: Account) -> None:
        self.account = account
        #: All invocations that have ended, oldest first.
        self.invoked: list[Invoked] = []
        #: ``LoggingConfig`` by function ARN, which moto does not keep.
        self.logging_configs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Condition()
        self._idle: defaultdict[str, list[_Warm]] = defaultdict(list)
        self._busy: list[_Warm] = []
        self._pending: deque[tuple[float, int, Function, bytes, str]] = deque()
        self._stopping = False
        self._sessions: dict[tuple[str, str, str], Caller] = {}
        self._dispatcher: threading.Thread | None = None
        self._workers: list[threading.Thread] = []

    # ---- start and stop

    def start(self) -> None:
        """Start the runtime without any execution environment."""
        self._stopping = False
        self.account.kill = self._kill_caller
        self.invoked.clear()
        self.logging_configs.clear()
        self._sessions.clear()
        self._dispatcher = threading.Thread(target=self._dispatch, name="lambda-events", daemon=True)
        self._dispatcher.start()

    def halt(self) -> None:
        """End every environment, also during an invocation. Start no new ones."""
        with self._lock:
            self._stopping = True
            self._pending.clear()
            self._lock.notify_all()
            busy = list(self._busy)
        self._end(self._taken(lambda _: True) + busy)

    def stop(self) -> None:
        """End every environment."""
        self.halt()
        if self._dispatcher is not None:
            self._dispatcher.join()
        for worker in self._workers:
            worker.join()
        self._end(self._taken(lambda _: True))

    def _taken(self, wanted: Any) -> list[_Warm]:
        with self._lock:
            found = [warm for pool in self._idle.values() for warm in pool if wanted(warm)]
            for pool in self._idle.values():
                pool[:] = [warm for warm in pool if warm not in found]
            return found

    @staticmethod
    def _end(environments: Iterable[_Warm]) -> None:
        for warm in environments:
            warm.process.kill()

    def retire(self, name: str, region: str) -> None:
        """End the execution environments of the function that wait for another invocation."""
        self._end(self._taken(lambda warm: warm.function.name == name and warm.function.region == region))

    def kill(self, name: str, region: str = "us-east-1") -> int:
        """End all environments of the function. Return how many ran an invocation, which then ends with an error."""
        self.retire(name, region)
        with self._lock:
            busy = [warm for warm in self._busy if (warm.function.name, warm.function.region) == (name, region)]
        self._end(busy)
        return len(busy)

    def _kill_caller(self, caller: Caller) -> None:
        """End the environments of the function that made the call. The session has the function's name.

        If the function has two environments, both end.
        """
        self.kill(Arn.parse(caller.arn).name)

    # ---- functions

    def function(self, region: str, name: str, qualifier: str | None = None) -> Function:
        """Return the function as it is configured now. Raise AWS's error if it does not exist."""
        if name.startswith("arn:"):
            parts = name.split(":")
            region, name, qualifier = parts[3], parts[6], parts[7] if len(parts) > 7 else qualifier
        elif ":" in name:
            *_, name, qualifier = name.split(":")
        with self.account.lock:
            return configured(self.account, region, name, qualifier, self.logging_configs)

    # ---- invoking

    def invoke(
        self, function: Function, payload: bytes, *, request_id: str | None = None, client_context: str | None = None
    ) -> Invoked:
        """Run the function on *payload* and wait for the end. The caller must not hold ``gateway.lock``."""
        if not function.runtime.startswith("python") or function.layers:
            raise AwsError(
                "InvalidRuntimeException",
                f"The sandbox runs functions of Python runtimes without layers; {function.name} is {function.runtime} "
                f"with layers {list(function.layers)}.",
                502,
            )
        started = datetime.now(UTC)
        invocation = Invocation(request_id or str(uuid.uuid4()), payload, function.arn, client_context)
        try:
            warm = self._acquire(function)
        except AwsError as error:
            if error.status == 429:
                self._publish(function, {"Throttles": (1.0, "Count")})
            raise
        try:
            warm.log.begin(f"START RequestId: {invocation.request_id} Version: {function.version}")
            outcome = warm.process.invoke(invocation, function.timeout)
            memory = warm.process.max_memory_mb()
            lines = warm.log.end(closing_lines(invocation, function, outcome, memory))
        finally:
            self._release(warm)
        ended = Invoked(
            invocation.request_id,
            function.arn,
            outcome.payload,
            None if outcome.kind == "response" else "Unhandled",
            started,
            outcome.duration,
            outcome.init_duration,
            memory,
            tuple(lines),
        )
        self._publish(
            function,
            {
                "Invocations": (1.0, "Count"),
                "Errors": (0.0 if ended.error is None else 1.0, "Count"),
                "Throttles": (0.0, "Count"),
                "Duration": (ended.duration * 1000, "Milliseconds"),
            },
        )
        with self._lock:
            self.invoked.append(ended)
            self._lock.notify_all()
        return ended

    def _publish(self, function: Function, values: dict[str, tuple[float, str]]) -> None:
        """Put metrics of the function into CloudWatch.

        *Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        """
        metrics.put(self.account, function.region, "AWS/Lambda", values, {"FunctionName": function.name})

    def invoke_later(self, function: Function, payload: bytes, *, request_id: str | None = None) -> str:
        """Add an asynchronous invocation, with up to three attempts, to the queue. Return its request id at once."""
        identifier = request_id or str(uuid.uuid4())
        with self._lock:
            self._pending.append((time.monotonic(), 0, function, payload, identifier))
            self._lock.notify_all()
        return identifier

    def _dispatch(self) -> None:
        while True:
            with self._lock:
                while not self._stopping:
                    now = time.monotonic()
                    due = next((each for each in self._pending if each[0] <= now), None)
                    if due is not None:
                        break
                    self._lock.wait(min((each[0] - now for each in self._pending), default=None))
                if self._stopping:
                    return
                assert due is not None
                self._pending.remove(due)
                _, tries, function, payload, request_id = due
                worker = threading.Thread(
                    target=self._run_event,
                    args=(tries, function, payload, request_id),
                    name="lambda-event",
                    daemon=True,
                )
                self._workers = [each for each in self._workers if each.is_alive()] + [worker]
                worker.start()

    def _run_event(self, tries: int, function: Function, payload: bytes, request_id: str) -> None:
        delay = RETRY_SECONDS[tries] if tries < len(RETRY_SECONDS) else None
        try:
            current = self.function(function.region, function.name, qualifier_of(function))
            if self.invoke(current, payload, request_id=request_id).error is None:
                return
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return  # the function was deleted meanwhile
            log.warning("An event for %s is not delivered: %s", function.name, error)
        if delay is None:
            log.warning("An event for %s was given up after %s tries", function.name, tries + 1)
            return
        with self._lock:
            if not self._stopping:
                self._pending.append((time.monotonic() + delay, tries + 1, function, payload, request_id))
                self._lock.notify_all()

    # ---- environments

    def _acquire(self, function: Function) -> _Warm:
        stale: list[_Warm] = []
        try:
            with self._lock:
                if self._stopping:
                    raise AwsError("ServiceException", "The sandbox is stopping.", 500)
                if function.reserved_concurrency is not None:
                    busy = sum(unqualified(warm.function.arn) == unqualified(function.arn) for warm in self._busy)
                    if busy >= function.reserved_concurrency:
                        raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
                pool = self._idle[function.arn]
                while pool:
                    warm = pool.pop()
                    if warm.function == function and warm.process.is_alive:
                        self._busy.append(warm)
                        return warm
                    stale.append(warm)
        finally:
            self._end(stale)
        warm = self._new(function)
        with self._lock:
            self._busy.append(warm)
        if self._is_stopping():
            warm.process.kill()
        return warm

    def _is_stopping(self) -> bool:
        with self._lock:
            return self._stopping

    def _release(self, warm: _Warm) -> None:
        with self._lock:
            self._busy.remove(warm)
            keep = warm.process.is_alive and not self._stopping
            if keep:
                self._idle[warm.function.arn].append(warm)
            self._lock.notify_all()
        if not keep:
            warm.process.kill()

    def _new(self, function: Function) -> _Warm:
        account = self.account
        credentials = self._credentials(function)
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        logs = account.client("logs", function.region, caller=self.session(function))
        log_stream = LogStream(account, function, stream, logs)
        reserved = {
            **account.environment(function.region),
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        }
        del reserved["SAM_CLI_TELEMETRY"]
        process = ExecutionEnvironment(
            handler=function.handler,
            task_root=shared_files.unpacked(function.package),
            runtime_root=shared_files.runtime(),
            variables={**dict(function.variables), **reserved},
            write_lines=log_stream.write,
            clock=self._moved_clock(),
        )
        return _Warm(function, log_stream, process)

    def _moved_clock(self) -> MovedClock | None:
        clock, file = self.account.clock, shared_files.folder() / f"clock-{uuid.uuid4()}"
        return MovedClock(clock, file) if isinstance(clock, MovableClock) else None

    def session(self, function: Function) -> Caller:
        """Return the session of the function's role in which Lambda writes the function's log and polls its queues."""
        with self.account.lock:
            role = authorization.role_by_arn(self.account, function.role)
            key = (function.region, function.name, "" if role is None else role.id)
            caller = self._sessions.get(key)
            if caller is None:
                caller = identity.caller_of_key(self.account, self._credentials(function)["AccessKeyId"])
                self._sessions[key] = caller
        return caller

    def _credentials(self, function: Function) -> dict[str, str]:
        with self.account.lock:
            role = authorization.role_by_arn(self.account, function.role)
            if role is None or not trust.trusts(role, "lambda.amazonaws.com"):
                message = "The role defined for the function cannot be assumed by Lambda."
                raise AwsError("AccessDeniedException", message, 403)
        # The session has the name of the function, made longer if it has only one character.
        return identity.credentials_of_role(self.account, function.role, function.name.ljust(2, "_"))


SERVICES.append(LambdaRuntime)
