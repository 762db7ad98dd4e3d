"""The preview as a process of its own: its terminal output, its errors and its streams."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from preview import __main__ as command
from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage, make_websocket_stage
from testing.organizations import add_role, new_member, new_organization

ROOT = Path(__file__).resolve().parents[2]


def run(sandbox: Sandbox, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the preview in a new process, without the user's own settings."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    return subprocess.run(
        [sys.executable, "-m", "preview", "--rate", "10", *arguments],
        env=environment | sandbox.environment() | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_tables_fit_eighty_columns_without_colours(sandbox: Sandbox) -> None:
    make_rest_stage(sandbox)
    make_websocket_stage(sandbox)
    done = run(sandbox)
    assert (done.returncode, done.stderr) == (command.NON_COMPLIANT, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "2 of 2 stages would be remediated" in done.stdout
    assert "non-compliant" in done.stdout
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout
    # A forced terminal gets bold and dim text, and colours unless NO_COLOR is set.
    colour = re.compile(r"\x1b\[(\d+;)*3\d")
    assert colour.search(run(sandbox, FORCE_COLOR="1").stdout)
    assert not colour.search(run(sandbox, FORCE_COLOR="1", NO_COLOR="1").stdout)


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (("--profile", "nobody"), {}, "The config profile (nobody) could not be found"),
        ((), {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "name one with --region"),
        ((), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
        ((), {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWNTOANYBODY"}, "log in again"),
        ((), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "connection"),
        (("--region", "nowhere"), {}, "Name a region such as"),
    ],
)
def test_errors_are_one_sentence(
    sandbox: Sandbox, arguments: tuple[str, ...], variables: dict[str, str], says: str
) -> None:
    done = run(sandbox, *arguments, **variables)
    assert (done.returncode, done.stdout) == (command.ERROR, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_closed_output_is_no_error(sandbox: Sandbox) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "preview", "--html", "-"],
        env=environment | sandbox.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("arguments", "code"), [("", 0), ("--nonsense", 2), ("--profile nobody", 2)])
def test_make_fails_only_where_the_preview_does(sandbox: Sandbox, tmp_path: Path, arguments: str, code: int) -> None:
    """The target runs without its set-up. Stages that would be remediated are no error of make."""
    make_rest_stage(sandbox)
    rules = (ROOT / "Makefile").read_text().split("\npreview: setup", 1)[1].split("\n\n", 1)[0]
    (tmp_path / "Makefile").write_text(f"PYTHON := {sys.executable}\n.PHONY: preview\npreview:{rules}\n")
    done = subprocess.run(
        ["make", "--directory", ROOT, "--file", tmp_path / "Makefile", "preview", f"ARGS=--rate 10 {arguments}"],
        env={"PATH": os.environ["PATH"], "HOME": os.devnull} | sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code
    assert ("Error" in done.stderr) == (code != 0)


def test_interrupt_ends_the_preview_of_an_organization_at_once(sandbox: Sandbox) -> None:
    """Also while accounts are read, each of which would take minutes."""
    organization = new_organization(sandbox)
    member = new_member(sandbox, organization, "111111111111", organization.root_id)
    member.iam_propagation_seconds = 0
    add_role(member, "Reader", "*")
    for _ in range(20):
        make_rest_stage(member)
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "preview", "--rate", "1", "--organization", "Reader", "--json"],
        env=environment | sandbox.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        sandbox.wait_until(lambda: any(record.call.operation == "GetStages" for record in member.calls))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (command.ERROR, "")
    assert errors == "preview: stopped; nothing was changed.\n"
