"""With parameter LogRoleArn the owner makes the role, and the function may make or change none."""

from __future__ import annotations

from collections.abc import Callable

import botocore.session
import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from testing import trials
from testing.accounts import log_role, make_rest_stage, make_role, patch
from testing.permissions import Permission, granted
from testing.stacks import Deployed

OWNERS = f"arn:aws:iam::{Sandbox.account_id}:role/OwnersLogRole"
#: A region that is not managed.
ELSEWHERE = "eu-west-1"

#: How the account begins.
HAS_LOG_ROLE = False


@pytest.fixture(scope="module")
def stack(account: Sandbox, deploy: Callable[..., Deployed]) -> Deployed:
    return deploy(LogRoleArn=make_role(account, "OwnersLogRole"))


def test_owners_role_is_set(stack: Deployed) -> None:
    stack.wait_until_compliant(make_rest_stage(stack.sandbox))
    assert log_role(stack.sandbox) == OWNERS


@pytest.fixture(scope="module")
def scene(stack: Deployed) -> trials.Scene:
    made = trials.scene(stack.sandbox)
    stack.wait_until_compliant(made.rest)
    stack.wait_until_quiet()
    return made


@pytest.mark.parametrize("permission", sorted(set(granted({})) - set(granted({"LogRoleArn": OWNERS}))), ids=str)
def test_call_that_makes_or_changes_the_log_role_is_refused(
    stack: Deployed, scene: trials.Scene, permission: Permission
) -> None:
    trials.assert_refused(stack.sandbox, permission, scene)


def test_no_write_to_iam_is_allowed(stack: Deployed, scene: trials.Scene) -> None:
    """None of all that there are, on any role that there is; PassRole, which is no call, has tests of its own."""
    reads = ("Get", "List", "Simulate", "Generate")
    names = botocore.session.get_session().get_service_model("iam").operation_names
    actions = [f"iam:{name}" for name in names if not name.startswith(reads)]
    assert {"iam:CreateRole", "iam:PutRolePolicy", "iam:CreatePolicyVersion"} < set(actions)
    iam, enforcer = stack.sandbox.client("iam"), trials.role_arn(stack.sandbox, "EnforceRole")
    simulated = iam.simulate_principal_policy(
        PolicySourceArn=enforcer,
        ActionNames=actions,
        ResourceArns=["*", *(role["Arn"] for role in iam.list_roles()["Roles"])],
    )
    assert {result["EvalDecision"] for result in simulated["EvaluationResults"]} == {"implicitDeny"}


@pytest.mark.parametrize("name", ["Another", trials.MADE, "the function's own"])
def test_no_other_role_is_passed_to_api_gateway(stack: Deployed, scene: trials.Scene, name: str) -> None:
    sandbox, client = stack.sandbox, trials.client_of(stack.sandbox, "EnforceRole")
    other = make_role(sandbox, name) if name == "Another" else f"arn:aws:iam::{sandbox.account_id}:role/{name}"
    if name == "the function's own":
        other = trials.role_arn(sandbox, "EnforceRole")
    with pytest.raises(ClientError, match=f"not authorized to perform: iam:PassRole on resource: {other}"):
        patch(client("apigateway").update_account, ("replace", "/cloudwatchRoleArn", other))
    assert log_role(sandbox) == OWNERS


def test_owners_role_is_passed_to_nobody_else(stack: Deployed) -> None:
    client = trials.client_of(stack.sandbox, "EnforceRole")
    with pytest.raises(ClientError, match=f"not authorized to perform: iam:PassRole on resource: {OWNERS}"):
        trials.schedule(client, "create_schedule", OWNERS)
    [schedule] = stack.sandbox.client("scheduler").list_schedules()["Schedules"]
    assert "-FirstSweepSchedule-" in schedule["Name"]


@pytest.fixture(scope="module")
def elsewhere(stack: Deployed) -> trials.Scene:
    return trials.scene(stack.sandbox, ELSEWHERE)


@pytest.mark.parametrize(
    "permission",
    [
        permission
        for permission, statement in sorted(granted({"LogRoleArn": OWNERS}).items())
        if "aws:RequestedRegion" in statement.get("Condition", {}).get("StringEquals", {})
    ],
    ids=str,
)
def test_call_to_a_region_that_is_not_managed_is_refused(
    stack: Deployed, elsewhere: trials.Scene, permission: Permission
) -> None:
    trials.assert_refused(stack.sandbox, permission, elsewhere)


def test_it_is_the_region_that_is_refused(stack: Deployed, scene: trials.Scene) -> None:
    """The same call at home is not."""
    trials.CALLS["ChangeStages", "apigateway:PATCH", 0](trials.client_of(stack.sandbox, "EnforceRole"), scene)
