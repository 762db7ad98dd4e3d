"""The preview of an organization: its permissions, its calls and their pace, and that nothing is changed."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from log_keeper.aws.pace import Pace
from preview import __main__ as command
from preview.permissions import ORGANIZATION as ORGANIZATION_ACTIONS
from preview.permissions import READING, session_policy
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.faults import Fault, FaultType
from sandbox.services.organizations.organization import STACK_SETS, Organization
from testing.accounts import (
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
)
from testing.limited_roles import least_privilege
from testing.organization_previews import LAB, PAY, ROLE, SHOP, by_account, new_members, only_members
from testing.organizations import add_role, new_member, new_organization
from testing.previews import Preview

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


@pytest.fixture
def members(sandbox: Sandbox, organization: Organization) -> dict[str, Account]:
    return new_members(sandbox, organization)


def test_sessions_can_only_read_and_their_policy_is_enough(
    sandbox: Sandbox, members: dict[str, Account], preview: Preview
) -> None:
    """The role may do anything. The session's policy allows what is read, and nothing else."""
    make_http_stage(members[SHOP])
    begun = len(sandbox.calls), len(members[SHOP].calls)
    preview(*only_members("--json"))
    records = members[SHOP].calls[begun[1] :]
    policies = {
        record.call.params["Policy"] for record in sandbox.calls[begun[0] :] if record.call.operation == "AssumeRole"
    }
    assert policies == {session_policy()}
    assert len(session_policy()) <= 2048
    [statement] = json.loads(session_policy())["Statement"]
    assert set(statement["Action"]) == {action for actions in READING.values() for action in actions}
    needed = {need.action for record in records for need in record.needs}
    assert {record.call.caller.role_arn for record in records} == {f"arn:aws:iam::{SHOP}:role/{ROLE}"}
    assert "logs:DescribeLogGroups" in needed
    assert needed <= set(statement["Action"])
    assert all(re.search(":(GET|Get|List|Describe|Simulate)", action) for action in statement["Action"])


