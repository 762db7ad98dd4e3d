"""Lambda: deployed functions run as they are packaged, with their role's credentials and their own log group.

moto keeps the functions; it runs them in Docker only, or not at all. Not told apart from AWS here: processor
architecture. Not here: layers, container images, runtimes other than Python, destinations of asynchronous calls.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import shutil
import tempfile
import threading
import time
import uuid
import zipfile
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends

from sandbox.core.call import Answer, AwsError
from sandbox.core.clock import MovableClock
from sandbox.core.iam import authorization, identity, trust
from sandbox.core.iam.policies import Decision, evaluate
from sandbox.core.registry import SERVICES, rule
from sandbox.services.cloudwatch import metrics
from sandbox.services.eventbridge import event_bus
from sandbox.services.lambda_.execution_environment import (
    ExecutionEnvironment,
    Invocation,
    MovedClock,
    Outcome,
    link_runtime,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.account import Account
    from sandbox.core.call import Call, Caller
    from sandbox.core.registry import Proceed

log = logging.getLogger(__name__)

#: Seconds before the second and the third try of an asynchronous call that failed.
#: *Source:* https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_SECONDS = (60.0, 120.0)
_SYNCHRONOUS_LIMIT, _ASYNCHRONOUS_LIMIT = 6 * 1024 * 1024, 1024 * 1024
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it is configured now. Environments made for another configuration are not used for it."""

    name: str
    arn: str
    version: str
    region: str
    role: str
    handler: str
    runtime: str
    timeout: int
    memory_mb: int
    variables: tuple[tuple[str, str], ...]
    code_sha256: str
    log_group: str
    reserved_concurrency: int | None
    layers: tuple[str, ...]
    package: bytes = field(repr=False, compare=False, hash=False)


@dataclass(frozen=True, slots=True)
class Invoked:
    """An invocation that ended."""

    request_id: str
    function_arn: str
    payload: bytes
    #: None, or ``Unhandled``, as ``X-Amz-Function-Error`` tells it.
    error: str | None
    started: datetime
    duration: float
    init_duration: float | None
    max_memory_mb: int
    #: Its lines of the log, START, END and REPORT included.
    lines: tuple[str, ...] = field(repr=False)


@dataclass(slots=True)
class _Warm:
    """An environment between START and END, or waiting for the next."""

    function: Function
    log: _LogStream
    process: ExecutionEnvironment


