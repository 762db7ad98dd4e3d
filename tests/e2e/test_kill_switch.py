"""The commands of docs/organization.md that stop all changes, and those that allow them again."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from testing.accounts import get_stage, levels, make_rest_stage
from testing.stacks import Deployed, pass_time_until_idle

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    """Return the blocks of commands in the section, without the prompts."""
    text = (ROOT / "docs" / "organization.md").read_text()
    section = text.split("\n## Stop it now\n", 1)[1].split("\n## ", 1)[0]
    return [
        re.sub(r"^\$ ", "", block, flags=re.MULTILINE)
        for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    ]


def run(account: Sandbox, script: str) -> None:
    path = f"{ROOT / '.venv-tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **account.environment(), "PATH": path}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox) -> Deployed:
    return Deployed(account, deployment.deploy(account, {"SettleSeconds": "0", "SweepRate": "10"}))


def test_nothing_is_changed_until_it_is_allowed_again(account: Sandbox, stack: Deployed) -> None:
    stop, allow = commands()
    run(account, stop)
    before = stack.invocations()
    api_id = make_rest_stage(account)
    url = stack.outputs["StageQueueUrl"]

    def waiting() -> bool:
        name = "ApproximateNumberOfMessages"
        answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name]) > 0

    account.wait_until(waiting)
    assert stack.invocations() == before
    assert levels(get_stage(account, api_id)) == {}

    ids = stop.partition("aws lambda put-function-concurrency")[0]
    run(account, ids + allow)
    stack.wait_until_compliant(api_id, timeout=60)
    pass_time_until_idle(account)
    assert stack.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}
