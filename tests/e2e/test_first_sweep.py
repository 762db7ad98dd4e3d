"""The first sweep: what there was before the deployment is remediated, whichever of its two triggers is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.call import Call
from sandbox.core.clock import MovableClock
from testing.accounts import get_stage, make_rest_stage, make_role, set_log_role
from testing.stacks import Deployed


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        set_log_role(sandbox, make_role(sandbox))
        yield sandbox


@pytest.fixture(scope="module")
def api_id(account: Sandbox) -> str:
    """A stage that nobody changes again."""
    return make_rest_stage(account)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, api_id: str) -> Deployed:
    """Deployed, without any event that it was."""

    def lose_the_event(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "CreateSchedule":
            events = sandbox.client("events")
            [rule] = [each["Name"] for each in events.list_rules()["Rules"] if "-StackDeployedRule-" in each["Name"]]
            events.disable_rule(Name=rule)

    account.hooks.append(lose_the_event)
    deployed = Deployed(account, deployment.deploy(account, {"SettleSeconds": "0", "SweepRate": "10"}))
    account.hooks.remove(lose_the_event)
    return deployed


def sweeps(stack: Deployed) -> int:
    """Sweeps so far that found stages."""
    pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
    found = [page["events"] for page in pages.paginate(logGroupName=stack.outputs["SweepLogGroup"])]
    return sum('"message":"Swept"' in event["message"] for events in found for event in events)


def test_schedule_begins_the_first_sweep_where_the_event_is_lost(stack: Deployed, api_id: str) -> None:
    assert sweeps(stack) == 0
    assert "accessLogSettings" not in get_stage(stack.sandbox, api_id)
    stack.pass_second_sweep()
    stack.wait_until_compliant(api_id)
    assert stack.wait_until_quiet() == 0
    stack.sandbox.wait_until(lambda: sweeps(stack) == 1)


def test_second_sweep_changes_nothing(stack: Deployed) -> None:
    """As where neither trigger is lost."""
    calls = len(stack.sandbox.calls)
    stack.sandbox.client("sqs").send_message(
        QueueUrl=stack.outputs["SweepQueueUrl"], MessageBody='{"detail": {"reason": "first sweep"}}'
    )
    stack.sandbox.wait_until(lambda: sweeps(stack) == 2)
    assert stack.wait_until_quiet() == 0
    ours = [made.call for made in stack.sandbox.calls[calls:] if "log-keeper" in made.call.user_agent]
    # Reads, and the region's message on its queue.
    assert {call.operation for call in ours if not call.operation.startswith(("Get", "Describe", "List"))} <= {
        "SendMessageBatch",
        "SimulatePrincipalPolicy",
    }