class LambdaRuntime:
    """The execution environments of all functions."""

    def __init__(self, account: Account) -> None:
        self.account = account
        #: Every invocation that ended, oldest first.
        self.invoked: list[Invoked] = []
        #: ``LoggingConfig`` by function ARN, which moto does not keep.
        self.logging_configs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Condition()
        self._idle: defaultdict[str, list[_Warm]] = defaultdict(list)
        self._busy: list[_Warm] = []
        self._pending: deque[tuple[float, int, Function, bytes, str]] = deque()
        self._stopping = False
        self._root: Path | None = None
        self._unpacking = threading.Lock()
        self._sessions: dict[tuple[str, str, str], Caller] = {}
        self._dispatcher: threading.Thread | None = None
        self._workers: list[threading.Thread] = []

    # ---- life

    def start(self) -> None:
        """No function has run yet."""
        self._stopping = False
        self.account.kill = self._kill_caller
        self.invoked.clear()
        self.logging_configs.clear()
        self._sessions.clear()
        self._root = Path(tempfile.mkdtemp(prefix="sandbox-lambda-"))
        link_runtime(self._root / "runtime")
        self._dispatcher = threading.Thread(target=self._dispatch, name="lambda-events", daemon=True)
        self._dispatcher.start()

    def halt(self) -> None:
        """Every environment is gone, in mid-work or not, and no new one is made."""
        with self._lock:
            self._stopping = True
            self._pending.clear()
            self._lock.notify_all()
            busy = list(self._busy)
        self._end(self._taken(lambda _: True) + busy)

    def stop(self) -> None:
        """Every environment is gone, and so is what was unpacked."""
        self.halt()
        if self._dispatcher is not None:
            self._dispatcher.join()
        for worker in self._workers:
            worker.join()
        self._end(self._taken(lambda _: True))
        if self._root is not None:
            shutil.rmtree(self._root)
            self._root = None

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
        """No environment of the function waits for another invocation."""
        self._end(self._taken(lambda warm: warm.function.name == name and warm.function.region == region))

    def kill(self, name: str, region: str = "us-east-1") -> int:
        """The function's environments are gone, in mid-work; their invocations end with an error. Returns how many."""
        self.retire(name, region)
        with self._lock:
            busy = [warm for warm in self._busy if (warm.function.name, warm.function.region) == (name, region)]
        self._end(busy)
        return len(busy)

    def _kill_caller(self, caller: Caller) -> None:
        """A session is named after its function. Of two environments of one function, both go."""
        self.kill(caller.arn.rsplit("/", 1)[-1])

    # ---- functions

    def function(self, region: str, name: str, qualifier: str | None = None) -> Function:
        """The function as it is configured now; refused as AWS does if there is none."""
        if name.startswith("arn:"):
            parts = name.split(":")
            region, name, qualifier = parts[3], parts[6], parts[7] if len(parts) > 7 else qualifier
        elif ":" in name:
            *_, name, qualifier = name.split(":")
        with self.account.lock:
            backend = lambda_backends[self.account.account_id][region]
            try:
                found = backend.get_function(name, qualifier)
            except LambdaClientError as error:
                arn = f"arn:aws:lambda:{region}:{self.account.account_id}:function:{name}"
                arn += f":{qualifier}" if qualifier else ""
                raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404) from error
            logging_config = self.logging_configs.get(unqualified(found.function_arn), {})
            reserved = found.reserved_concurrency
            return Function(
                name=found.function_name,
                arn=found.function_arn,
                version=str(found.version),
                region=region,
                role=found.role,
                handler=str(found.handler),
                runtime=str(found.run_time),
                timeout=int(found.timeout),
                memory_mb=int(found.memory_size),
                variables=tuple(sorted((key, str(value)) for key, value in found.environment_vars.items())),
                code_sha256=found.code_sha_256,
                log_group=logging_config.get("LogGroup") or f"/aws/lambda/{found.function_name}",
                reserved_concurrency=None if reserved is None else int(reserved),
                layers=tuple(layer["Arn"] for layer in found.layers),
                package=found.code_bytes,
            )

    # ---- invoking

    def invoke(
        self, function: Function, payload: bytes, *, request_id: str | None = None, client_context: str | None = None
    ) -> Invoked:
        """The function has run on *payload*, to whatever end. Waits; call it without ``gateway.lock``."""
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
            lines = warm.log.end(_closing_lines(invocation, function, outcome, memory))
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
        """*Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
        metrics.put(self.account, function.region, "AWS/Lambda", values, {"FunctionName": function.name})

    def invoke_later(self, function: Function, payload: bytes, *, request_id: str | None = None) -> str:
        """The function will run on *payload*, up to three times if it fails. Returns the request id at once."""
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
            current = self.function(function.region, function.name, _qualifier(function))
            if self.invoke(current, payload, request_id=request_id).error is None:
                return
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return  # deleted meanwhile
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
        assert self._root is not None, "start() comes first"
        account = self.account
        credentials = self._credentials(function)
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        logs = account.client("logs", function.region, caller=self.session(function))
        log_stream = _LogStream(account, function, stream, logs)
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
            task_root=self._unpacked(function),
            runtime_root=self._root / "runtime",
            variables={**dict(function.variables), **reserved},
            write_lines=log_stream.write,
            clock=self._moved_clock(),
        )
        return _Warm(function, log_stream, process)

    def _moved_clock(self) -> MovedClock | None:
        assert self._root is not None
        clock = self.account.clock
        return MovedClock(clock, self._root / f"clock-{uuid.uuid4()}") if isinstance(clock, MovableClock) else None

    def session(self, function: Function) -> Caller:
        """The function's role, as the service itself acts in it: for the function's log and its queues."""
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
        # A session is named after its function, in two characters at least.
        return identity.credentials_of_role(self.account, function.role, function.name.ljust(2, "_"))

    def _unpacked(self, function: Function) -> Path:
        """The function's package, unpacked once for each content."""
        assert self._root is not None
        target = self._root / hashlib.sha256(function.package).hexdigest()
        with self._unpacking:
            if not target.exists():
                with zipfile.ZipFile(io.BytesIO(function.package)) as package:
                    package.extractall(target)
        return target


