"""The preview of sandbox accounts, run in this process."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.enforcement import Enforcer
from log_keeper.events.hints import StageNamed
from log_keeper.policy.findings import Problem
from log_keeper.policy.results import Outcome
from log_keeper.stages import ApiVersion, StageRef
from preview import __main__ as command
from preview import options as preview_options
from preview.report_data import COLUMNS
from preview.words import policy_parameters
from sandbox.assembly import Sandbox
from sandbox.services.cloudformation import templates
from testing.accounts import (
    get_stage,
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_role,
    make_websocket_stage,
    patch_stage,
    set_log_role,
)
from testing.builders import ACCOUNT, SETTINGS
from testing.previews import Preview

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = templates.parse_source((ROOT / "template.yaml").read_text())["Parameters"]


def remediate(sandbox: Sandbox, api_id: str, version: ApiVersion, stage_name: str, region: str = "us-east-1") -> None:
    """Remediate the stage and set the account's log role, with the code that the function runs."""
    if not Clients(lambda: Pace(1000)).apigateway(region).get_account().get("cloudwatchRoleArn"):
        set_log_role(sandbox, make_role(sandbox, f"Logs-{region}"), region)
    enforcer = Enforcer(Clients(lambda: Pace(1000)), SETTINGS, sandbox.now, wait=lambda seconds: None)
    result, _ = enforcer.enforce(StageNamed(StageRef(ACCOUNT, region, version, api_id, stage_name)))
    assert result.outcome is Outcome.REMEDIATED


def stages(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(stage["region"], stage["apiId"]): stage for region in document["regions"] for stage in region["stages"]}


def test_defaults_are_those_of_the_template() -> None:
    arguments = command.parser().parse_args([])
    policy = command.policy_of(arguments, "aws")
    assert policy_parameters(policy) == {name: str(PARAMETERS[name]["Default"]) for name in policy_parameters(policy)}
    assert arguments.rate == float(PARAMETERS["SweepRate"]["Default"])


def test_every_parameter_that_decides_about_a_stage_is_an_option() -> None:
    """The parameters of the policy, of log groups and of log forwarding, except those that matter only for changes."""
    groups = templates.parse_source((ROOT / "template.yaml").read_text())["Metadata"]["AWS::CloudFormation::Interface"]
    wanted = {name for group in groups["ParameterGroups"][:3] for name in group["Parameters"]}
    policy = command.policy_of(command.parser().parse_args([]), "aws")
    only_changes = {"Mode", "LogGroupKmsKeyArn", "FunctionLogRetentionDays", "MissingLogGroupMinutes"}
    only_changes |= {"LogGroupTags", "CopyTagKeys", "AccessLogClass", "ExecutionLogClass"}
    only_changes |= {"LogGroupDeletionProtection"}
    assert set(policy_parameters(policy)) == wanted - only_changes


def test_destinations_and_roles_of_log_forwarding_are_checked_as_the_deployment_checks_them() -> None:
    assert PARAMETERS["ForwardAccessLogsTo"]["AllowedPattern"] == f"|{preview_options.DESTINATION.pattern}"
    assert PARAMETERS["ForwardRoleArn"]["AllowedPattern"] == f"|{preview_options.ROLE_ARN.pattern}"


