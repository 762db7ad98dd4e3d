"""An HTTP API's access logs reach their log group, also after the group or its policies were deleted or changed."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.inventory import Inventory
from log_keeper.policy.findings import Problem
from log_keeper.policy.plan import Setting
from preview import __main__ as command
from sandbox.assembly import Sandbox
from sandbox.core.call import Call
from sandbox.services.apigatewayv2.log_delivery import reaches
from testing.accounts import log_groups, make_http_stage, make_rest_stage, v2_stage
from testing.builders import ACCOUNT, DEPLOYMENT, POLICY, record
from testing.deliveries import Deliver
from testing.published import Refusal, findings, outcomes, published_changes

WRITE = ["logs:CreateLogStream", "logs:PutLogEvents"]


def arn(group: str) -> str:
    return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"


def own_group(api_id: str) -> str:
    return f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"


def document(effect: str, resource: str = "*", service: str = "delivery.logs.amazonaws.com") -> str:
    statement = {"Effect": effect, "Principal": {"Service": service}, "Action": WRITE, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def updated(api_id: str) -> dict[str, Any]:
    return record("UpdateStage", {"apiId": api_id, "stageName": "%24default"})


def compliant_stage(sandbox: Sandbox, deliver: Deliver) -> str:
    """Create an HTTP API whose stage logs to the group that Log Keeper created. Return the API's id."""
    api_id = make_http_stage(sandbox)
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", own_group(api_id))
    return api_id


def stage_of_owner(sandbox: Sandbox, group: str = "/team/web") -> str:
    """Create an HTTP API whose stage logs to a group that its owner created. Return the API's id."""
    api_id = make_http_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=group)
    access = {"DestinationArn": arn(group), "Format": "$context.requestId mine"}
    sandbox.client("apigatewayv2").update_stage(ApiId=api_id, StageName="$default", AccessLogSettings=access)
    return api_id


def delete_policy_of(sandbox: Sandbox, group: str) -> None:
    logs = sandbox.client("logs")
    [policy] = logs.describe_resource_policies(policyScope="RESOURCE", resourceArn=arn(group))["resourcePolicies"]
    logs.delete_resource_policy(resourceArn=arn(group), expectedRevisionId=policy["revisionId"])


def logs_calls(sandbox: Sandbox, since: int) -> list[str]:
    return [made.call.operation for made in sandbox.calls[since:] if made.call.service == "logs"]


@pytest.fixture(autouse=True)
def _policy_of_the_group(sandbox: Sandbox) -> None:
    """Put the permission into the group's policy, unless a test says otherwise."""
    sandbox.turn(log_delivery_policy="group")


