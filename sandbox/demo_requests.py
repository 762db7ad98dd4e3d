"""The last step of the demo: a request fails, and ``make logs`` shows why."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from sandbox.assembly import Sandbox
from sandbox.demo_output import Output
from sandbox.services.apigateway.request_logs import client_of_log_role

ROOT = Path(__file__).parent.parent
#: Seconds after which the demo stops waiting for the log role that was repaired last.
PATIENCE = 60


def show_failed_request(output: Output, sandbox: Sandbox, region: str, api_id: str, stage: str) -> bool:
    """Send a request to the stage, whose mock integration names no status, and print what the command shows about it.

    Return whether the command shows the failure.
    """
    output.console.print()
    group = f"API-Gateway-Execution-Logs_{api_id}/{stage}"
    with output.step("A client's request fails; make logs shows why"):
        # A role that was just repaired is not known everywhere yet: until then, lines are lost.
        with suppress(TimeoutError):  # the command then finds nothing
            sandbox.wait_until(lambda: client_of_log_role(sandbox, region, group) is not None, PATIENCE)
        _send(f"{sandbox.endpoint}/_aws/execute-api/{api_id}/{stage}/")
        ran = subprocess.run(  # noqa: S603 -- this interpreter and a module of this repository
            [sys.executable, "-m", "logs", "--api", api_id, "--stage", stage, "--errors"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"} | sandbox.environment(region),
            capture_output=True,
            text=True,
            check=False,
        )
    for line in (ran.stdout or ran.stderr).splitlines():
        output.console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    return "names no status" in ran.stdout


def _send(address: str) -> None:
    """Send the request. Any answer is accepted."""
    try:
        with urlopen(address, timeout=30):  # noqa: S310 -- an address of the sandbox
            pass
    except HTTPError as refused:
        refused.close()
