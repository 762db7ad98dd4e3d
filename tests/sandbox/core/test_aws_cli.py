"""The real AWS CLI, and a sandbox in its own process."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import __main__ as command_line
from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client
from testing.rest_apis import stage

ROOT = Path(__file__).resolve().parents[3]
AWS = ROOT / ".venv-tools" / "bin" / "aws"


def aws(sandbox: Sandbox, *arguments: str) -> Any:
    """Run the AWS CLI without the user's own settings. Return its parsed output."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, **sandbox.environment()}
    done = subprocess.run([AWS, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.lstrip().startswith("{") else done.stdout


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI is not set up (make setup)")
def test_cli_imports_deploys_and_uploads(sandbox: Sandbox, tmp_path: Path) -> None:
    document = tmp_path / "api.yaml"
    document.write_text(
        "openapi: 3.0.1\ninfo: {title: pets}\npaths:\n  /pets:\n    get:\n"
        "      x-amazon-apigateway-integration: {type: mock}\n"
    )
    api_id = aws(sandbox, "apigateway", "import-rest-api", "--body", f"fileb://{document}")["id"]
    deployed = aws(sandbox, "apigateway", "create-deployment", "--rest-api-id", api_id, "--stage-name", "prod")
    assert stage(sandbox, api_id)["deploymentId"] == deployed["id"]
    aws(sandbox, "s3", "mb", "s3://artifacts")
    aws(sandbox, "s3", "cp", str(document), "s3://artifacts/a folder/api.yaml")
    body = client(sandbox, "s3").get_object(Bucket="artifacts", Key="a folder/api.yaml")["Body"].read()
    assert body == document.read_bytes()


def test_own_process_starts_and_ends_cleanly() -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sandbox", "--port", "0", "--region", "eu-west-1"),
            *("--switch", "refuses_missing_log_groups=true"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        exports: dict[str, str] = {}
        for line in process.stdout:
            if line.startswith("export "):
                name, value = line.removeprefix("export ").strip().split("=", 1)
                exports[name] = value
            if line.startswith("For your own applications"):  # the last line of the output
                break
        sts = boto3.client(
            "sts",
            region_name=exports["AWS_REGION"],
            endpoint_url=exports["AWS_ENDPOINT_URL"],
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        )
        assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/administrator"
        logs = boto3.client(
            "logs",
            region_name=exports["AWS_REGION"],
            endpoint_url=exports["AWS_ENDPOINT_URL"],
            aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        )
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            logs.describe_log_groups(logGroupIdentifiers=["missing"])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        assert errors == ""
    finally:
        process.kill()
        process.communicate()


def test_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"The sandbox cannot listen on port {port}: another program uses it. Choose another one")


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI is not set up (make setup)")
def test_example_about_sqs_works_with_the_aws_of_the_tools(sandbox: Sandbox) -> None:
    """Version 1 of the CLI has addresses of its own for SQS in some regions, and disregards AWS_ENDPOINT_URL there."""
    [example] = [line for line in command_line.welcome(sandbox, "us-east-1").splitlines() if "aws sqs" in line]
    program, *arguments = shlex.split(example.replace("$AWS_ENDPOINT_URL", sandbox.endpoint), comments=True)
    client(sandbox, "sqs").create_queue(QueueName="orders")
    [url] = aws(sandbox, *arguments)["QueueUrls"]
    assert (program, url) == ("aws", f"{sandbox.endpoint}/123456789012/orders")


@pytest.mark.parametrize(
    ("switch", "complaint"),
    [
        ("log_delivery_policy=nowhere", "the positions of log_delivery_policy are group, account"),
        ("no_switch=1", "no_switch is not a switch"),
    ],
)
def test_position_that_does_not_exist_is_refused(
    switch: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--switch", switch])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's table of sockets")
def test_sandbox_listens_on_this_machine_only(sandbox: Sandbox) -> None:
    port = sandbox.endpoint.rsplit(":", 1)[1]
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [address for address in listening if address.endswith(f":{int(port):04X}")] == [f"0100007F:{int(port):04X}"]


def test_account_starts_empty(sandbox: Sandbox) -> None:
    make_rest_stage(sandbox)
    sandbox.stop()
    with Sandbox() as other:
        assert client(other, "apigateway").get_rest_apis()["items"] == []
        assert client(other, "iam").list_roles()["Roles"] == []


def test_only_one_sandbox_runs_at_a_time(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        Sandbox().start()