@pytest.fixture(params=list(itertools.product([True, False], ["group", "account"])), ids=str)
def delivering(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    """Set where the permission is and when it is renewed.

    An UpdateStage without changes renews it or not; it is in the group's policy or in the account's.
    """
    runs, place = request.param
    sandbox.turn(unchanged_update_runs_log_delivery_admission=runs, log_delivery_policy=place)
    return sandbox


# ---- deliveries that are restored


def test_delivery_to_a_group_that_was_deleted_works_again(delivering: Sandbox, deliver: Deliver) -> None:
    api_id = compliant_stage(delivering, deliver)
    group, since = own_group(api_id), len(delivering.calls)
    delivering.client("logs").delete_log_group(logGroupName=group)
    assert deliver(record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com")) == []
    assert log_groups(delivering)[group] == 365
    assert reaches(delivering, "us-east-1", group)
    # The account's policy still exists after the group.
    is_lost = delivering.behaviour.log_delivery_policy == "group"
    assert published_changes(delivering, since) == ([Setting.LOG_DELIVERY] if is_lost else [])


@pytest.mark.parametrize("runs", [True, False])
def test_delivery_whose_policy_was_deleted_works_again(sandbox: Sandbox, deliver: Deliver, *, runs: bool) -> None:
    sandbox.turn(unchanged_update_runs_log_delivery_admission=runs)
    api_id, since = compliant_stage(sandbox, deliver), len(sandbox.calls)
    delete_policy_of(sandbox, own_group(api_id))
    settings = v2_stage(sandbox, api_id, "$default")["AccessLogSettings"]
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", own_group(api_id))
    assert published_changes(sandbox, since) == [Setting.LOG_DELIVERY]
    assert v2_stage(sandbox, api_id, "$default")["AccessLogSettings"] == settings


def test_only_the_delivery_to_an_owners_group_is_restored(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = stage_of_owner(sandbox)
    delete_policy_of(sandbox, "/team/web")
    settings = v2_stage(sandbox, api_id, "$default")["AccessLogSettings"]
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", "/team/web")
    assert v2_stage(sandbox, api_id, "$default")["AccessLogSettings"] == settings
    assert log_groups(sandbox)["/team/web"] is None


def test_policy_that_was_replaced_keeps_what_it_says(sandbox: Sandbox, deliver: Deliver) -> None:
    """A group has one policy: the permission of another service must not be lost."""
    api_id = compliant_stage(sandbox, deliver)
    logs, group = sandbox.client("logs"), own_group(api_id)
    theirs = document("Allow", service="events.amazonaws.com")
    logs.put_resource_policy(resourceArn=arn(group), policyDocument=theirs, expectedRevisionId="1")
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", group)
    [policy] = logs.describe_resource_policies(policyScope="RESOURCE", resourceArn=arn(group))["resourcePolicies"]
    assert "events.amazonaws.com" in policy["policyDocument"]


def test_delivery_works_again_after_the_accounts_policy_was_deleted(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.turn(log_delivery_policy="account")
    api_id = compliant_stage(sandbox, deliver)
    sandbox.client("logs").delete_resource_policy(policyName="AWSLogDeliveryWrite20150319")
    assert not reaches(sandbox, "us-east-1", own_group(api_id))
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", own_group(api_id))


def test_policy_that_changes_meanwhile_is_read_again(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = compliant_stage(sandbox, deliver)
    logs, group = sandbox.client("logs"), own_group(api_id)
    delete_policy_of(sandbox, group)
    theirs = document("Allow", service="events.amazonaws.com")

    def change_policy(_: Sandbox, call: Call) -> None:
        if call.operation == "PutResourcePolicy" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(change_policy)
            logs.put_resource_policy(resourceArn=arn(group), policyDocument=theirs)

    sandbox.hooks.append(change_policy)
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", group)
    [policy] = logs.describe_resource_policies(policyScope="RESOURCE", resourceArn=arn(group))["resourcePolicies"]
    assert "events.amazonaws.com" in policy["policyDocument"]


# ---- deliveries that are left


def test_denied_delivery_is_a_finding_and_nothing_is_changed(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id, logs = stage_of_owner(sandbox), sandbox.client("logs")
    deny = document("Deny")
    logs.put_resource_policy(resourceArn=arn("/team/web"), policyDocument=deny, expectedRevisionId="1")
    caplog.clear()
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert findings(sandbox, since) == [(Problem.DELIVERY_DENIED, arn("/team/web"))]
    assert outcomes(caplog) == ["non-compliant"]
    assert "PutResourcePolicy" not in logs_calls(sandbox, since)
    assert "UpdateStage" not in [made.call.operation for made in sandbox.calls[since:]]


def test_refused_policy_is_reported_and_the_message_is_retried(
    sandbox: Sandbox, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id = compliant_stage(sandbox, deliver)
    delete_policy_of(sandbox, own_group(api_id))
    caplog.clear()
    since, refusal = len(sandbox.calls), Refusal(sandbox, "PutResourcePolicy")
    assert deliver(updated(api_id)) == ["0"]
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.CHANGE_FAILED]
    assert outcomes(caplog) == ["non-compliant"]
    refusal.end()
    assert deliver(updated(api_id)) == []
    assert reaches(sandbox, "us-east-1", own_group(api_id))


def test_nothing_is_changed_in_audit_mode(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id = stage_of_owner(sandbox)
    delete_policy_of(sandbox, "/team/web")
    environment.setenv("MODE", "Audit")
    assert deliver(updated(api_id)) == []
    [planned] = [line.changes for line in caplog.records if hasattr(line, "changes")]
    assert [change["setting"] for change in planned] == [Setting.LOG_DELIVERY]
    assert outcomes(caplog) == ["would be remediated"]
    assert not reaches(sandbox, "us-east-1", "/team/web")


def test_preview_shows_it(sandbox: Sandbox, deliver: Deliver, capsys: pytest.CaptureFixture[str]) -> None:
    compliant_stage(sandbox, deliver)
    stage_of_owner(sandbox)
    delete_policy_of(sandbox, "/team/web")
    capsys.readouterr()
    assert command.main(["--json", "--rate", "10"]) == command.NON_COMPLIANT
    document = json.loads(capsys.readouterr().out)
    steps = [step for region in document["regions"] for stage in region["stages"] for step in stage["changes"]]
    assert [step["setting"] for step in steps] == [Setting.LOG_DELIVERY]
    assert not reaches(sandbox, "us-east-1", "/team/web")


# ---- number of calls


def test_compliant_stage_costs_one_more_call(sandbox: Sandbox, deliver: Deliver) -> None:
    sandbox.turn(identifiers_hide_retention=False)
    api_id = compliant_stage(sandbox, deliver)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert logs_calls(sandbox, since) == ["DescribeLogGroups", "DescribeResourcePolicies"]


def test_new_stage_costs_no_call_about_policies(sandbox: Sandbox, deliver: Deliver) -> None:
    """API Gateway itself adds the permission when access logs are switched on."""
    api_id, since = make_http_stage(sandbox), len(sandbox.calls)
    deliver(updated(api_id))
    assert "DescribeResourcePolicies" not in logs_calls(sandbox, since)


# ---- all stages of a region


@pytest.fixture(params=["all", "none", "refused"])
def listing(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    """Set whether CloudWatch Logs lists the policies of all groups."""
    sandbox.turn(resource_policies_without_arn=request.param)
    return sandbox


def are_compliant(sandbox: Sandbox) -> dict[str, bool]:
    """Return for each API whether the evaluation of the region finds its stage compliant."""
    clock = sandbox.clock
    clients = Clients(lambda: Pace(4, clock=clock.monotonic, sleep=clock.sleep))  # type: ignore[attr-defined]
    inventory = Inventory(clients, DEPLOYMENT.account, "us-east-1", POLICY)
    found = {}
    for api, evaluations in inventory.evaluate_all(inventory.list_apis(), lambda: datetime.now(UTC)):
        assert not isinstance(evaluations, Exception)
        [evaluation] = evaluations
        found[api.api_id] = evaluation.is_compliant
    return found


def test_sweep_finds_deliveries_that_cannot_work(listing: Sandbox, deliver: Deliver) -> None:
    apis = [compliant_stage(listing, deliver) for _ in range(6)]
    delete_policy_of(listing, own_group(apis[2]))
    since = len(listing.calls)
    assert are_compliant(listing) == {api_id: api_id != apis[2] for api_id in apis}
    calls = logs_calls(listing, since).count("DescribeResourcePolicies")
    # The account's policies, the list of policies, and one group that is not in it.
    assert calls == 1 + 1 + (1 if listing.behaviour.resource_policies_without_arn == "all" else 6)


def test_region_without_http_apis_costs_no_call(sandbox: Sandbox, deliver: Deliver) -> None:
    make_rest_stage(sandbox)
    since = len(sandbox.calls)
    are_compliant(sandbox)
    assert "DescribeResourcePolicies" not in logs_calls(sandbox, since)
