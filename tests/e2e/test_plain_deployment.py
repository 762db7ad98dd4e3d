"""The README's plain commands, ``sam build && sam deploy --guided``, in a fresh copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.services.cloudformation import templates
from testing.accounts import make_rest_stage
from testing.stacks import Deployed
from tools.version import version

#: Answers that are not the default. Settling would only make the test wait.
ANSWERS = {"SettleSeconds": "0"}


@pytest.fixture(scope="module")
def copy(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the commands need, with the dependencies that a build of the repository has downloaded."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(deployment.ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*deployment.ROOT.glob("*.yaml"), deployment.ROOT / "samconfig.toml"):
        shutil.copy(path, copy)
    shutil.copytree(deployment.ROOT / ".aws-sam" / "deps", copy / ".aws-sam" / "deps")
    graph = (deployment.ROOT / ".aws-sam" / "build.toml").read_text()
    (copy / ".aws-sam" / "build.toml").write_text(graph.replace(str(deployment.ROOT), str(copy)))
    return copy


@pytest.fixture(scope="module")
def run(account: Sandbox, copy: Path) -> Callable[..., str]:
    """Return a function that runs a command line in the copy, with the answers that somebody types."""

    def run(command: str, typed: str = "") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = f"{deployment.TOOLS}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            command,
            shell=True,
            cwd=copy,
            env=environment | account.environment() | {"PATH": path, "SAM_CLI_POLL_DELAY": "0.2"},
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    return run


def test_plain_sam_commands_deploy_a_stack_that_remediates(
    account: Sandbox, copy: Path, run: Callable[..., str]
) -> None:
    parameters = templates.parse_source((copy / "template.yaml").read_text())["Parameters"]
    typed = ["", "", *(ANSWERS.get(name, "") for name in parameters)]  # the stack's name and region come first
    typed += ["", "", "", "", "", ""]  # confirmation, roles, rollback, and where the answers are kept
    printed = run("sam build && sam deploy --guided", "\n".join([*typed, "y", ""]))
    assert "CAPABILITY_NAMED_IAM" in printed
    stack = account.client("cloudformation").describe_stacks(StackName="log-keeper")["Stacks"][0]
    deployed = Deployed(account, {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})
    api_id = make_rest_stage(account)
    deployed.wait_until_compliant(api_id)
    deployed.pass_second_sweep()
    assert deployed.wait_until_quiet() == 0
    assert deployed.outputs["Version"] == version()
    assert any(f"log-keeper/{version()}" in made.call.user_agent.split() for made in account.calls)
