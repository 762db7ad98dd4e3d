"""Messages that failed are processed after the cause is fixed, by the command that the README names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.lambda_.event_sources import EventSources
from testing.accounts import make_http_stage, make_rest_stage, make_role, set_log_role, v2_stage
from testing.operators import Operator
from testing.stacks import Deployed
from tools import redrive

#: What is refused to whom.
DENY = {"apigateway:GET": "EnforceRole", "sqs:SendMessage": "SweepRole"}
#: A call a try, five tries: as many as the pace lets through in a few seconds.
STAGES = 6


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def account(clock: MovableClock) -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        set_log_role(sandbox, make_role(sandbox))  # to make one takes ten seconds
        yield sandbox


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    stack = deploy(SweepRate="10")
    stack.sandbox.wait_until(stack.sandbox.service(EventSources).is_idle)
    return stack


def set_visibility(stack: Deployed, **seconds: str) -> None:
    """The visibility timeouts of queues, by name."""
    sqs = stack.sandbox.client("sqs")
    for name, timeout in seconds.items():
        sqs.set_queue_attributes(QueueUrl=stack.outputs[f"{name}Url"], Attributes={"VisibilityTimeout": timeout})


def count(stack: Deployed, name: str) -> int:
    """Messages that can be received from the queue."""
    attribute = "ApproximateNumberOfMessages"
    answer = stack.sandbox.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs[f"{name}Url"], AttributeNames=[attribute]
    )
    return int(answer["Attributes"][attribute])


def roles(stack: Deployed) -> dict[str, str]:
    names = [role["RoleName"] for role in stack.sandbox.client("iam").list_roles()["Roles"]]
    return {part: name for part in DENY.values() for name in names if part in name}


def run(stack: Deployed, *arguments: str) -> tuple[int, str]:
    """The exit code of the real command, and what it printed."""
    return Operator(stack.sandbox).run("tools.redrive", *arguments)


def test_failed_messages_are_processed_after_the_cause_is_fixed(stack: Deployed, clock: MovableClock) -> None:
    """A burst of changes, refused; an event that EventBridge could not even put on the queue; and a sweep."""
    iam, sqs, names = stack.sandbox.client("iam"), stack.sandbox.client("sqs"), roles(stack)
    for action, role in DENY.items():
        deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        iam.put_role_policy(RoleName=names[role], PolicyName="Deny", PolicyDocument=json.dumps(deny))
    # Tries follow each other quickly; how many there are stays as deployed.
    set_visibility(stack, StageQueue="1", SweepQueue="1")
    apis = [make_rest_stage(stack.sandbox) for _ in range(STAGES)]
    web = make_http_stage(stack.sandbox)
    sqs.send_message(
        QueueUrl=stack.outputs["SweepQueueUrl"], MessageBody='{"detail-type": "Scheduled Event", "detail": {}}'
    )
    url = stack.outputs["StageQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    unheard = make_rest_stage(stack.sandbox)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    letters = STAGES + 3  # two records name the HTTP API's stage: its own and its API's

    def are_in_dead_letter_queues() -> bool:
        clock.advance(timedelta(seconds=1))
        return (count(stack, "StageDeadLetterQueue"), count(stack, "SweepDeadLetterQueue")) == (letters, 1)

    stack.sandbox.wait_until(are_in_dead_letter_queues)

    code, shown = run(stack, "--list")
    assert code == redrive.NOT_EMPTY
    assert f"StageDeadLetterQueue: {letters} messages, the oldest of 20" in shown
    for api_id in (*apis, unheard):
        assert f"us-east-1: REST API {api_id}, stage prod" in shown
    [message_id] = re.findall(rf"([0-9a-f-]{{36}})  CreateDeployment, .* {apis[0]}", shown)
    assert any(f'"messageId":"{message_id}"' in line and "AccessDenied" in line for line in stack.log())
    assert "EventBridge could not deliver it" in shown
    assert "SweepDeadLetterQueue: 1 message, " in shown
    assert "Scheduled Event" in shown
    assert "\x1b" not in shown
    assert (count(stack, "StageDeadLetterQueue"), count(stack, "SweepDeadLetterQueue")) == (letters, 1)

    for role in DENY.values():
        iam.delete_role_policy(RoleName=names[role], PolicyName="Deny")
    set_visibility(stack, StageQueue="360", SweepQueue="5400")
    code, shown = run(stack)
    assert f"StageDeadLetterQueue: {letters} messages moved to StageQueue." in shown
    assert "SweepDeadLetterQueue: 1 message moved to SweepQueue." in shown
    assert "A message that fails again returns after about 30 minutes" in shown
    assert "A message that fails again returns after about 4.5 hours" in shown
    assert code == redrive.DONE

    def is_done() -> bool:
        clock.advance(timedelta(seconds=1))
        return stack.sandbox.service(EventSources).is_idle()

    stack.sandbox.wait_until(is_done)
    assert all(stack.is_compliant(api_id) for api_id in (*apis, unheard))
    assert "AccessLogSettings" in v2_stage(stack.sandbox, web, "$default")
    assert (count(stack, "StageDeadLetterQueue"), count(stack, "SweepDeadLetterQueue")) == (0, 0)


@pytest.fixture
def environment(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The command in this process speaks with the sandbox."""
    for name, value in stack.sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_queues_are_empty(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert redrive.main(arguments) == redrive.DONE
    assert capsys.readouterr().out.splitlines() == ["StageDeadLetterQueue is empty.", "SweepDeadLetterQueue is empty."]


def test_message_that_another_program_has_received_cannot_be_moved(
    stack: Deployed, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs, url = stack.sandbox.client("sqs"), stack.outputs["StageDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no JSON")
    assert redrive.main(["--list"]) == redrive.NOT_EMPTY
    assert "delete it instead of moving it" in capsys.readouterr().out
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert redrive.main([]) == redrive.DONE
    assert "1 message cannot be moved now" in capsys.readouterr().out
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--stack-name", "none"], "there is no stack none in us-east-1 of this account"),
        (["--region", "eu-west-1"], "there is no stack log-keeper in eu-west-1"),
        (["--profile", "none"], "The config profile (none) could not be found"),
    ],
)
def test_wrong_place_is_reported(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert redrive.main(arguments) == redrive.ERROR
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("denied", "arguments"),
    [("sqs:SendMessage", []), ("sqs:ReceiveMessage", ["--list"]), ("cloudformation:DescribeStacks", [])],
)
def test_missing_permission_is_named(
    stack: Deployed,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    denied: str,
    arguments: list[str],
) -> None:
    iam, name = stack.sandbox.client("iam"), f"Repairer-{denied.replace(':', '-')}"
    role = make_role(stack.sandbox, name, policy=None)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="Repair", PolicyDocument=document)
    credentials = stack.sandbox.caller_of_role(role, "session")
    for variable, key in {
        "AWS_ACCESS_KEY_ID": "AccessKeyId",
        "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
        "AWS_SESSION_TOKEN": "SessionToken",
    }.items():
        environment.setenv(variable, credentials[key])
    sqs, url = stack.sandbox.client("sqs"), stack.outputs["StageDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no JSON")
    assert redrive.main(arguments) == redrive.ERROR
    complaint = capsys.readouterr().err
    assert "access is denied to these credentials; --help lists the permissions" in complaint
    assert f"is not authorized to perform: {denied}" in complaint
    assert stack.dead_letters() == ["no JSON"]


def test_make_runs_it() -> None:
    ran = subprocess.run(
        ["make", "--dry-run", "redrive", "ARGS=--list"],
        cwd=deployment.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "PYTHONPATH=src .venv/bin/python -m tools.redrive --list" in ran.stdout