SERVICES.append(LambdaRuntime)


def unqualified(arn: str) -> str:
    """A function's ARN without version or alias."""
    return ":".join(arn.split(":")[:7])


def _qualifier(function: Function) -> str | None:
    parts = function.arn.split(":")
    return parts[7] if len(parts) > 7 else None


def _closing_lines(invocation: Invocation, function: Function, outcome: Outcome, memory_mb: int) -> list[str]:
    """What the platform adds to an invocation's log.

    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    request_id, lines = invocation.request_id, []
    if outcome.kind == "timeout":
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(f"{now} {request_id} Task timed out after {function.timeout:.2f} seconds\n")
    elif outcome.kind == "exit":
        lines.append(json.loads(outcome.payload).get("errorMessage", ""))
    lines.append(f"END RequestId: {request_id}")
    milliseconds = outcome.duration * 1000
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {function.memory_mb} MB\t"
        f"Max Memory Used: {memory_mb} MB"
    )
    if outcome.init_duration is not None:
        report += f"\tInit Duration: {outcome.init_duration * 1000:.2f} ms"
    return [*lines, report]


class _LogStream:
    """One environment's stream of its function's log group, written with the function's role.

    What the role may not write is lost, without an error anywhere, as on AWS.
    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-prereqs.html
    """

    def __init__(self, account: Account, function: Function, name: str, client: Any) -> None:
        self._account = account
        self._function = function
        self._name = name
        self._client = client
        self._lock = threading.Lock()
        self._lines: list[tuple[int, str]] = []
        self._made = False

    def write(self, lines: list[str]) -> None:
        """The lines are part of the invocation that runs, or of the next."""
        now = int(self._account.now().timestamp() * 1000)
        with self._lock:
            self._lines += [(now, line) for line in lines if line]

    def begin(self, line: str) -> None:
        """An invocation starts; what the environment said while it was made comes first."""
        self.write([line])

    def end(self, lines: list[str]) -> list[str]:
        """The invocation's lines are in the log. Returns them."""
        self.write(lines)
        with self._lock:
            written, self._lines = self._lines, []
        events = [{"timestamp": time_ms, "message": line} for time_ms, line in written]
        try:
            self._make()
            self._client.put_log_events(
                logGroupName=self._function.log_group, logStreamName=self._name, logEvents=events
            )
        except ClientError as error:
            log.info("The log of %s is lost: %s", self._function.name, error)
        else:
            publish_metrics(self._account, self._function.region, [line for _, line in written])
        return [line for _, line in written]

    def _make(self) -> None:
        if self._made:
            return
        group = self._function.log_group
        try:
            self._client.create_log_stream(logGroupName=group, logStreamName=self._name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            self._client.create_log_group(logGroupName=group)
            self._client.create_log_stream(logGroupName=group, logStreamName=self._name)
        self._made = True


def publish_metrics(account: Account, region: str, lines: Iterable[str]) -> None:
    """The metrics that log lines carry in the embedded metric format are in CloudWatch.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    service = identity.service(account, "logs.amazonaws.com")
    for line in lines:
        if '"_aws"' not in line:
            continue
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            continue  # CloudWatch Logs keeps such a line, and takes no metric from it
        moment = datetime.fromtimestamp(document["_aws"].get("Timestamp", time.time() * 1000) / 1000, UTC)
        for directive in directives:
            data = [
                _datum(document, metric, dimensions, moment)
                for metric in directive["Metrics"]
                for dimensions in directive.get("Dimensions") or [[]]
                if metric["Name"] in document
            ]
            if data:
                cloudwatch = account.client("cloudwatch", region, caller=service)
                cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=data)


def _datum(document: dict[str, Any], metric: dict[str, Any], dimensions: list[str], moment: datetime) -> dict[str, Any]:
    values = document[metric["Name"]]
    return {
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": str(document[name])} for name in dimensions if name in document],
        "Timestamp": moment,
        "Values": [float(value) for value in (values if isinstance(values, list) else [values])],
        "Unit": metric.get("Unit", "None"),
    }


# --- the API -------------------------------------------------------------------------------------------------------


@rule("lambda", "Invoke", blocking=True)
def invoke(account: Account, call: Call, _: Proceed) -> Answer:
    """The function's answer (RequestResponse), or that it will be run (Event), or could be (DryRun)."""
    runtime, params = account.service(LambdaRuntime), call.params
    kind = params.get("InvocationType", "RequestResponse")
    payload = params.get("Payload") or b"{}"
    payload = payload.read() if hasattr(payload, "read") else payload
    payload = payload.encode() if isinstance(payload, str) else payload
    function = runtime.function(call.region, params["FunctionName"], params.get("Qualifier"))
    limit = _ASYNCHRONOUS_LIMIT if kind == "Event" else _SYNCHRONOUS_LIMIT
    if len(payload) > limit:
        message = f"Request must be smaller than {limit} bytes for the {kind} operation"
        raise AwsError("RequestTooLargeException", message, 413)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message, 400) from error
    headers = [("x-amzn-RequestId", call.request_id), ("Content-Type", "application/json")]
    if kind == "DryRun":
        return Answer(204, headers, b"")
    if kind == "Event":
        runtime.invoke_later(function, payload, request_id=call.request_id)
        return Answer(202, headers, b"")
    context = params.get("ClientContext")
    ended = runtime.invoke(
        function,
        payload,
        request_id=call.request_id,
        client_context=base64.b64decode(context).decode() if context else None,
    )
    headers.append(("X-Amz-Executed-Version", function.version))
    if ended.error:
        headers.append(("X-Amz-Function-Error", ended.error))
    if params.get("LogType") == "Tail":
        tail = "\n".join(line.rstrip("\n") for line in ended.lines).encode()[-_TAIL_BYTES:]
        headers.append(("X-Amz-Log-Result", base64.b64encode(tail + b"\n").decode()))
    return Answer(200, headers, ended.payload)


