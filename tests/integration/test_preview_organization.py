"""The preview of all accounts of an organization, run in this process."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from preview import __main__ as command
from preview.organization_data import ORGANIZATION_COLUMNS
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.services.organizations.organization import STACK_SETS, Organization
from testing.accounts import (
    make_http_stage,
    make_rest_stage,
)
from testing.organization_previews import LAB, PAY, ROLE, SHOP, by_account, new_members, only_members, unit_id
from testing.organizations import MANAGEMENT, ORGANIZATION, add_role, new_organization
from testing.previews import Preview

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def organization(sandbox: Sandbox) -> Organization:
    return new_organization(sandbox)


@pytest.fixture
def members(sandbox: Sandbox, organization: Organization) -> dict[str, Account]:
    return new_members(sandbox, organization)


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
    add_role(members[SHOP], "Guarded", "*", StringEquals={"sts:ExternalId": "secret"})
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