def test_options_become_the_policy() -> None:
    options = "--info-tag-key=k --allow-data-trace --access-log-format=CLF --detailed-metrics"
    name = "/access-logs/${apiId}/${stage}"
    retentions = [
        f"--access-log-group-name={name}",
        "--access-log-retention-days=7",
        "--execution-log-retention-days=3",
    ]
    tags = ["--exempt-tag-key=e", "--owner-tag-key=o"]
    formats = ["--rest-access-log-format=$context.requestId", "--websocket-access-log-format=/log-keeper/websocket"]
    siem, role = "arn:aws:logs:us-east-1:210987654321:destination:siem", f"arn:aws:iam::{ACCOUNT}:role/Forward"
    forwarding = [
        f"--forward-access-logs-to={siem}",
        f"--forward-execution-logs-to={siem}",
        f"--forward-role-arn={role}",
    ]
    arguments = command.parser().parse_args([*options.split(), *tags, *retentions, *formats, *forwarding])
    assert policy_parameters(command.policy_of(arguments, "aws")) == {
        "InfoTagKey": "k",
        "AllowDataTrace": "Yes",
        "AccessLogFormat": "CLF",
        "RestAccessLogFormat": "$context.requestId",
        "HttpAccessLogFormat": "",
        "WebSocketAccessLogFormat": "/log-keeper/websocket",
        "AccessLogGroupName": name,
        "DetailedMetrics": "Yes",
        "ExemptTagKey": "e",
        "OwnerTagKey": "o",
        "AccessLogRetentionDays": "7",
        "ExecutionLogRetentionDays": "3",
        "ForwardAccessLogsTo": siem,
        "ForwardExecutionLogsTo": siem,
        "ForwardRoleArn": role,
    }


def test_stages_of_all_protocols_compliant_and_not(sandbox: Sandbox, preview: Preview) -> None:
    good = {
        make_rest_stage(sandbox): (ApiVersion.V1, "prod"),
        make_http_stage(sandbox): (ApiVersion.V2, "$default"),
        make_websocket_stage(sandbox): (ApiVersion.V2, "prod"),
    }
    for api_id, (version, stage_name) in good.items():
        remediate(sandbox, api_id, version, stage_name)
    code, output, _ = preview("--json")
    assert code == command.COMPLIANT
    assert {api_id: stage["outcome"] for (_, api_id), stage in stages(json.loads(output)).items()} == dict.fromkeys(
        good, "compliant"
    )
    bad = {make_rest_stage(sandbox), make_http_stage(sandbox), make_websocket_stage(sandbox)}
    elsewhere = make_rest_stage(sandbox, region="eu-west-1")
    code, output, _ = preview("--json", "--region", "us-east-1", "--region", "eu-west-1", "--region", "us-east-1")
    document = json.loads(output)
    assert code == command.NON_COMPLIANT
    outcomes = {api_id: stage["outcome"] for (_, api_id), stage in stages(document).items()}
    assert outcomes == dict.fromkeys(good, "compliant") | dict.fromkeys(bad | {elsewhere}, "would be remediated")
    assert [region["logRole"]["status"] for region in document["regions"]] == ["valid", "invalid"]
    assert document["summary"]["stages"] == {
        "evaluated": 7,
        "compliant": 3,
        "wouldBeRemediated": 4,
        "nonCompliant": 0,
        "exempt": 0,
        "optedIn": 0,
    }
    assert {name: counted["wouldBeRemediated"] for name, counted in document["summary"]["byProtocol"].items()} == {
        "REST": 2,
        "HTTP": 1,
        "WEBSOCKET": 1,
    }


def test_changes_in_the_preview_are_those_that_enforcing_makes(sandbox: Sandbox, preview: Preview) -> None:
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/dataTrace", "true"))
    _, output, _ = preview("--json")
    [stage] = stages(json.loads(output)).values()
    before = get_stage(sandbox, api_id)
    enforcer = Enforcer(Clients(lambda: Pace(1000)), SETTINGS, sandbox.now, wait=lambda seconds: None)
    result, _ = enforcer.enforce(StageNamed(StageRef(ACCOUNT, "us-east-1", ApiVersion.V1, api_id, "prod")))
    assert before != get_stage(sandbox, api_id)
    assert [(change["setting"], change["from"], change["to"], change["reason"]) for change in stage["changes"]] == [
        (change.setting, change.before, change.after, change.reason) for change in result.changes
    ]
    assert {group["name"]: group["step"] for group in stage["logGroups"]} == {
        name: step.planned for name, step in result.log_groups.items()
    }


