"""``make logs`` as a process of its own: its colours, its errors, and its end by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox.assembly import Sandbox
from testing.logged_requests import make_logged_requests

ROOT = Path(__file__).resolve().parents[3]


def environment(sandbox: Sandbox, **variables: str) -> dict[str, str]:
    own = {"PATH": os.environ["PATH"], "HOME": os.devnull, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    return own | sandbox.environment() | variables


def run(sandbox: Sandbox, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "logs", *arguments],
        env=environment(sandbox, **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_colours_are_for_terminals(sandbox: Sandbox) -> None:
    make_logged_requests(sandbox)
    plain = run(sandbox, "--api", "shop")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "\x1b" not in plain.stdout
    # In a pipe no line is wrapped.
    assert any(len(line) > 120 for line in plain.stdout.splitlines())
    assert "\x1b[1;31m502" in run(sandbox, "--api", "shop", FORCE_COLOR="1").stdout
    assert "31m" not in run(sandbox, "--api", "shop", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_errors_are_one_line(sandbox: Sandbox) -> None:
    for arguments, variables, said in (
        (("--api", "none"), {}, "logs: there is no API none in us-east-1; there are: none."),
        (("--api", "shop", "--html", "/nowhere/page.html"), {}, "cannot be written"),
        (("--api", "shop"), {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "AWS does not know these credentials"),
    ):
        ended = run(sandbox, *arguments, **variables)
        assert (ended.returncode, ended.stdout) == (1, ""), arguments
        assert said in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_ctrl_c_ends_following_without_an_error(sandbox: Sandbox) -> None:
    make_logged_requests(sandbox)
    with subprocess.Popen(
        [sys.executable, "-m", "logs", "--api", "shop", "--follow"],
        env=environment(sandbox, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert following.stdout.readline().startswith("shop/prod  REST API")
        # From its first read of a log group on, the command follows.
        sandbox.wait_until(lambda: any(each.call.operation == "FilterLogEvents" for each in sandbox.calls))
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 0
        assert following.stderr.read() == ""
