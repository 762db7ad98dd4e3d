"""What the roles of the stack may do, and their names, paths and boundaries."""

from __future__ import annotations

import re
from typing import Any

import pytest

from testing.templates import (
    ENFORCEMENT,
    MEMBERS,
    RESOURCES,
    ROOT,
    TEMPLATE,
    actions,
    rows,
    statements,
    statements_of,
)
from tools import translate

#: Statements on every resource, because none of their actions takes a resource.
ON_EVERYTHING = {
    "EnableHttpApiAccessLogs", "ListDelegatedAdministrators", "ListLogGroupsAndDeliveries", "ListTrails", "ReadStacks",
}  # fmt: skip
#: Statements with every action of a service: CloudFormation, on the stacks of the forwarders only.
EVERY_ACTION = {"ManageForwarderStacks"}


@pytest.mark.parametrize("statement", statements(), ids=lambda statement: statement["Sid"])
def test_statement_has_no_more_wildcards_than_aws_requires(statement: dict[str, Any]) -> None:
    """No action has a wildcard, and no resource is only a wildcard."""
    assert any("*" in action for action in actions(statement)) is (statement["Sid"] in EVERY_ACTION)
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    assert ("*" in resources) is (statement["Sid"] in ON_EVERYTHING)
    assert "NotAction" not in statement
    assert "NotResource" not in statement


#: Policies that exist in Audit mode too, and the beginnings of their actions. One lets the functions assume the role
#: that reads in other accounts, and send messages to the stack's own queue.
READING = {"ReadPolicy", "GovernMembersPolicy", "PostponeMembersPolicy"}
READS = ("Get", "Describe", "List", "Simulate", "GET", "AssumeRole", "SendMessage")


def test_audit_mode_has_no_permission_to_change_anything() -> None:
    for name, resource in RESOURCES.items():
        is_of_functions = {"Ref": "EnforceRole"} in resource["Properties"].get("Roles", [])
        if resource["Type"] == "AWS::IAM::Policy" and is_of_functions and name not in READING:
            assert resource["Condition"] in ("Enforces", "CreatesLogRole", "RemediatesMembers", "SetsOwnFormats")
    for condition in ("CreatesLogRole", "RemediatesMembers"):
        assert {"Condition": "Enforces"} in TEMPLATE["Conditions"][condition]["Fn::And"]
    for statement in (
        each for name in READING for each in statements_of(RESOURCES[name]["Properties"]["PolicyDocument"])
    ):
        assert all(action.split(":")[1].startswith(READS) for action in actions(statement))
        if statement["Sid"] == "AssumeReadRoles":
            assert statement["Resource"]["Fn::Sub"].endswith("-member-read")


def test_page_lists_the_permissions() -> None:
    """Each statement has a row with exactly its actions."""
    listed = {row[0]: row[1] for row in rows("docs/permissions.md")}
    everything = [each for template in (None, MEMBERS, ENFORCEMENT) for each in statements(template)]
    granted = {statement["Sid"]: ", ".join(actions(statement)) for statement in everything}
    # Another table of the page is about symptoms.
    assert {sid: cell for sid, cell in listed.items() if re.fullmatch(r"([a-z]+:[A-Za-z*]+(, )?)+", cell)} == granted


def deployed(parameters: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the roles of the translated template by logical id, with these parameters."""
    template = translate.translated()
    properties = translate.resolved(template, parameters)
    return {name: each for name, each in properties.items() if template["Resources"][name]["Type"] == "AWS::IAM::Role"}


def test_roles_have_neither_name_nor_path_nor_boundary_by_default() -> None:
    """Adding one, even the default path, would replace the roles of stacks that exist."""
    roles = deployed({"Regions": "eu-west-2"})
    assert len(roles) == 6
    assert not any({"RoleName", "Path", "PermissionsBoundary"} & role.keys() for role in roles.values())


def test_every_role_gets_boundary_path_and_prefix() -> None:
    boundary = "arn:aws:iam::123456789012:policy/Boundary"
    parameters = {"PermissionsBoundaryArn": boundary, "RolePath": "/platform/", "RoleNamePrefix": "org-"}
    roles = deployed(parameters | {"Regions": "eu-west-2"})
    assert len(roles) == 6
    assert {role["PermissionsBoundary"] for role in roles.values()} == {boundary}
    # A stack set finds its execution role by its name alone.
    assert {role.get("Path") for name, role in roles.items() if name != "ForwardersExecutionRole"} == {"/platform/"}
    assert "Path" not in roles["ForwardersExecutionRole"]
    names = [role["RoleName"] for role in roles.values()]
    assert len(set(names)) == 6
    page = (ROOT / "docs" / "parameters.md").read_text()
    suffixes = [name.removeprefix("org-log-keeper") for name in names]
    for suffix in suffixes:
        assert f"`{suffix}`" in page
    longest = 64 - max(map(len, suffixes))
    assert f"stack name together have at most {longest} characters" in " ".join(page.split())
    assert f"{longest} characters together" in " ".join(TEMPLATE["Parameters"]["RoleNamePrefix"]["Description"].split())


@pytest.mark.parametrize(
    ("own", "shared", "expected"), [("", "", None), ("", "b", "b"), ("a", "", "a"), ("a", "b", "a")]
)
def test_boundary_of_the_log_role(own: str, shared: str, expected: str | None) -> None:
    """The function's settings and its permission have the log role's own boundary, or else that of the other roles."""

    def arn(name: str) -> str:
        return f"arn:aws:iam::123456789012:policy/{name}" if name else ""

    template = translate.translated()
    parameters = {"LogRolePermissionsBoundaryArn": arn(own), "PermissionsBoundaryArn": arn(shared)}
    properties = translate.resolved(template, parameters)
    setting = properties["EnforceFunction"]["Environment"]["Variables"]["LOG_ROLE_BOUNDARY_ARN"]
    assert setting == arn(expected or "")
    [statement] = [
        each
        for each in properties["CreateLogRolePolicy"]["PolicyDocument"]["Statement"]
        if each["Action"] == "iam:CreateRole"
    ]
    condition = statement.get("Condition")
    assert condition == (None if expected is None else {"ArnEquals": {"iam:PermissionsBoundary": arn(expected)}})
