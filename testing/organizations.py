"""An organization in the sandbox: the first account is its hub, and a delegated administrator of stack sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import Caller
from sandbox.core.iam import identity
from sandbox.services.organizations.organization import STACK_SETS, Organization

MANAGEMENT = "999999999999"
ORGANIZATION = "o-a1b2c3d4e5"


def new_organization(sandbox: Sandbox) -> Organization:
    """Create an organization with a management account of its own, in which the sandbox's first account is the hub."""
    management = sandbox.add_account(MANAGEMENT)
    organization = Organization.create(management, ORGANIZATION)
    organization.join(sandbox, "security-tooling")
    organization.delegated[STACK_SETS] = {sandbox.account_id}
    return organization


def new_member(sandbox: Sandbox, organization: Organization, account_id: str, parent: str, name: str = "") -> Account:
    """Add an account that joins a unit of the organization, as an account that is created in it does."""
    account = sandbox.add_account(account_id)
    organization.join(account, name or f"account-{account_id[:4]}", parent)
    return account


def add_role(account: Account, role: str, *actions: str, trusted: str = "123456789012", **conditions: Any) -> None:
    """Create a role, with or without a path, that an account may assume.

    ``actions``: what the role may do, with every resource; none: it has no policy.
    ``trusted``: the ID of that account. ``conditions``: those of the trust policy.
    """
    path, _, name = f"/{role}".rpartition("/")
    principal = {"AWS": f"arn:aws:iam::{trusted}:root"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": conditions}
    iam = account.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=document)
    if actions:
        allow = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)


def add_stack_set(hub: Sandbox, name: str, units: Sequence[str] = (), regions: Sequence[str] = ("us-east-1",)) -> None:
    """Create a stack set of the organization, and wait until its stacks in these units are current.

    Its template has no role and no rule of Log Keeper, and accounts that join later get no stack.
    """
    client = hub.client("cloudformation")
    where: dict[str, Any] = {"StackSetName": name, "CallAs": "DELEGATED_ADMIN"}
    body = json.dumps({"Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
    client.create_stack_set(
        **where, TemplateBody=body, PermissionModel="SERVICE_MANAGED", AutoDeployment={"Enabled": False}
    )
    if units:
        targets = {"OrganizationalUnitIds": list(units)}
        client.create_stack_instances(**where, DeploymentTargets=targets, Regions=list(regions))
        hub.wait_until(
            lambda: {each["Status"] for each in client.list_stack_instances(**where)["Summaries"]} == {"CURRENT"}
        )


def caller_with(account: Account, name: str, *statements: dict[str, Any]) -> Caller:
    """Create a role with these statements in an account. Return a session of it."""
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    credentials = identity.credentials_of_role(account, arn, "session")
    return identity.caller_of_key(account, credentials["AccessKeyId"])
