"""The deployed function itself meets what tests/faults goes through in full: over HTTP, in its own process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from sandbox.core.faults import Fault, FaultType
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from testing.accounts import levels, make_rest_api, make_rest_stage
from testing.stacks import Deployed


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy the stack with a valid log role, and messages that come back after two seconds."""
    deployed = deploy()
    deployed.wait_until_compliant(make_rest_stage(deployed.sandbox))
    deployed.wait_until_quiet()
    deployed.set_queue(VisibilityTimeout="2")
    return deployed


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        (FaultType.THROTTLED, "GetStage"),
        (FaultType.THROTTLED_WITHOUT_CODE, "UpdateStage"),
        (FaultType.INTERNAL_ERROR, "UpdateStage"),
        (FaultType.UNAVAILABLE, "GetStage"),
        (FaultType.CONFLICT, "UpdateStage"),
        (FaultType.ACCESS_DENIED, "UpdateStage"),
        (FaultType.DROPPED, "GetStage"),
        (FaultType.DROPPED_AFTER, "UpdateStage"),
        (FaultType.KILLED, "UpdateStage"),
        (FaultType.KILLED_AFTER, "UpdateStage"),
    ],
)
def test_one_fault_is_not_the_end_of_it(stack: Deployed, kind: FaultType, operation: str) -> None:
    faults, runtime = stack.sandbox.faults, stack.sandbox.service(LambdaRuntime)
    met, invoked = len(faults.met), len(runtime.invoked)
    faults.add(Fault(kind, "apigateway", operation))
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    assert stack.wait_until_quiet() == 0
    assert len(faults.met) == met + 1
    errors = [ended.error for ended in runtime.invoked[invoked:]]
    assert ("Unhandled" in errors) is (kind in (FaultType.KILLED, FaultType.KILLED_AFTER))


def test_call_that_hangs_is_tried_again(stack: Deployed) -> None:
    """After the ten seconds that one try may take; the function is not cut off."""
    stack.sandbox.faults.add(Fault(FaultType.TIMEOUT_AFTER, "apigateway", "UpdateStage"))
    before = len(stack.sandbox.service(LambdaRuntime).invoked)
    stack.set_queue(VisibilityTimeout="60")  # or another environment would take the message meanwhile
    began = time.monotonic()
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_quiet()
    stack.set_queue(VisibilityTimeout="2")
    assert stack.is_compliant(api_id)
    assert time.monotonic() - began > 9
    assert [ended.error for ended in stack.sandbox.service(LambdaRuntime).invoked[before:]] == [None]


def test_stages_made_at_once_with_the_quotas_on(stack: Deployed) -> None:
    """Thirty, at ten calls a second after a burst: no stage is written to twice."""
    sandbox = stack.sandbox
    api_id = make_rest_api(sandbox)
    client = sandbox.client("apigateway")
    deployed = client.create_deployment(restApiId=api_id)["id"]
    began = len(sandbox.calls)
    stack.set_queue(VisibilityTimeout="360")  # or a batch that is paced would come twice
    with sandbox.lock:
        for number in range(30):
            client.create_stage(restApiId=api_id, stageName=f"s{number}", deploymentId=deployed)
        sandbox.quotas.are_on = True
    assert stack.wait_until_quiet() == 0
    stack.set_queue(VisibilityTimeout="2")
    sandbox.quotas.are_on = False
    stages = client.get_stages(restApiId=api_id)["item"]
    assert [levels(stage) for stage in stages] == [{"*/*": "ERROR"}] * 30
    writes = Counter(
        made.call.params["stageName"]
        for made in sandbox.calls[began:]
        if made.call.operation == "UpdateStage" and made.status == 200
    )
    assert set(writes.values()) == {1}
    # It asks for as much as there is: a call may come a moment early, and is made again.
    assert sum(made.status == 429 for made in sandbox.calls[began:] if made.call.service == "apigateway") <= 5
