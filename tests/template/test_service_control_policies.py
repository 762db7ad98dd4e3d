"""The policies in the folder organization: their size, their actions, and whom they exempt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from sandbox.core.iam.policies import Decision, evaluate
from testing.service_control_policies import FOLDER, HUB, OPTIONAL, PROTECTION, statements, text
from testing.templates import ENFORCEMENT, MEMBERS, RESOURCES

NAMES = (PROTECTION, OPTIONAL)
#: API Gateway's actions are HTTP methods.
METHODS = {"DELETE", "PATCH", "POST", "PUT"}
#: Characters of a policy, white space included. 10,240 since 2026-05-15; the earlier quota holds in any organization.
#: *Source:* Organizations user guide, "Quotas and service limits" and "SCP syntax".
LONGEST = 5120


def actions(name: str) -> Iterator[tuple[str, str]]:
    """Yield service and operation of each action."""
    for statement in statements(name):
        named = statement["Action"]
        for action in named if isinstance(named, list) else [named]:
            service, _, operation = action.partition(":")
            yield service, operation


def test_the_folder_has_these_policies() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.scp.json" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_policy_is_not_too_long_with_its_white_space(name: str) -> None:
    assert len(text(name)) <= LONGEST


@pytest.mark.parametrize("name", NAMES)
def test_policy_denies_only(name: str) -> None:
    document = json.loads(text(name))
    assert document["Version"] == "2012-10-17"
    for statement in document["Statement"]:
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Deny"
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])


@pytest.mark.parametrize("name", NAMES)
def test_every_action_exists(name: str) -> None:
    """``make test`` checks actions and condition keys against IAM's definitions too (``tools/lint_policies.py``)."""
    session = botocore.session.get_session()
    for service, operation in actions(name):
        if service == "apigateway":
            assert operation in METHODS
        else:
            assert operation in session.get_service_model(service).operation_names


def principal(statement: dict[str, Any]) -> list[str]:
    found: list[str] = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy"])
def test_nobody_can_become_an_exempt_principal(name: str, action: str) -> None:
    """The roles that are exempt can be created and changed by stack sets only."""
    context = {"aws:PrincipalArn": "arn:aws:iam::210987654321:role/Admin", "aws:PrincipalAccount": "210987654321"}
    for statement in statements(name):
        for pattern in principal(statement):
            exempt = pattern.replace("arn:*", "arn:aws").replace("::*:", "::210987654321:").replace("*", "1a2b3c")
            assert evaluate([json.loads(text(PROTECTION))], action, exempt, context) is Decision.EXPLICIT_DENY


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_leaves_out_the_hub(name: str) -> None:
    for statement in statements(name):
        assert statement["Condition"]["StringNotEquals"] == {"aws:PrincipalAccount": HUB}


#: What the templates name in a member account: type -> property with the name, ARN, an action that would remove it.
REMOVALS = {
    "AWS::Events::Rule": ("Name", "arn:aws:events:eu-west-1:210987654321:rule/{}", "events:DeleteRule"),
    "AWS::IAM::Role": ("RoleName", "arn:aws:iam::210987654321:role/{}", "iam:DeleteRole"),
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:eu-west-1:210987654321:{}", "sqs:DeleteQueue"),
    "AWS::CloudFormation::StackSet": (
        "StackSetName",
        "arn:aws:cloudformation:eu-west-1:210987654321:stack/StackSet-{}-0a1b2c/0a1b2c",
        "cloudformation:DeleteStack",
    ),
}


def named_in_member_accounts() -> list[tuple[str, str]]:
    """Return the ARN of each named resource in member accounts with an action that removes it."""
    stack_sets = {name: RESOURCES[name] for name in ("Members", "Enforcement")}
    found = []
    for resource in [*MEMBERS["Resources"].values(), *ENFORCEMENT["Resources"].values(), *stack_sets.values()]:
        if resource["Type"] in REMOVALS:
            name, arn, action = REMOVALS[resource["Type"]]
            text = resource["Properties"][name]["Fn::Sub"]
            for placeholder, value in (
                ("${AWS::StackName}", "log-keeper"),
                ("${StackName}", "log-keeper"),
                ("${AWS::Region}", "eu-west-1"),
            ):
                text = text.replace(placeholder, value)
            found.append((arn.format(text), action))
    return found


@pytest.mark.parametrize(("arn", "action"), named_in_member_accounts())
def test_everything_that_the_stack_sets_create_is_protected(arn: str, action: str) -> None:
    context = {"aws:PrincipalArn": "arn:aws:iam::210987654321:role/Admin", "aws:PrincipalAccount": "210987654321"}
    assert evaluate([json.loads(text(PROTECTION))], action, arn, context) is Decision.EXPLICIT_DENY