def test_member_is_read_as_with_credentials_of_its_own(
    sandbox: Sandbox,
    organization: Organization,
    members: dict[str, Account],
    preview: Preview,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also a limited log role and deliveries, whose permissions are seldom needed. Here another account calls."""
    add_role(sandbox, ROLE, "*", trusted=SHOP)
    organization.delegated[STACK_SETS].add(SHOP)
    least_privilege(sandbox)
    make_websocket_stage(sandbox)
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "ERROR"))
    make_delivery(sandbox, api_id, "arn:aws:s3:::execution-logs")
    [own] = json.loads(preview("--json")[1])["regions"]
    for name, value in members[SHOP].environment().items():
        monkeypatch.setenv(name, value)
    code, output, _ = preview("--organization", ROLE, "--accounts", sandbox.account_id, "--json")
    [account] = by_account(output).values()
    [by_role] = account["regions"]
    assert code == command.NON_COMPLIANT
    assert (by_role["logRole"]["status"], by_role["errors"], len(by_role["stages"])) == ("limited", [], 2)
    fields = {key: account[key] for key in ("accountId", "accountName", "organizationalUnitId")}
    assert by_role == {**fields, **own, "stages": [{**fields, **stage} for stage in own["stages"]]}


def test_permissions_of_the_help_are_enough(
    sandbox: Sandbox, members: dict[str, Account], preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, help_text, _ = preview("--help")
    actions = set(re.findall(r"\b[a-z]+:[A-Z]\w+", help_text)) - {"sts:GetCallerIdentity"}
    page = (ROOT / "docs" / "preview.md").read_text()
    assert all(f"`{action}`" in page for action in ORGANIZATION_ACTIONS)
    assert {"organizations:ListRoots", "sts:AssumeRole", "apigateway:GET"} < actions
    iam = sandbox.client("iam")
    iam.create_user(UserName="auditor")
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="auditor", PolicyName="Read", PolicyDocument=policy)
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    code, _, error = preview(*only_members("--json"))
    assert (code, error) == (command.NON_COMPLIANT, "")


def test_organization_is_listed_with_few_calls_and_in_pages(
    sandbox: Sandbox, organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    for number in range(25):
        new_member(sandbox, organization, f"5000000000{number:02}", organization.root_id)
        organization.states[f"5000000000{number:02}"] = "CLOSED"
    begun = len(sandbox.calls)
    code, output, _ = preview("--organization", ROLE, "--json")
    assert code == command.ERROR
    assert len(by_account(output)) == 30
    asked = [record.call.operation for record in sandbox.calls[begun:] if record.call.service == "organizations"]
    # The root and two units; the accounts of the root are on two pages.
    assert sorted(asked) == [
        *["ListAccountsForParent"] * 4,
        *["ListOrganizationalUnitsForParent"] * 3,
        "ListRoots",
    ]


def test_throttled_organizations_is_asked_again(
    sandbox: Sandbox, members: dict[str, Account], preview: Preview
) -> None:
    sandbox.faults.add(Fault(FaultType.THROTTLED, "organizations", "ListAccountsForParent", times=2))
    code, output, _ = preview(*only_members("--json", "--accounts", SHOP))
    assert (code, list(by_account(output))) == (command.NON_COMPLIANT, [SHOP])


def test_each_account_has_its_own_pace(
    members: dict[str, Account], preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: list[Pace] = []

    def new_pace(rate: float) -> Pace:
        assert rate == 4
        paces.append(Pace(1000))
        return paces[-1]

    monkeypatch.setattr(command, "Pace", new_pace)
    preview(*only_members("--json", "--accounts", f"{SHOP},{PAY},{LAB}"))
    assert len(paces) == 3


def test_name_of_an_account_or_a_unit_is_no_markup_and_no_formula(
    organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    organization.names[SHOP] = "=<script>alert(1)</script>\x1b[31m"
    organization.move(SHOP, organization.add_unit("<i>\"'\x1b[31m"))
    _, output, _ = preview("--organization", ROLE, "--accounts", SHOP, "--html", "-")
    assert "<script>alert" not in output
    assert "<i>" not in output
    assert "&lt;i&gt;&quot;&#x27;" in output
    _, output, _ = preview("--organization", ROLE, "--accounts", SHOP, "--csv")
    [row] = csv.DictReader(io.StringIO(output))
    assert row["accountName"].startswith("'=<script>")
    for form in ((), ("--csv",), ("--html", "-"), ("--json",)):
        assert "\x1b" not in preview("--organization", ROLE, "--accounts", SHOP, *form)[1]


def test_nothing_is_changed_in_any_account(sandbox: Sandbox, members: dict[str, Account], preview: Preview) -> None:
    make_rest_stage(sandbox)
    begun = {account: len(account.calls) for account in (sandbox, *members.values())}
    preview(*only_members("--json"))
    operations = {record.call.operation for account in begun for record in account.calls[begun[account] :]}
    assert {"AssumeRole", "GetStages", "DescribeLogGroups"} < operations
    operations.remove("AssumeRole")
    assert all(name.startswith(("Get", "List", "Describe", "Simulate")) for name in operations)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--accounts", SHOP),
        ("--exclude-accounts", SHOP),
        ("--units", "r-ab12"),
        ("--external-id", "x"),
        ("--organization", "arn:aws:iam::111111111111:role/Reader"),
        ("--organization", "no name"),
        ("--organization", ROLE, "--accounts", "shop"),
        ("--organization", ROLE, "--units", "workloads"),
    ],
)
def test_wrong_usage_is_reported(preview: Preview, arguments: tuple[str, ...]) -> None:
    code, output, error = preview(*arguments)
    assert (code, output) == (command.WRONG_USAGE, "")
    assert "error:" in error
