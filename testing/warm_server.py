"""Import modules once, then fork for each program that ``warm_processes`` asks for. Standard library only.

Run as ``warm_server.py MODULE ...`` with a socket as standard input. Each request on it is the length of a JSON text in
eight bytes, with four descriptors, and then the text: a program to run. The descriptors are its standard input, output
and error, and a socket that gets its process id and then its exit code. The server ends when its socket is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any


def _next_program(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    header, descriptors, *_ = socket.recv_fds(requests, 8, 4)
    if not header:
        return None
    length, text = int.from_bytes(header), b""
    while len(text) < length:
        text += requests.recv(length - len(text))
    return json.loads(text), descriptors


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each program. Return the program in the fork that is to run it, and None in the server at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the server does not wait for its child processes
    while request := _next_program(requests):
        program, descriptors = request
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_and_report(descriptors)
            return program
        for descriptor in descriptors:
            os.close(descriptor)
    return None


def _fork_and_report(descriptors: list[int]) -> None:
    """Fork, and return in the new process with these descriptors. This process reports the exit code of the new one."""
    *standard, result = descriptors
    child = os.fork()
    if child == 0:
        os.close(result)
        os.setsid()  # without a terminal, even if the tests have one
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
    for descriptor in standard:
        os.close(descriptor)
    if child != 0:
        with socket.socket(fileno=result) as answer:
            answer.sendall(f"{child}\n".encode())
            _, status = os.waitpid(child, 0)
            answer.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)


def _become(program: dict[str, Any]) -> None:
    """Run the program as if Python had been started for it."""
    os.environ.clear()
    os.environ.update(program["environment"])
    os.chdir(program["folder"])
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        new = open(stream.fileno(), mode, encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    sys.argv[:] = program["arguments"]
    if program["module"] is None:
        sys.path.insert(0, os.path.dirname(sys.argv[0]))  # noqa: PTH120
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.path.insert(0, program["folder"])
        sys.argv.insert(0, "-m")
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as _requests:
        del sys.path[0]  # this folder, which does not belong to the program
        for _module in sys.argv[1:]:
            importlib.import_module(_module)
        _program = _serve(_requests)
    if _program is not None:
        _become(_program)
