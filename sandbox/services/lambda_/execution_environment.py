"""One execution environment of a Lambda function: a process with AWS's runtime interface client, and its Runtime API.

*Source:* https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html (paths and headers),
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (the reserved variables).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from sandbox.services.lambda_ import function_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.core.clock import MovableClock

#: The modules of AWS's Python runtime besides the standard library: the client of the Runtime API, and the SDK.
_RUNTIME_MODULES = (
    "awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py",
    "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3",
)  # fmt: skip
#: Time limit of the initialisation. It is 10 seconds on Lambda, but a busy machine with two cores may need more.
INIT_SECONDS = 60.0

type Kind = Literal["response", "error", "timeout", "exit"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for a handler."""

    request_id: str
    payload: bytes
    function_arn: str
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an invocation."""

    kind: Kind
    payload: bytes
    #: Seconds in the handler, and in the initialisation if this invocation waited for it (else None).
    duration: float
    init_duration: float | None


def link_runtime(into: Path) -> Path:
    """Fill a directory with links to the modules of the Lambda runtime only. Return the directory."""
    into.mkdir(parents=True, exist_ok=True)
    for name in _RUNTIME_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"The Lambda runtime needs the module {name}, which is not installed.")
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (into / source.name).symlink_to(source)
    return into


class MovedClock:
    """The file from which the process of one environment reads how far its clock is moved."""

    def __init__(self, clock: MovableClock, file: Path) -> None:
        self._clock = clock
        self._file = file
        self.follow()

    def follow(self) -> float:
        """Move the clock of the process to the account's time. Return the difference to the real time, in seconds."""
        seconds = self._clock.offset.total_seconds()
        # The file is changed, not replaced: the process has mapped it into its memory.
        with self._file.open("r+b" if self._file.exists() else "wb") as opened:
            opened.write(function_clock.OFFSET.pack(seconds))
        return seconds

    def starter(self) -> tuple[str, str]:
        """Return the arguments of Python that replace ``-m awslambdaric``."""
        return function_clock.__file__, str(self._file)


