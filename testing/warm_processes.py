"""Run Python programs in new processes that do not repeat the imports which all programs share.

The imports of ``sam`` take a second and those of our tools half a second; the tests start these programs a hundred
times. Each program runs unchanged, with its own arguments, environment, folder, output and exit code.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox import deployment
from testing.packed_build import PACKED

_SERVER = Path(__file__).with_name("warm_server.py")


class _Server:
    """A process that has imported the modules, and forks for each program."""

    def __init__(self, python: str, modules: tuple[str, ...], path: str) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._requests = ours
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [python, str(_SERVER), *modules], stdin=theirs.fileno(), env=environment | {"PYTHONPATH": path}
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._requests.close()
        self._process.wait()

    def start(self, program: Mapping[str, object], stdin: int, stdout: int, stderr: int) -> socket.socket:
        """Start the program. Return the socket with its process id and then its exit code, one line each."""
        text = json.dumps(program).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            header = [len(text).to_bytes(8)]
            socket.send_fds(self._requests, header, [stdin, stdout, stderr, theirs.fileno()])
            self._requests.sendall(text)
        return ours


_server = functools.cache(_Server)


def run_module(
    module: str, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, imports: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module`` with this Python. ``imports`` are modules that it would import, but not itself."""
    server = _server(sys.executable, imports, environment["PYTHONPATH"])
    return _run(server, module, [*arguments], environment, folder, merge=False, timeout=60)


def run_script(
    script: str, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, imports: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Run a script of a virtual environment's ``bin``; its errors are part of its output."""
    server = _server(str(Path(script).with_name("python")), imports, environment.get("PYTHONPATH", ""))
    return _run(server, None, [script, *arguments], environment, folder, merge=True, timeout=280)


#: What ``sam build``, ``deploy`` and ``delete`` import at their start.
_IMPORTED_BY_SAM = (
    "samcli.cli.main",
    "samcli.commands.build.command",
    "samcli.commands.delete.command",
    "samcli.commands.deploy.command",
)


def run_tool(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command for ``sandbox.deployment``: ``sam`` warm, any other in a new process.

    Not ``aws``, which changes the environment when it is imported. ``sam deploy`` in the repository uploads the
    packages that the fixture ``built`` has zipped.
    """
    program, *arguments = command
    if Path(program).name != "sam":
        return deployment.run_cold(command, folder, environment)
    if arguments[0] == "deploy" and folder == deployment.ROOT:
        # sam searches for its configuration beside the template.
        arguments += ["--template-file", PACKED, "--config-file", str(folder / "samconfig.toml")]
    return run_script(program, arguments, environment=environment, folder=folder, imports=_IMPORTED_BY_SAM)


def _run(
    server: _Server,
    module: str | None,
    arguments: list[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    merge: bool,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    program = {"module": module, "arguments": arguments, "environment": dict(environment), "folder": str(folder)}
    with Path(os.devnull).open() as nothing, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        said = output if merge else errors
        with server.start(program, nothing.fileno(), output.fileno(), said.fileno()) as result:
            result.settimeout(timeout)
            with result.makefile() as lines:
                process = int(lines.readline())
                try:
                    code = int(lines.readline())
                except TimeoutError:
                    os.killpg(process, signal.SIGKILL)
                    raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(
            arguments, code, output.read().decode(), None if merge else errors.read().decode()
        )
