"""In an organization whose policies demand a boundary, a path and a prefix of every role, the stack's and the log role.

The sandbox has no service control policies: the same document stands as the boundary of whoever deploys, and of all the
roles of the stack.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.deployment import ToolFailedError
from testing.accounts import log_role, make_rest_stage
from testing.stacks import Deployed

HAS_LOG_ROLE = False

BOUNDARY = f"arn:aws:iam::{Sandbox.account_id}:policy/Organization"
ROLES = f"arn:aws:iam::{Sandbox.account_id}:role/platform/org-*"
PARAMETERS = {
    "SettleSeconds": "0",
    "SweepRate": "10",
    "PermissionsBoundaryArn": BOUNDARY,
    "RolePath": "/platform/",
    "RoleNamePrefix": "org-",
    "LogRoleName": "org-apigateway-logs",
}


def unless_bounded(*actions: str) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Action": list(actions),
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"iam:PermissionsBoundary": BOUNDARY}},
    }


@pytest.fixture(scope="module")
def deployer(account: Sandbox) -> str:
    """ARN of the role that CloudFormation deploys with."""
    iam = account.client("iam")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        unless_bounded("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"),
        {"Effect": "Deny", "Action": "iam:CreateRole", "NotResource": ROLES},
        {"Effect": "Deny", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": "*"},
    ]
    iam.create_policy(
        PolicyName="Organization", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    trust = {"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="Deployer",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        PermissionsBoundary=BOUNDARY,
    )["Role"]
    iam.attach_role_policy(RoleName="Deployer", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    return str(role["Arn"])


def deploy(account: Sandbox, deployer: str, stack_name: str, parameters: dict[str, str]) -> None:
    deployment.run(
        account,
        *("sam", "deploy", "--stack-name", stack_name, "--region", "us-east-1", "--role-arn", deployer),
        *("--no-confirm-changeset", "--no-progressbar"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())),
    )


@pytest.mark.parametrize("absent", ["PermissionsBoundaryArn", "RolePath", "RoleNamePrefix"])
def test_deployment_without_what_is_demanded_is_refused(
    built: None, account: Sandbox, deployer: str, absent: str
) -> None:
    parameters = {name: value for name, value in PARAMETERS.items() if name != absent}
    with pytest.raises(ToolFailedError, match="explicit deny"):
        deploy(account, deployer, f"no-{absent.lower()}", parameters)


@pytest.fixture(scope="module")
def stack(built: None, account: Sandbox, deployer: str) -> Deployed:
    deploy(account, deployer, "log-keeper", PARAMETERS)
    described = account.client("cloudformation").describe_stacks(StackName="log-keeper")["Stacks"][0]
    return Deployed(account, {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]})


def test_stage_is_remediated_and_the_log_role_is_created_as_demanded(stack: Deployed) -> None:
    """With permissions that the boundary cuts, and on the path of the stack's roles."""
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id, timeout=60)
    assert log_role(stack.sandbox) == ROLES.replace("*", "apigateway-logs")
    role = stack.sandbox.client("iam").get_role(RoleName="org-apigateway-logs")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert stack.wait_until_quiet() == 0


def test_every_role_of_the_stack_is_as_demanded(stack: Deployed) -> None:
    iam = stack.sandbox.client("iam")
    names = {
        each["PhysicalResourceId"]
        for each in stack.sandbox.client("cloudformation").list_stack_resources(StackName="log-keeper")[
            "StackResourceSummaries"
        ]
        if each["ResourceType"] == "AWS::IAM::Role"
    }
    assert names == {f"org-log-keeper-{each}" for each in ("enforce", "sweep", "schedules")}
    for name in names:
        role = iam.get_role(RoleName=name)["Role"]
        assert (role["Path"], role["PermissionsBoundary"]["PermissionsBoundaryArn"]) == ("/platform/", BOUNDARY)


def test_own_calls_are_left_out_by_the_rule(stack: Deployed) -> None:
    """The rule compares the ARN of a role that has a path."""
    before = stack.invocations()
    stack.wait_until_compliant(make_rest_stage(stack.sandbox))
    stack.wait_until_quiet()
    assert stack.invocations() == before + 1