class ExecutionEnvironment:
    """A process that runs one handler, one invocation at a time."""

    def __init__(
        self,
        handler: str,
        task_root: Path,
        runtime_root: Path,
        variables: Mapping[str, str],
        write_lines: Callable[[list[str]], None],
        clock: MovedClock | None = None,
    ) -> None:
        """Start the process. *write_lines* gets its output, from any thread.

        If *clock* is given, the process sees the time that *clock* shows when each invocation begins.
        """
        self._clock = clock
        self._write_lines = write_lines
        self._changed = threading.Condition()
        self._is_ready = False
        self._has_exited = False
        self._invocation: Invocation | None = None
        self._deadline_ms = 0
        self._max_memory_mb = 0
        self._answer: tuple[Kind, bytes] | None = None
        self._init_error: bytes | None = None
        self._server = _RuntimeApi(self)
        threading.Thread(target=self._server.serve, name="runtime-api", daemon=True).start()
        self._started = time.monotonic()
        self._init_duration: float | None = None
        # -S and -s exclude all site-packages: the function can import its package, the runtime, the standard library.
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and the function's own code
            [sys.executable, "-S", "-s", *(clock.starter() if clock else ("-m", "awslambdaric")), handler],
            cwd=task_root,
            env={
                "PATH": os.defpath,
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "PYTHONPATH": f"{task_root}{os.pathsep}{runtime_root}",
                **variables,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "LAMBDA_TASK_ROOT": str(task_root),
                "LAMBDA_RUNTIME_DIR": str(runtime_root),
                "_HANDLER": handler,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output = _Output(self._process.stdout, write_lines)
        threading.Thread(target=self._output.read_to_end, name="lambda-output", daemon=True).start()
        threading.Thread(target=self._watch, name="lambda-exit", daemon=True).start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether the environment can take another invocation."""
        return not self._has_exited

    def max_memory_mb(self) -> int:
        """Return the most memory that the process has used, in MB: 0 on systems other than Linux."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    self._max_memory_mb = int(line.split()[1]) // 1024
        return self._max_memory_mb

    def invoke(self, invocation: Invocation, timeout: float) -> Outcome:
        """Run the handler on one invocation. Wait until it answers, fails, exceeds *timeout* or ends.

        In the last two cases the process has ended too.
        """
        waited_for_init = not self._is_ready
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._has_exited, INIT_SECONDS)
            ready = self._is_ready and not self._has_exited
            if ready:
                self._answer = None
                moved = self._clock.follow() if self._clock else 0.0
                self._deadline_ms = int((time.time() + moved + timeout) * 1000)
                self._invocation = invocation
                self._changed.notify_all()
        init_duration = self._init_duration if waited_for_init else None
        if not ready:
            return self._never_ready(invocation)
        started = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._has_exited, timeout)
            answer, has_exited = self._answer, self._has_exited
        duration = time.monotonic() - started
        if answer is not None:
            kind, payload = answer
        elif has_exited:
            kind, payload = "exit", self._exit_error(invocation)
        else:
            self.max_memory_mb()
            self.kill()
            message = f"RequestId: {invocation.request_id} Error: Task timed out after {timeout:.2f} seconds"
            kind, payload = "timeout", _error("Sandbox.Timedout", message)
        self._output.drain()
        return Outcome(kind, payload, duration, init_duration)

    def _never_ready(self, invocation: Invocation) -> Outcome:
        if not self._has_exited:
            self.kill()
        self._output.drain()
        error = self._init_error or self._exit_error(invocation)
        return Outcome("exit", error, 0.0, time.monotonic() - self._started)

    def _exit_error(self, invocation: Invocation) -> bytes:
        code = self._process.wait()
        how = f"signal: {signal.Signals(-code).name[3:].lower()}" if code < 0 else f"exit status {code}"
        message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: {how}"
        return _error("Runtime.ExitError", message)

    def kill(self) -> None:
        """Kill the process and all processes that it started."""
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with self._changed:
            self._has_exited = True
            self._changed.notify_all()
        self._server.close()

    def _watch(self) -> None:
        """Wait until the process ends. Then wake the thread that waits for an answer."""
        self._process.wait()
        with self._changed:
            self._has_exited = True
            self._changed.notify_all()

    # ---- calls of the Runtime API

    def next_invocation(self) -> tuple[Invocation, int] | None:
        """Wait for the next invocation and return it with its deadline (in ms).

        Return None when the process must end.
        """
        with self._changed:
            if not self._is_ready:
                self._is_ready = True
                self._init_duration = time.monotonic() - self._started
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._invocation is not None or self._has_exited)
            invocation, self._invocation = self._invocation, None
            return None if invocation is None else (invocation, self._deadline_ms)

    def answer(self, kind: Kind, payload: bytes) -> None:
        """Store the answer of the handler, and wake the thread that waits for it."""
        with self._changed:
            self._answer = kind, payload
            self._changed.notify_all()

    def fail_init(self, error: bytes) -> None:
        """Store the error that prevented the handler from being loaded."""
        with self._changed:
            self._init_error = error


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class _Output:
    """The output of the process in lines. ``drain`` passes on what was written before an answer."""

    def __init__(self, pipe: IO[bytes], write_lines: Callable[[list[str]], None]) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe
        self._write_lines = write_lines
        self._lock = threading.Lock()
        self._rest = b""
        self._ended = False

    def read_to_end(self) -> None:
        """Read the output until the process closes it, and pass all lines on."""
        while not self._ended:
            select.select([self._pipe], [], [])
            self.drain()
        self._pipe.close()

    def drain(self) -> None:
        """Pass on all output that was written so far."""
        with self._lock:
            while not self._ended:
                try:
                    chunk = os.read(self._pipe.fileno(), 65536)
                except BlockingIOError:
                    return
                self._ended = not chunk
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                if self._ended and self._rest:
                    lines, self._rest = [*lines, self._rest], b""
                # Within one message, such as a traceback, the runtime ends the lines with a carriage return.
                text = [line.decode(errors="replace").replace("\r", "\n") for line in lines]
                if text:
                    self._write_lines(text)


class _RuntimeApi(ThreadingHTTPServer):
    """The Runtime API of one environment."""

    daemon_threads = True

    def __init__(self, environment: ExecutionEnvironment) -> None:
        self.environment = environment
        self._closing = False
        super().__init__(("127.0.0.1", 0), _RuntimeApiRequest)

    def serve(self) -> None:
        """Answer requests until the server is closed. Unlike serve_forever, do not wake twice a second."""
        while not self._closing:
            self.handle_request()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error of a process that ended during a request."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stop answering requests."""
        if not self._closing:
            self._closing = True
            # A connection ends the wait of the loop, which then closes the socket.
            with contextlib.suppress(ConnectionRefusedError):  # it may be closed already
                socket.create_connection(("127.0.0.1", self.server_port)).close()


class _RuntimeApiRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is written in two parts. On a reused connection, Nagle's algorithm would delay the second by 40 ms.
    disable_nagle_algorithm = True
    server: _RuntimeApi

    def do_GET(self) -> None:
        """Answer ``/invocation/next``. Wait until there is an invocation."""
        found = self.server.environment.next_invocation()
        if found is None:
            self._send(410, b"")
            return
        invocation, deadline_ms = found
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{invocation.request_id.replace('-', '')[:24]}",
        }
        if invocation.client_context:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        self._send(200, invocation.payload, headers)

    def do_POST(self) -> None:
        """Answer ``/invocation/ID/response``, ``/invocation/ID/error`` and ``/init/error``."""
        body = self._body()
        if self.path.endswith("/init/error"):
            self.server.environment.fail_init(body)
        else:
            self.server.environment.answer("error" if self.path.endswith("/error") else "response", body)
        self._send(202, b'{"status":"OK"}')

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the process was ended while it waited

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Write nothing: requests of the runtime are not part of the function's log."""
