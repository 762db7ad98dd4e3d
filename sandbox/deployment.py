"""Build and deploy Log Keeper in the sandbox with the real ``sam``, as the owner of an account does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.assembly import Sandbox

type RunProcess = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".venv-tools" / "bin"


class ToolFailedError(Exception):
    """A command line tool ended with an error. The message contains its output."""


def run_cold(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a new process."""
    return subprocess.run(  # noqa: S603 -- the command is ours
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


#: Runs a command in a folder, without input, and returns output and errors. The tests replace it with a quicker
#: function.
run_process: RunProcess = run_cold


def run(sandbox: Sandbox, *command: str, region: str = "us-east-1", folder: Path = ROOT) -> str:
    """Run the command as the account's administrator and return its output. Raise ToolFailedError if it fails."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    # The command must not read the user's own AWS configuration, and must not wait for input.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ended = run_process(
        [shutil.which(command[0], path=path) or command[0], *command[1:]],
        folder,
        environment
        | sandbox.environment(region)
        | {"PATH": path, "AWS_PAGER": "", "NO_COLOR": "1"}
        # sam reads a stack's progress every five seconds; this account is quicker.
        | {"SAM_CLI_POLL_DELAY": "0.2"},
    )
    if ended.returncode:
        raise ToolFailedError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}")
    return ended.stdout


def build(sandbox: Sandbox) -> None:
    """Build the packages of the functions in ``.aws-sam/build`` from the current source, as ``make build`` does."""
    run(sandbox, "sam", "build")
    run(sandbox, sys.executable, "-m", "tools.package")


def deploy(
    sandbox: Sandbox,
    parameters: Mapping[str, str] | None = None,
    *,
    stack_name: str = "log-keeper",
    region: str = "us-east-1",
    tags: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> dict[str, str]:
    """Deploy the application that is built in ``folder``, with these parameters of the template. Return the outputs.

    ``tags``: tags of the stack, which all its resources get.
    """
    # Within quotes, sam takes \" for a quote.
    overrides = [f'{name}="{value.replace('"', '\\"')}"' for name, value in (parameters or {}).items()]
    run(
        sandbox,
        *("sam", "deploy", "--stack-name", stack_name, "--region", region),
        *("--no-confirm-changeset", "--no-progressbar"),
        *(["--parameter-overrides", *overrides] if overrides else []),
        *(["--tags", *(f"{key}={value}" for key, value in tags.items())] if tags else []),
        region=region,
        folder=folder,
    )
    stack = sandbox.client("cloudformation", region).describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def wait_until_quiet(sandbox: Sandbox, stack: Mapping[str, str], timeout: float = 60, region: str = "us-east-1") -> int:
    """Wait until StageQueue is empty. Return the number of messages in the dead-letter queue.

    ``timeout``: in seconds.
    """
    sqs = sandbox.client("sqs", region)

    def count(queue_url: str, *states: str) -> int:
        names = [f"ApproximateNumberOfMessages{state}" for state in states]
        attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    sandbox.wait_until(lambda: not count(stack["StageQueueUrl"], "", "NotVisible", "Delayed"), timeout)
    return count(stack["StageDeadLetterQueueUrl"], "")