def test_nothing_is_changed(sandbox: Sandbox, preview: Preview, tmp_path: Path) -> None:
    """Every call, with every option, only reads."""
    make_rest_stage(sandbox)
    make_http_stage(sandbox)
    make_websocket_stage(sandbox)
    make_role(sandbox, "APIGatewayCloudWatchLogs", policy=None)
    begun = len(sandbox.calls)
    page = str(tmp_path / "page.html")
    for arguments in ([], ["--json"], ["--csv"], ["--html", page], ["--detailed-metrics", "--region", "eu-west-1"]):
        assert preview(*arguments)[0] in (command.NON_COMPLIANT, command.COMPLIANT)
    made = sandbox.calls[begun:]
    operations = {record.call.operation for record in made}
    assert all(name.startswith(("Get", "List", "Describe", "Simulate")) for name in operations)
    assert {"GetRestApis", "GetApis", "GetStages", "GetAccount", "DescribeLogGroups", "DescribeTrails"} <= operations


def test_permissions_of_the_help_are_enough(
    sandbox: Sandbox, preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The help names all permissions that it needs. Without the one about the log role, the rest is shown."""
    make_rest_stage(sandbox)
    set_log_role(sandbox, make_role(sandbox))
    iam = sandbox.client("iam")
    iam.create_user(UserName="auditor")
    actions = {
        "apigateway:GET",
        "logs:DescribeLogGroups",
        "logs:DescribeDeliverySources",
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetTrailStatus",
        "cloudtrail:GetEventSelectors",
    }
    _, help_text, _ = preview("--help")
    assert all(action in help_text for action in actions)
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def allow(*allowed: str) -> None:
        statement = {"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="auditor", PolicyName="Read", PolicyDocument=policy)

    allow(*actions)
    code, output, error = preview("--json")
    assert (code, error) == (command.NON_COMPLIANT, "")
    allow(*actions - {"iam:SimulatePrincipalPolicy"})
    code, output, error = preview("--json")
    document = json.loads(output)
    assert code == command.ERROR
    assert len(stages(document)) == 1
    assert document["regions"][0]["logRole"] is None
    assert "the account's log role could not be read: access is denied" in error
    allow(*actions - {"apigateway:GET"})
    code, output, error = preview()
    assert code == command.ERROR
    assert "us-east-1 could not be read: access is denied to these credentials" in " ".join(output.split())


def test_region_that_cannot_be_read_is_reported_and_the_others_are_shown(sandbox: Sandbox, preview: Preview) -> None:
    make_rest_stage(sandbox, region="eu-west-1")
    sandbox.disabled_regions.add("us-east-1")  # the configuration's own, too
    code, output, error = preview("--json", "--region", "us-east-1", "--region", "eu-west-1")
    document = json.loads(output)
    assert code == command.ERROR
    assert len(stages(document)) == 1
    assert "not enabled" in document["regions"][0]["errors"][0]
    assert error.startswith("preview: us-east-1 could not be read: ")
    assert not document["isComplete"]


def test_all_regions_are_those_that_accept_the_credentials(sandbox: Sandbox, preview: Preview) -> None:
    make_rest_stage(sandbox, region="eu-central-1")
    sandbox.disabled_regions.update({"ap-east-1", "me-south-1"})
    code, output, _ = preview("--json", "--all-regions")
    document = json.loads(output)
    assert code == command.NON_COMPLIANT
    regions = {region["region"] for region in document["regions"]}
    assert {"us-east-1", "eu-central-1"} < regions
    assert regions.isdisjoint({"ap-east-1", "me-south-1"})
    assert document["regionsNotEnabled"] == ["ap-east-1", "me-south-1"]
    # A region without APIs needs no role.
    assert [region["region"] for region in document["regions"] if region["logRole"]["isNeeded"]] == ["eu-central-1"]


def test_preview_of_a_region_without_a_trail_has_a_finding(sandbox: Sandbox, preview: Preview) -> None:
    sandbox.client("cloudtrail").stop_logging(Name="organization")
    code, output, _ = preview("--json")
    assert code == command.COMPLIANT
    assert [finding["problem"] for finding in json.loads(output)["regions"][0]["findings"]] == [
        "no CloudTrail trail logs management write events: only the sweep finds changes"
    ]
    _, output, _ = preview()
    assert "Needs action: us-east-1: no CloudTrail trail" in output


def test_execution_logs_that_are_delivered_elsewhere_are_a_finding(sandbox: Sandbox, preview: Preview) -> None:
    sandbox.iam_propagation_seconds = 0
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "ERROR"))
    make_delivery(sandbox, api_id, "arn:aws:s3:::execution-logs")
    _, output, _ = preview("--json")
    [stage] = stages(json.loads(output)).values()
    found = {"problem": Problem.DELIVERED_ELSEWHERE, "detail": "arn:aws:s3:::execution-logs"}
    assert found in stage["findings"]
    assert f"API-Gateway-Execution-Logs_{api_id}/prod" not in json.dumps(stage["logGroups"])


def test_json_has_these_members(sandbox: Sandbox, preview: Preview) -> None:
    make_rest_stage(sandbox)
    document = json.loads(preview("--json")[1])
    [region], [stage] = document["regions"], document["regions"][0]["stages"]
    assert document["version"] == 1
    assert list(document) == [
        "version",
        "generatedAt",
        "account",
        "policy",
        "isCompliant",
        "isComplete",
        "summary",
        "regions",
        "regionsNotEnabled",
    ]
    assert list(region) == ["region", "logRole", "hasTrail", "findings", "errors", "stages"]
    assert list(region["logRole"]) == ["status", "roleArn", "fault", "limits", "isNeeded"]
    assert list(stage) == [
        "region",
        "protocol",
        "apiId",
        "apiName",
        "stageName",
        "owner",
        "outcome",
        "isOptedIn",
        "infoUntil",
        "exemption",
        "changes",
        "logGroups",
        "description",
        "findings",
    ]
    assert stage["apiName"] == "shop"
    assert {tuple(change) for change in stage["changes"]} == {("setting", "override", "from", "to", "reason")}
    assert {tuple(group) for group in stage["logGroups"]} == {("name", "step", "retentionDays")}
    assert {tuple(step) for step in stage["description"]} == {("what", "why", "logGroup")}


def test_csv_has_a_row_for_each_stage(sandbox: Sandbox, preview: Preview) -> None:
    api_id = make_rest_stage(sandbox)
    code, output, _ = preview("--csv")
    assert code == command.NON_COMPLIANT
    [row] = csv.DictReader(io.StringIO(output))
    assert (row["region"], row["apiId"], row["outcome"]) == ("us-east-1", api_id, "would be remediated")
    assert "change execution logging level from OFF to ERROR" in row["changes"]


def test_page_is_written_in_addition_to_the_tables(sandbox: Sandbox, preview: Preview, tmp_path: Path) -> None:
    make_rest_stage(sandbox)
    page = tmp_path / "page.html"
    code, output, _ = preview("--html", str(page))
    assert code == command.NON_COMPLIANT
    assert "shop/prod" in output
    assert output.endswith(f"The page is {page}.\n")
    assert page.read_text().startswith("<!DOCTYPE html>")
    _, output, error = preview("--csv", "--html", str(page))
    assert (output.splitlines()[0], error) == (",".join(COLUMNS), f"The page is {page}.\n")
    _, output, _ = preview("--html", "-")
    assert output.startswith("<!DOCTYPE html>")
    code, _, error = preview("--html", str(tmp_path / "no" / "page.html"))
    assert code == command.ERROR
    assert "cannot be written" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "--csv"),
        ("--json", "--html", "-"),
        ("--region", "eu-west-1", "--all-regions"),
        ("--rate", "0"),
        ("--rate", "many"),
        ("--access-log-retention-days", "0"),
        ("--access-log-format", "YAML"),
        ("--nonsense",),
    ],
)
def test_wrong_usage_is_reported(preview: Preview, arguments: tuple[str, ...]) -> None:
    code, output, error = preview(*arguments)
    assert (code, output) == (command.WRONG_USAGE, "")
    assert "error:" in error
