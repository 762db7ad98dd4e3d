"""The preview of all accounts of an organization, run in this process."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from log_keeper.aws.pace import Pace
from preview import __main__ as command
from preview.organization_data import ORGANIZATION_COLUMNS
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
from testing.organizations import MANAGEMENT, ORGANIZATION, add_reader, new_member, new_organization
from testing.previews import Preview

ROOT = Path(__file__).resolve().parents[2]
SHOP, PAY, LAB = "111111111111", "222222222222", "333333333333"
ROLE = "ops/Reader"


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


@pytest.fixture
def members(sandbox: Sandbox, organization: Organization) -> dict[str, Account]:
    """Three accounts with a stage each: shop and pay in units below ``workloads``, lab in the root."""
    workloads = organization.add_unit("workloads")
    units = {SHOP: organization.add_unit("prod", workloads), PAY: workloads, LAB: organization.root_id}
    names = {SHOP: "shop", PAY: "pay", LAB: "lab"}
    found = {each: new_member(sandbox, organization, each, unit, names[each]) for each, unit in units.items()}
    for account in found.values():
        account.iam_propagation_seconds = 0
        add_reader(account, ROLE)
        make_rest_stage(account)
    return found


def unit_id(organization: Organization, name: str) -> str:
    return next(unit.unit_id for unit in organization.units.values() if unit.name == name)


def by_account(output: str) -> dict[str, dict[str, Any]]:
    return {account["accountId"]: account for account in json.loads(output)["accounts"]}


def only_members(*arguments: str) -> list[str]:
    """Return arguments that leave out the management account, in which the role does not exist."""
    return ["--organization", ROLE, "--exclude-accounts", MANAGEMENT, *arguments]


def test_json_has_every_account_with_its_unit(
    sandbox: Sandbox, organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    make_http_stage(sandbox)
    make_http_stage(members[SHOP], region="eu-west-1")
    code, output, error = preview(*only_members("--json", "--region", "us-east-1", "--region", "eu-west-1"))
    assert (code, error) == (command.NON_COMPLIANT, "")
    document = json.loads(output)
    assert list(document) == [
        "version",
        "generatedAt",
        "organization",
        "role",
        "policy",
        "isCompliant",
        "isComplete",
        "summary",
        "accounts",
    ]
    assert (document["organization"], document["role"]) == (ORGANIZATION, ROLE)
    assert (document["isCompliant"], document["isComplete"]) == (False, True)
    summary = document["summary"]
    assert (summary["accounts"], summary["accountsNotRead"], summary["accountsLeftOut"]) == (4, 0, 1)
    assert summary["stages"]["wouldBeRemediated"] == 5
    assert summary["byProtocol"]["HTTP"]["evaluated"] == 2
    accounts = by_account(output)
    assert [account["accountName"] for account in accounts.values()] == ["lab", "security-tooling", "pay", "shop"]
    shop = accounts[SHOP]
    assert (shop["organizationalUnitPath"], shop["state"]) == ("Root/workloads/prod", "ACTIVE")
    assert [region["region"] for region in shop["regions"]] == ["us-east-1", "eu-west-1"]
    rows = [shop, *shop["regions"], *(stage for region in shop["regions"] for stage in region["stages"])]
    assert len(rows) == 5
    for row in rows:
        assert (row["accountId"], row["accountName"]) == (SHOP, "shop")
        assert row["organizationalUnitId"] == unit_id(organization, "prod")


def test_csv_has_a_row_for_each_stage(members: dict[str, Account], preview: Preview) -> None:
    code, output, _ = preview(*only_members("--csv"))
    assert code == command.NON_COMPLIANT
    rows = list(csv.DictReader(io.StringIO(output)))
    assert list(rows[0]) == list(ORGANIZATION_COLUMNS)
    assert [(row["accountName"], row["apiName"], row["outcome"], row["error"]) for row in rows] == [
        (name, "shop", "would be remediated", "") for name in ("lab", "pay", "shop")
    ]
    assert [row["organizationalUnitId"][:3] for row in rows] == ["r-a", "ou-", "ou-"]


def test_tables_show_the_stages_and_one_row_for_each_account(members: dict[str, Account], preview: Preview) -> None:
    code, output, error = preview(*only_members())
    assert (code, error) == (command.NON_COMPLIANT, "")
    assert f"{SHOP} (shop), Root/workloads/prod, us-east-1" in output
    table = re.split(r"\nAccounts *\n", output)[1]
    assert all(f"\n {account_id} " in table for account_id in (SHOP, PAY, LAB, "123456789012"))
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output
    assert MANAGEMENT not in output
    assert "3 of 3 stages in 4 accounts would be remediated; 3 regions have no valid log role." in " ".join(
        output.split()
    )


def test_page_has_tables_by_unit_account_and_region(
    organization: Organization, members: dict[str, Account], preview: Preview, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    code, output, _ = preview(*only_members("--html", str(page)))
    assert code == command.NON_COMPLIANT
    assert output.endswith(f"The page is {page}.\n")
    text = page.read_text()
    path = "/".join((organization.root_id, unit_id(organization, "workloads"), unit_id(organization, "prod")))
    assert f'data-region="us-east-1" data-account="{SHOP}" data-unit="{path}"' in text
    assert f'<option value="{path}">Root/workloads/prod</option>' in text
    assert f'<option value="{SHOP}">{SHOP} (shop)</option>' in text
    assert text.count("<tr data-outcome") == 3
    assert f'<a href="#account={SHOP}">shop</a>' in text
    assert '<a href="#account=123456789012' not in text  # it has no stages
    counts = re.findall(r">([\w/]+)</a><br><small><code>[^<]*</code></small></th><td class=\"number\">(\d)", text)
    assert counts == [("Root", "4"), ("Root/workloads", "2"), ("Root/workloads/prod", "1")]
    _, output, _ = preview(*only_members("--html", "-"))
    assert output.startswith("<!DOCTYPE html>")
    assert output.endswith("</html>\n")


def test_own_account_is_read_with_own_credentials(
    sandbox: Sandbox, members: dict[str, Account], preview: Preview
) -> None:
    make_rest_stage(sandbox)
    begun = len(sandbox.calls)
    code, output, _ = preview(*only_members("--json"))
    assert code == command.NON_COMPLIANT
    assert by_account(output)["123456789012"]["stages"]["evaluated"] == 1
    assumed = [
        record.call.params["RoleArn"] for record in sandbox.calls[begun:] if record.call.operation == "AssumeRole"
    ]
    assert sorted(assumed) == [f"arn:aws:iam::{account_id}:role/{ROLE}" for account_id in (SHOP, PAY, LAB)]


def test_account_in_which_the_role_is_refused_is_listed_with_the_reason(
    organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    code, output, error = preview("--organization", ROLE, "--json")
    assert code == command.ERROR
    document, account = json.loads(output), by_account(output)[MANAGEMENT]
    assert (document["isComplete"], document["summary"]["accountsNotRead"]) == (False, 1)
    assert (account["isRead"], account["stages"], account["regions"]) == (False, None, [])
    assert f"arn:aws:iam::{MANAGEMENT}:role/{ROLE} cannot be assumed: User: " in account["error"]
    assert "trust policy" in account["error"]
    assert "--exclude-accounts" in account["error"]
    assert error == f"preview: {MANAGEMENT} (management): {account['error']}\n"
    _, output, _ = preview("--organization", ROLE, "--csv")
    [row] = [row for row in csv.DictReader(io.StringIO(output)) if row["error"]]
    assert (row["accountId"], row["region"], row["outcome"], row["error"]) == (MANAGEMENT, "", "", account["error"])
    code, output, _ = preview("--organization", ROLE)
    said = " ".join(output.split())
    assert code == command.ERROR
    assert f"{MANAGEMENT} (management): arn:aws:iam::{MANAGEMENT}:role/{ROLE} cannot be assumed" in said
    assert "1 of 5 accounts could not be read. Nothing was changed." in said
    _, output, _ = preview("--organization", ROLE, "--html", "-")
    assert "Not everything could be read" in output
    assert output.count("cannot be assumed") == 1


@pytest.mark.parametrize("state", ["SUSPENDED", "CLOSED"])
def test_account_that_is_not_active_is_listed_and_not_read(
    sandbox: Sandbox, organization: Organization, members: dict[str, Account], preview: Preview, state: str
) -> None:
    organization.states[PAY] = state
    begun = len(sandbox.calls)
    code, output, _ = preview(*only_members("--json"))
    assert code == command.ERROR
    accounts = by_account(output)
    assert (accounts[PAY]["state"], accounts[PAY]["isRead"]) == (state, False)
    assert accounts[PAY]["error"].startswith(f"not read, because the account is {state}: ")
    assert accounts[SHOP]["stages"]["evaluated"] == 1
    assert not [
        record
        for record in sandbox.calls[begun:]
        if record.call.operation == "AssumeRole" and PAY in record.call.params["RoleArn"]
    ]
    code, _, _ = preview(*only_members("--json", "--accounts", SHOP))
    assert code == command.NON_COMPLIANT


def test_units_include_those_below_them(
    organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    def chosen(*arguments: str) -> set[str]:
        code, output, _ = preview("--organization", ROLE, "--json", *arguments)
        assert code == command.NON_COMPLIANT
        return set(by_account(output))

    workloads, prod = unit_id(organization, "workloads"), unit_id(organization, "prod")
    assert chosen("--units", workloads) == {SHOP, PAY}
    assert chosen("--units", prod) == {SHOP}
    assert chosen("--units", f"{prod},{workloads}", "--exclude-accounts", SHOP) == {PAY}
    assert chosen("--units", organization.root_id, "--exclude-accounts", MANAGEMENT) == {
        SHOP,
        PAY,
        LAB,
        "123456789012",
    }
    assert chosen("--accounts", f"{LAB},{SHOP}") == {LAB, SHOP}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--accounts", f"{SHOP},444444444444"), f"444444444444 is no account of the organization {ORGANIZATION}"),
        (("--exclude-accounts", "444444444444"), "correct --exclude-accounts"),
        (("--units", "ou-ab12-00000000"), "ou-ab12-00000000 is no organizational unit of the organization"),
        (("--accounts", SHOP, "--exclude-accounts", SHOP), "no account is left"),
    ],
)
def test_choice_that_does_not_exist_is_an_error(
    members: dict[str, Account], preview: Preview, arguments: tuple[str, ...], says: str
) -> None:
    code, output, error = preview("--organization", ROLE, *arguments)
    assert (code, output) == (command.ERROR, "")
    assert says in error
    assert len(error.splitlines()) == 1


def test_caller_who_may_not_list_the_organization_gets_an_error_that_says_what_to_do(
    organization: Organization, members: dict[str, Account], preview: Preview
) -> None:
    organization.delegated[STACK_SETS].clear()
    code, output, error = preview("--organization", ROLE)
    assert (code, output) == (command.ERROR, "")
    assert "cannot be listed: You don't have permissions" in error
    assert "management account" in error
    assert "organizations:ListRoots, organizations:ListAccountsForParent" in error
    assert len(error.splitlines()) == 1


def test_caller_in_no_organization_gets_an_error_that_says_what_to_do(sandbox: Sandbox, preview: Preview) -> None:
    code, output, error = preview("--organization", ROLE)
    assert (code, output) == (command.ERROR, "")
    assert "in no organization" in error
    assert "leave out --organization" in error


def test_external_id_that_the_role_asks_for(members: dict[str, Account], preview: Preview) -> None:
    add_reader(members[SHOP], "Guarded", StringEquals={"sts:ExternalId": "secret"})
    arguments = ("--organization", "/Guarded", "--accounts", SHOP, "--json")
    code, output, _ = preview(*arguments)
    assert code == command.ERROR
    assert "--external-id" in by_account(output)[SHOP]["error"]
    code, output, _ = preview(*arguments, "--external-id", "secret")
    assert code == command.NON_COMPLIANT
    assert by_account(output)[SHOP]["stages"]["evaluated"] == 1


def test_region_that_cannot_be_read_in_one_account_does_not_hide_the_rest(
    members: dict[str, Account], preview: Preview
) -> None:
    members[PAY].disabled_regions.add("us-east-1")
    code, output, error = preview(*only_members("--json"))
    assert code == command.ERROR
    accounts = by_account(output)
    assert "not enabled" in accounts[PAY]["regions"][0]["errors"][0]
    assert accounts[SHOP]["stages"]["evaluated"] == 1
    assert error.startswith(f"preview: {PAY} (pay): us-east-1 could not be read: ")
    _, output, _ = preview(*only_members("--csv"))
    [row] = [row for row in csv.DictReader(io.StringIO(output)) if row["error"]]
    assert (row["accountName"], row["region"], row["apiId"]) == ("pay", "us-east-1", "")


def test_all_regions_are_those_of_each_account(members: dict[str, Account], preview: Preview) -> None:
    members[PAY].disabled_regions.add("eu-west-1")
    arguments = ("--organization", ROLE, "--accounts", f"{SHOP},{PAY}", "--all-regions", "--json")
    code, output, _ = preview(*arguments)
    assert code == command.NON_COMPLIANT
    accounts = by_account(output)
    assert accounts[PAY]["regionsNotEnabled"] == ["eu-west-1"]
    assert accounts[SHOP]["regionsNotEnabled"] == []


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
    add_reader(sandbox, ROLE, trusted=SHOP)
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
