"""Service control policies: whom they bind, and what is allowed where FullAWSAccess was detached."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import Caller
from sandbox.core.iam import identity
from sandbox.services.organizations.organization import Organization
from sandbox.services.organizations.policies import FULL_ACCESS
from testing.clients import refusal
from testing.organizations import caller_with, new_member, new_organization

FIRST, SECOND = "111111111111", "222222222222"


def document(effect: str, *actions: str, **more: Any) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


DENY_DELETE = document("Deny", "apigateway:DELETE")
ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


@pytest.fixture
def unit(organization: Organization) -> str:
    return organization.add_unit("lower", organization.add_unit("upper"))


@pytest.fixture
def member(sandbox: Sandbox, organization: Organization, unit: str) -> Account:
    return new_member(sandbox, organization, FIRST, unit)


def test_service_control_policy_binds_the_accounts_below_its_unit(sandbox: Sandbox, organization: Organization) -> None:
    upper = organization.add_unit("upper")
    lower = organization.add_unit("lower", upper)
    member = new_member(sandbox, organization, FIRST, lower)
    other = new_member(sandbox, organization, SECOND, organization.root_id)
    organization.attach_policy(DENY_DELETE, upper)
    allow = {"Effect": "Allow", "Action": "apigateway:*", "Resource": "*"}
    for account, is_denied in ((member, True), (other, False)):
        caller = caller_with(account, "deployer", allow)
        client = account.client("apigateway", caller=caller)
        api_id = client.create_rest_api(name="shop")["id"]
        if is_denied:
            code, message = refusal(lambda client=client, api_id=api_id: client.delete_rest_api(restApiId=api_id))
            assert code == "AccessDeniedException"
            assert "explicit deny in a service control policy" in message
        else:
            client.delete_rest_api(restApiId=api_id)
    organization.move(FIRST, organization.root_id)
    assert member.service_control_policies == []


def test_service_control_policy_does_not_bind_the_management_account(
    sandbox: Sandbox, organization: Organization
) -> None:
    organization.attach_policy(DENY_DELETE, organization.root_id)
    assert organization.management.service_control_policies == []
    assert sandbox.service_control_policies == [DENY_DELETE]


@pytest.mark.parametrize("level", ["root", "upper", "lower", "account"])
def test_each_level_must_allow_a_call(
    sandbox: Sandbox, organization: Organization, unit: str, member: Account, level: str
) -> None:
    root, upper = organization.root_id, organization.path(FIRST)[1]
    target = {"root": root, "upper": upper, "lower": unit, "account": FIRST}[level]
    logs = member.client("logs", caller=caller_with(member, "deployer", ANYTHING))
    organization.attach_policy(document("Allow", "logs:Describe*"), target)
    logs.create_log_group(logGroupName="allowed")
    organization.detach(FULL_ACCESS, target)
    assert logs.describe_log_groups()["logGroups"]
    code, message = refusal(lambda: logs.create_log_group(logGroupName="refused"))
    assert code == "AccessDeniedException"
    assert message.endswith("because no service control policy allows the logs:CreateLogGroup action")
    organization.attach(FULL_ACCESS, target)
    logs.create_log_group(logGroupName="allowed-again")


def test_caller_without_permission_is_refused_although_the_organization_allows_all(member: Account) -> None:
    logs = member.client("logs", caller=caller_with(member, "other", ANYTHING | {"Action": "sqs:*"}))
    _, message = refusal(lambda: logs.create_log_group(logGroupName="refused"))
    assert message.endswith("because no identity-based policy allows the logs:CreateLogGroup action")


def test_simulation_shows_what_the_organization_does_not_allow(organization: Organization, member: Account) -> None:
    caller = caller_with(member, "deployer", ANYTHING)
    organization.attach_policy(document("Allow", "logs:*", "iam:*"), FIRST)
    organization.detach(FULL_ACCESS, FIRST)
    results = member.client("iam").simulate_principal_policy(
        PolicySourceArn=caller.role_arn or "", ActionNames=["logs:CreateLogGroup", "apigateway:PATCH"]
    )["EvaluationResults"]
    found = [(each["EvalDecision"], each["OrganizationsDecisionDetail"]) for each in results]
    assert found == [("allowed", {"AllowedByOrganizations": True}), ("implicitDeny", {"AllowedByOrganizations": False})]


def test_service_linked_role_is_not_bound(organization: Organization, member: Account) -> None:
    organization.attach_policy(document("Deny", "logs:CreateLogGroup"), organization.root_id)
    iam = member.client("iam")
    made = iam.create_service_linked_role(AWSServiceName="ops.apigateway.amazonaws.com")["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ANYTHING]})
    iam.put_role_policy(RoleName=made["RoleName"], PolicyName="own", PolicyDocument=policy)
    key = identity.credentials_of_role(member, made["Arn"], "service")["AccessKeyId"]
    linked = member.client("logs", caller=identity.caller_of_key(member, key))
    linked.create_log_group(logGroupName="by-the-service")
    logs = member.client("logs", caller=caller_with(member, "deployer", ANYTHING))
    assert refusal(lambda: logs.create_log_group(logGroupName="refused"))[0] == "AccessDeniedException"


ROLE = "arn:aws:iam::{}:role/read"


def assume(member: Account, caller: Caller, owner: str) -> Any:
    sts = member.client("sts", caller=caller)
    return lambda: sts.assume_role(RoleArn=ROLE.format(owner), RoleSessionName="session")


@pytest.mark.parametrize("owner", [FIRST, SECOND])
def test_roles_are_not_assumed_against_the_policies_of_the_callers_organization(
    sandbox: Sandbox, organization: Organization, member: Account, owner: str
) -> None:
    other = new_member(sandbox, organization, SECOND, organization.root_id)
    caller = caller_with(member, "deployer", ANYTHING)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": caller.role_arn}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    {FIRST: member, SECOND: other}[owner].client("iam").create_role(RoleName="read", AssumeRolePolicyDocument=trust)
    assert assume(member, caller, owner)()["AssumedRoleUser"]
    policy = organization.attach_policy(document("Deny", "sts:AssumeRole"), FIRST)
    assert refusal(assume(member, caller, owner))[1].endswith("with an explicit deny in a service control policy")
    organization.detach(policy, FIRST)
    organization.attach_policy(document("Allow", "logs:*"), FIRST)
    organization.detach(FULL_ACCESS, FIRST)
    message = refusal(assume(member, caller, owner))[1]
    assert message.endswith("because no service control policy allows the sts:AssumeRole action")
