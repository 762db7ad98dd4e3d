"""An organization whose root has the policies of the folder organization, from the deployment until the removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.services.organizations.organization import Organization
from testing.accounts import get_stage, levels, make_rest_stage
from testing.organizations import ORGANIZATION, caller_with, new_member, new_organization
from testing.service_control_policies import OPTIONAL, PROTECTION, text
from testing.stacks import Deployed

MEMBER = "222222222222"
FURTHER = "eu-west-1"


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    """Return the hub."""
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def organization(account: Sandbox) -> Organization:
    organization = new_organization(account)
    for name in (PROTECTION, OPTIONAL):
        organization.attach_policy(text(name, hub=account.account_id), organization.root_id)
    return organization


@pytest.fixture(scope="module")
def member(account: Sandbox, organization: Organization) -> Account:
    return new_member(account, organization, MEMBER, organization.root_id)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, organization: Organization, member: Account) -> Deployed:
    parameters = {
        "SettleSeconds": "0",
        "SweepRate": "10",
        "Regions": FURTHER,
        "OrganizationId": ORGANIZATION,
        "MemberOUs": organization.root_id,
        "EnforceOUs": organization.root_id,
    }
    return Deployed(account, deployment.deploy(account, parameters))


def test_stack_sets_are_deployed(account: Sandbox, stack: Deployed) -> None:
    client = account.client("cloudformation")
    for name in ("log-keeper-members", "log-keeper-enforce"):
        found = client.list_stack_instances(StackSetName=name, CallAs="DELEGATED_ADMIN")["Summaries"]
        assert {each["Status"] for each in found} == {"CURRENT"}


@pytest.mark.parametrize("region", ["us-east-1", FURTHER])
def test_new_stage_is_remediated(account: Sandbox, stack: Deployed, member: Account, region: str) -> None:
    """The member account has no log role yet: Log Keeper creates one."""
    api_id = make_rest_stage(member, region=region)
    account.wait_until(lambda: levels(get_stage(member, api_id, region=region)) == {"*/*": "ERROR"}, 90)
    refused = [
        made.call.operation
        for made in member.calls
        if made.call.caller.arn.endswith("/log-keeper") and "AccessDenied" in (made.error_code or "")
    ]
    assert refused == []


def test_administrator_of_the_member_account_can_remove_nothing(stack: Deployed, member: Account) -> None:
    administrator = caller_with(member, "Admin", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    cloudformation = member.client("cloudformation", caller=administrator)
    stacks = [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]
    assert len(stacks) == 2
    attempts: list[tuple[Any, dict[str, Any]]] = [(cloudformation.delete_stack, {"StackName": name}) for name in stacks]
    events = member.client("events", caller=administrator)
    rules = [each["Name"] for each in events.list_rules(NamePrefix="log-keeper-")["Rules"]]
    assert len(rules) == 6
    attempts += [(events.disable_rule, {"Name": name}) for name in rules]
    attempts += [(events.remove_targets, {"Rule": name, "Ids": ["Hub"]}) for name in rules]
    sqs, iam = member.client("sqs", caller=administrator), member.client("iam", caller=administrator)
    [queue] = sqs.list_queues(QueueNamePrefix="log-keeper-")["QueueUrls"]
    attempts.append((sqs.delete_queue, {"QueueUrl": queue}))
    roles = [each["RoleName"] for each in iam.list_roles()["Roles"] if each["RoleName"].startswith("log-keeper-")]
    assert len(roles) == 4
    attempts += [(iam.delete_role, {"RoleName": name}) for name in roles]
    for call, parameters in attempts:
        with pytest.raises(ClientError, match="explicit deny in a service control policy"):
            call(**parameters)


def test_removal_of_the_stack_removes_the_stacks_of_the_member_account(
    account: Sandbox, stack: Deployed, member: Account
) -> None:
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName="log-keeper")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="log-keeper", WaiterConfig={"Delay": 1})
    assert member.client("cloudformation").describe_stacks()["Stacks"] == []