@rule("lambda", "CreateFunction", "UpdateFunctionConfiguration", "GetFunctionConfiguration", "GetFunction")
def configure(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """As moto does it, but LoggingConfig is kept and told."""
    runtime = account.service(LambdaRuntime)
    answer = proceed()
    configuration = answer.get("Configuration", answer)
    arn = unqualified(configuration["FunctionArn"])
    if call.operation == "CreateFunction":
        runtime.logging_configs.pop(arn, None)
    if "LoggingConfig" in call.params:
        runtime.logging_configs[arn] = call.params["LoggingConfig"]
    configuration["LoggingConfig"] = {
        "LogFormat": "Text",
        "LogGroup": f"/aws/lambda/{configuration['FunctionName']}",
        **runtime.logging_configs.get(arn, {}),
    }
    return answer


@rule("lambda", "DeleteFunction", blocking=True)
def delete_function(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """The function is gone, and its environments with it."""
    answer = proceed()
    name = unqualified(call.params["FunctionName"]).rsplit(":", 1)[-1]
    account.service(LambdaRuntime).retire(name, call.region)
    return answer


@event_bus.target("lambda")
def to_function(account: Account, delivery: event_bus.Delivery) -> None:
    """The function runs on the event, if its own policy lets the rule invoke it.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions
    """
    check_may_invoke(account, delivery.arn, "events.amazonaws.com", delivery.rule_arn)
    runtime = account.service(LambdaRuntime)
    runtime.invoke_later(runtime.function(delivery.arn.split(":")[3], delivery.arn), delivery.payload.encode())


def check_may_invoke(account: Account, function_arn: str, principal: str, source_arn: str) -> None:
    """The function's policy lets the service invoke it for this source; Undeliverable otherwise."""
    region, name = function_arn.split(":")[3], function_arn.split(":")[6]
    try:
        found = lambda_backends[account.account_id][region].get_function(name)
    except LambdaClientError as error:
        raise event_bus.Undeliverable(f"there is no function {function_arn}") from error
    document = {"Statement": [{**statement, "Resource": "*"} for statement in found.policy.statements]}
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": account.account_id}
    verdict = evaluate([document], "lambda:InvokeFunction", function_arn, context, {"Service": principal})
    if verdict is not Decision.ALLOWED:
        raise event_bus.Undeliverable(f"the policy of {name} does not let {principal} invoke it for {source_arn}")
