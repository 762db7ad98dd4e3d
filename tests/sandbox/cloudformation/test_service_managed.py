"""Stack sets of an organization: who creates them, where they are deployed, and what happens when accounts move."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.services.organizations.organization import STACK_SETS, Organization
from testing.clients import refusal
from testing.organizations import MANAGEMENT, caller_with, new_member, new_organization

FIRST, SECOND = "111111111111", "222222222222"
TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "marked"}}}})
AS_ADMINISTRATOR = {"CallAs": "DELEGATED_ADMIN"}


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


@pytest.fixture
def unit(organization: Organization) -> str:
    return organization.add_unit("workloads")


def create(sandbox: Sandbox, **settings: Any) -> Any:
    """Create a service-managed stack set with automatic deployment. Return the client."""
    client = sandbox.client("cloudformation")
    wanted: dict[str, Any] = {
        "StackSetName": "marks",
        "TemplateBody": TEMPLATE,
        "PermissionModel": "SERVICE_MANAGED",
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        **AS_ADMINISTRATOR,
    }
    client.create_stack_set(**wanted | settings)
    return client


def deploy(sandbox: Sandbox, client: Any, targets: dict[str, Any], regions: tuple[str, ...] = ("us-east-1",)) -> None:
    where = {"StackSetName": "marks", **AS_ADMINISTRATOR}
    operation = client.create_stack_instances(**where, DeploymentTargets=targets, Regions=list(regions))
    named = where | {"OperationId": operation["OperationId"]}
    sandbox.wait_until(
        lambda: client.describe_stack_set_operation(**named)["StackSetOperation"]["Status"] == "SUCCEEDED"
    )


def instances(client: Any) -> list[tuple[str, str, str]]:
    found = client.list_stack_instances(StackSetName="marks", **AS_ADMINISTRATOR)["Summaries"]
    return [(each["Account"], each["Region"], each["Status"]) for each in found]


def topics(account: Account, region: str = "us-east-1") -> int:
    return len(account.client("sns", region).list_topics()["Topics"])


def test_set_is_deployed_to_the_accounts_of_a_unit_in_each_region(
    sandbox: Sandbox, organization: Organization, unit: str
) -> None:
    lower = organization.add_unit("lower", unit)
    first = new_member(sandbox, organization, FIRST, unit)
    second = new_member(sandbox, organization, SECOND, lower)
    client = create(sandbox)
    deploy(sandbox, client, {"OrganizationalUnitIds": [unit]}, ("us-east-1", "eu-west-1"))
    assert sorted(instances(client)) == sorted(
        (account, region, "CURRENT") for account in (FIRST, SECOND) for region in ("us-east-1", "eu-west-1")
    )
    assert [topics(account, region) for account in (first, second) for region in ("us-east-1", "eu-west-1")] == [1] * 4
    [summary, _] = client.list_stack_instances(StackSetName="marks", StackInstanceAccount=SECOND, **AS_ADMINISTRATOR)[
        "Summaries"
    ]
    assert summary["OrganizationalUnitId"] == unit
    # The set belongs to the management account.
    described = client.describe_stack_set(StackSetName="marks", **AS_ADMINISTRATOR)["StackSet"]
    assert f":{MANAGEMENT}:stackset/marks:" in described["StackSetARN"]
    assert refusal(lambda: client.describe_stack_set(StackSetName="marks"))[0] == "StackSetNotFoundException"


@pytest.mark.parametrize(
    ("account_filter", "accounts", "expected"),
    [("DIFFERENCE", [FIRST], [SECOND]), ("INTERSECTION", [FIRST], [FIRST]), ("NONE", [], [FIRST, SECOND])],
)
def test_account_filter_limits_the_accounts(
    sandbox: Sandbox,
    organization: Organization,
    unit: str,
    account_filter: str,
    accounts: list[str],
    expected: list[str],
) -> None:
    for account_id in (FIRST, SECOND):
        new_member(sandbox, organization, account_id, unit)
    client = create(sandbox)
    targets = {"OrganizationalUnitIds": [unit], "AccountFilterType": account_filter}
    deploy(sandbox, client, targets | ({"Accounts": accounts} if accounts else {}))
    assert [account for account, _, _ in instances(client)] == expected


def test_set_is_never_deployed_to_the_management_account(sandbox: Sandbox, organization: Organization) -> None:
    client = create(sandbox)
    deploy(sandbox, client, {"OrganizationalUnitIds": [organization.root_id]})
    assert [account for account, _, _ in instances(client)] == [sandbox.account_id]


def test_account_that_joins_gets_the_stack_and_one_that_moves_away_loses_it(
    sandbox: Sandbox, organization: Organization, unit: str
) -> None:
    client = create(sandbox)
    deploy(sandbox, client, {"OrganizationalUnitIds": [unit]})
    assert instances(client) == []
    first = new_member(sandbox, organization, FIRST, unit)
    sandbox.wait_until(lambda: instances(client) == [(FIRST, "us-east-1", "CURRENT")])
    assert topics(first) == 1
    organization.move(FIRST, organization.root_id)
    sandbox.wait_until(lambda: instances(client) == [])
    assert topics(first) == 0


@pytest.mark.parametrize(("exempt", "status"), [("role/stacksets-exec-*", "CURRENT"), ("role/deployer", "OUTDATED")])
def test_service_control_policies_bind_the_role_that_deploys(
    sandbox: Sandbox, organization: Organization, unit: str, exempt: str, status: str
) -> None:
    first = new_member(sandbox, organization, FIRST, unit)
    deny = {
        "Effect": "Deny", "Action": "sns:CreateTopic", "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::*:{exempt}"}},
    }  # fmt: skip
    organization.attach_policy(json.dumps({"Version": "2012-10-17", "Statement": [deny]}), unit)
    client = create(sandbox)
    targets = {"OrganizationalUnitIds": [unit]}
    operation = client.create_stack_instances(
        StackSetName="marks", **AS_ADMINISTRATOR, DeploymentTargets=targets, Regions=["us-east-1"]
    )
    named = {"StackSetName": "marks", "OperationId": operation["OperationId"], **AS_ADMINISTRATOR}
    sandbox.wait_until(lambda: client.describe_stack_set_operation(**named)["StackSetOperation"].get("EndTimestamp"))
    [instance] = client.list_stack_instances(StackSetName="marks", **AS_ADMINISTRATOR)["Summaries"]
    assert (instance["Status"], topics(first)) == (status, status == "CURRENT")
    roles = [role["RoleName"] for role in first.client("iam").list_roles()["Roles"]]
    assert [name.startswith("stacksets-exec-") for name in roles] == [True]


@pytest.mark.parametrize("keeps", [True, False])
def test_account_that_leaves_the_organization_keeps_its_stack_or_loses_it(
    sandbox: Sandbox, organization: Organization, unit: str, *, keeps: bool
) -> None:
    sandbox.turn(leaving_accounts_keep_stacks=keeps)
    first = new_member(sandbox, organization, FIRST, unit)
    client = create(sandbox)
    deploy(sandbox, client, {"OrganizationalUnitIds": [unit]})
    organization.leave(first)
    sandbox.wait_until(lambda: instances(client) == [])
    assert topics(first) == (1 if keeps else 0)


def test_without_automatic_deployment_nothing_follows(sandbox: Sandbox, organization: Organization, unit: str) -> None:
    client = create(sandbox, AutoDeployment={"Enabled": False})
    deploy(sandbox, client, {"OrganizationalUnitIds": [unit]})
    new_member(sandbox, organization, FIRST, unit)
    assert instances(client) == []


@pytest.mark.parametrize(
    ("call_as", "expected"),
    [
        ("SELF", "You must be the management account or delegated admin account of an organization"),
        ("DELEGATED_ADMIN", "Account used is not a delegated administrator"),
    ],
)
def test_account_that_is_no_administrator_creates_no_set(
    sandbox: Sandbox, organization: Organization, call_as: str, expected: str
) -> None:
    organization.delegated[STACK_SETS].clear()
    code, message = refusal(lambda: create(sandbox, CallAs=call_as))
    assert code == "ValidationError"
    assert message.startswith(expected)


def test_caller_who_cannot_list_the_administrators_is_refused_like_another_account(
    sandbox: Sandbox, organization: Organization
) -> None:
    create(sandbox)
    allow = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    and_administrators = allow | {"Action": "organizations:ListDelegatedAdministrators"}
    alone = sandbox.client("cloudformation", caller=caller_with(sandbox, "alone", allow))
    listed = {"StackSetName": "marks", **AS_ADMINISTRATOR}
    refused = refusal(lambda: alone.list_stack_instances(**listed))
    assert refused == ("ValidationError", "Account used is not a delegated administrator")
    both = sandbox.client("cloudformation", caller=caller_with(sandbox, "both", allow, and_administrators))
    assert both.list_stack_instances(**listed)["Summaries"] == []


def test_reads_do_not_list_the_administrators_in_the_other_position(
    sandbox: Sandbox, organization: Organization
) -> None:
    create(sandbox)
    sandbox.turn(reads_of_stack_sets_list_administrators=False)
    allow = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    alone = sandbox.client("cloudformation", caller=caller_with(sandbox, "alone", allow))
    assert alone.list_stack_instances(StackSetName="marks", **AS_ADMINISTRATOR)["Summaries"] == []
    code, _ = refusal(lambda: alone.create_stack_set(StackSetName="more", TemplateBody=TEMPLATE, **AS_ADMINISTRATOR))
    assert code == "ValidationError"


@pytest.mark.parametrize(("position", "owner"), [("management", MANAGEMENT), ("administrator", "123456789012")])
def test_stack_set_in_a_policy_is_of_the_management_account_or_of_the_administrator(
    sandbox: Sandbox, organization: Organization, position: str, owner: str
) -> None:
    create(sandbox)
    sandbox.turn(stack_set_arn_of_administrator=position)
    administrators = {
        "Effect": "Allow", "Action": "organizations:ListDelegatedAdministrators", "Resource": "*",
    }  # fmt: skip
    for account_id in (MANAGEMENT, sandbox.account_id):
        arn = f"arn:aws:cloudformation:us-east-1:{account_id}:stackset/marks:*"
        allow = {"Effect": "Allow", "Action": "cloudformation:ListStackInstances", "Resource": arn}
        caller = caller_with(sandbox, f"caller-{account_id}", allow, administrators)
        client = sandbox.client("cloudformation", caller=caller)
        if account_id == owner:
            assert client.list_stack_instances(StackSetName="marks", **AS_ADMINISTRATOR)["Summaries"] == []
        else:
            assert (
                refusal(lambda client=client: client.list_stack_instances(StackSetName="marks", **AS_ADMINISTRATOR))[0]
                == "AccessDenied"
            )


def test_automatic_deployment_forgets_the_account_filter_in_the_other_position(
    sandbox: Sandbox, organization: Organization, unit: str
) -> None:
    sandbox.turn(automatic_deployment_keeps_account_filters=False)
    client = create(sandbox)
    deploy(
        sandbox, client,
        {"OrganizationalUnitIds": [unit], "AccountFilterType": "DIFFERENCE", "Accounts": [FIRST]},
    )  # fmt: skip
    new_member(sandbox, organization, FIRST, unit)
    sandbox.wait_until(lambda: {account_id for account_id, *_ in instances(client)} == {FIRST})


def test_template_with_a_transform_is_refused(sandbox: Sandbox, organization: Organization) -> None:
    template = json.dumps({"Transform": "AWS::Serverless-2016-10-31", **json.loads(TEMPLATE)})
    assert refusal(lambda: create(sandbox, TemplateBody=template))[0] == "ValidationError"


@pytest.mark.parametrize(
    "targets",
    [{"Accounts": [FIRST]}, {"OrganizationalUnitIds": ["ou-none-00000000"]}],
    ids=["accounts", "no such unit"],
)
def test_targets_must_be_units_of_the_organization(
    sandbox: Sandbox, organization: Organization, targets: dict[str, Any]
) -> None:
    client = create(sandbox)
    assert refusal(lambda: deploy(sandbox, client, targets))[0] == "ValidationError"


def test_stack_creates_changes_and_deletes_a_set(sandbox: Sandbox, organization: Organization, unit: str) -> None:
    other = organization.add_unit("other")
    first = new_member(sandbox, organization, FIRST, unit)
    second = new_member(sandbox, organization, SECOND, other)

    def template(*units: str) -> str:
        properties = {
            "StackSetName": "marks",
            "PermissionModel": "SERVICE_MANAGED",
            "CallAs": "DELEGATED_ADMIN",
            "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
            "TemplateBody": TEMPLATE,
            "StackInstancesGroup": [
                {"DeploymentTargets": {"OrganizationalUnitIds": [each]}, "Regions": ["us-east-1"]} for each in units
            ],
        }
        return json.dumps({"Resources": {"Set": {"Type": "AWS::CloudFormation::StackSet", "Properties": properties}}})

    client = sandbox.client("cloudformation")
    client.create_stack(StackName="hub", TemplateBody=template(unit))
    client.get_waiter("stack_create_complete").wait(StackName="hub", WaiterConfig={"Delay": 1})
    assert (topics(first), topics(second)) == (1, 0)
    client.update_stack(StackName="hub", TemplateBody=template(unit, other))
    client.get_waiter("stack_update_complete").wait(StackName="hub", WaiterConfig={"Delay": 1})
    assert (topics(first), topics(second)) == (1, 1)
    client.delete_stack(StackName="hub")
    client.get_waiter("stack_delete_complete").wait(StackName="hub", WaiterConfig={"Delay": 1})
    assert (topics(first), topics(second)) == (0, 0)
