"""``make stop`` and ``make resume``, and the commands of docs/operations.md that do the same without the repository."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from testing.accounts import get_stage, levels, make_rest_stage
from testing.operators import Operator
from testing.stacks import Deployed, pass_time_until_idle
from tools import stop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox) -> Deployed:
    return Deployed(account, deployment.deploy(account, {"SettleSeconds": "0", "SweepRate": "10"}))


@pytest.fixture(scope="module")
def operator(account: Sandbox, stack: Deployed) -> Operator:
    function, queue = stack.outputs["EnforceFunction"], stack.outputs["StageQueueUrl"].split("/")[-1]
    mapping = stop.Switch(account.client("lambda"), function, queue).mapping
    section = (stop.parser().epilog or "").split("permissions:")[1].split("While changes")[0]
    everywhere, rest = section.split("on the Enforce function")
    of_function, of_mapping = rest.split("on its event source mapping")
    arn = f"arn:aws:lambda:us-east-1:{account.account_id}"
    places = {
        everywhere: "*",
        of_function: f"{arn}:function:{function}",
        of_mapping: f"{arn}:event-source-mapping:{mapping}",
    }
    statements = [
        {"Effect": "Allow", "Action": re.findall(r"\w+:\w+", text), "Resource": resource}
        for text, resource in places.items()
    ]
    return Operator.with_permissions(account, "operator", statements)


def test_nothing_is_changed_until_it_is_allowed_again(account: Sandbox, stack: Deployed, operator: Operator) -> None:
    pass_time_until_idle(account)
    code, printed = operator.run("tools.stop")
    assert code == 0, printed
    assert "Changes by log-keeper are stopped" in printed
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
    code, printed = operator.run("tools.stop", "--status")
    assert code == stop.STOPPED
    assert "Changes by log-keeper are stopped; polling is disabled" in printed

    code, printed = operator.run("tools.stop", "--resume")
    assert code == 0, printed
    assert re.search(r"made again; \d+ messages? (is|are) in StageQueue", printed)
    stack.wait_until_compliant(api_id, timeout=60)
    pass_time_until_idle(account)
    assert stack.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}


def commands() -> tuple[str, str]:
    """Return the commands of the page that stop, and those that resume, without the prompts."""
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.split("\n## Stop it now\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    [stopping, resuming] = [re.sub(r"^\$ ", "", each, flags=re.MULTILINE) for each in blocks if "aws " in each]
    return stopping, stopping.partition("aws lambda put-function-concurrency")[0] + resuming


def run_script(account: Sandbox, script: str) -> None:
    path = f"{ROOT / '.venv-tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **account.environment(), "PATH": path}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, check=True, capture_output=True)


def test_commands_of_the_page_do_the_same(account: Sandbox, operator: Operator) -> None:
    stopping, resuming = commands()
    run_script(account, stopping)
    assert operator.run("tools.stop", "--status")[0] == stop.STOPPED
    run_script(account, resuming)
    assert operator.run("tools.stop", "--status")[0] == stop.DONE


def test_status_after_half_a_resume_says_that_nothing_is_changed(account: Sandbox, operator: Operator) -> None:
    stopping, resuming = commands()
    run_script(account, stopping)
    run_script(account, resuming.partition("aws lambda update-event-source-mapping")[0])
    code, printed = operator.run("tools.stop", "--status")
    assert code == stop.STOPPED, printed
    assert "stopped; polling is disabl" in printed
    assert operator.run("tools.stop", "--resume")[0] == stop.DONE
    assert operator.run("tools.stop", "--status")[0] == stop.DONE
