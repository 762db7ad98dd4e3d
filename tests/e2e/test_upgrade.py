"""An update of the stack loses no event and replaces no resource that has a name or holds messages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sandbox import deployment
from testing.accounts import log_groups, make_rest_stage, tag_rest_stage
from testing.floods import Flood
from testing.stacks import ALL_PARTS, Deployed, pass_time_until_idle
from testing.templates import RESOURCES
from tools import translate

#: For every parameter, a value that differs from the one of ``ALL_PARTS``.
OTHER_VALUES = {
    "Mode": "Audit",
    "InfoTagKey": "level",
    "AllowDataTrace": "Yes",
    "AccessLogFormat": "CLF",
    "RestAccessLogFormat": "$context.requestId",
    "HttpAccessLogFormat": "/log-keeper/http",
    "WebSocketAccessLogFormat": "$context.extendedRequestId",
    "DetailedMetrics": "Yes",
    "ExemptTagKey": "exempt",
    "OwnerTagKey": "team",
    "AccessLogRetentionDays": "1",
    "ExecutionLogRetentionDays": "1",
    "FunctionLogRetentionDays": "1",
    "LogGroupKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
    "LogGroupTags": "cost-center=42",
    "CopyTagKeys": "team",
    "AccessLogClass": "InfrequentAccess",
    "ExecutionLogClass": "InfrequentAccess",
    "LogGroupDeletionProtection": "Yes",
    "AccessLogGroupName": "/access-logs/${apiId}/${stage}",
    "MissingLogGroupMinutes": "1",
    "ForwardAccessLogsTo": "arn:aws:lambda:us-east-1:123456789012:function:siem",
    "ForwardExecutionLogsTo": "arn:aws:kinesis:us-east-1:123456789012:stream/siem",
    "ForwardRoleArn": "arn:aws:iam::123456789012:role/Forward",
    "LogRoleName": "Other",
    "LogRoleArn": "arn:aws:iam::123456789012:role/Other",
    "LogRolePermissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/AdministratorAccess",
    "RolePath": "/platform/",
    "RoleNamePrefix": "org-",
    "Regions": "eu-west-2",
    "SettleSeconds": "7",
    "SweepSchedule": "rate(2 days)",
    "SweepRate": "3",
    "AlarmEmail": "others@example.com",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:ours",
    "CreateTrail": "No",
    "OrganizationId": "o-a1b2c3d4e5",
    "MemberOUs": "ou-ab12-12345678",
    "EnforceOUs": "ou-ab12-12345678",
    "ExcludedAccounts": "111111111111",
}


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    return deploy(**ALL_PARTS)


def next_version(folder: Path) -> Path:
    """Return a folder with another version of the built application: other user agent, other size of batches."""
    build = folder / ".aws-sam" / "build"
    shutil.copytree(deployment.ROOT / ".aws-sam" / "build", build, copy_function=os.link)
    for name in ("samconfig.toml", "forwarders.yaml", "members.yaml", "enforcement.yaml"):
        shutil.copy(deployment.ROOT / name, folder)

    def change(file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert text.count(old) == 1
        file.unlink()  # since writing to the link would change the built application
        file.write_text(text.replace(old, new))

    change(build / "template.yaml", "BatchSize: 10", "BatchSize: 5")
    for function in ("EnforceFunction", "SweepFunction"):
        module = build / function / "log_keeper" / "aws" / "clients.py"
        change(module, '"log-keeper"', '"log-keeper-next"')
    return folder


#: Resources whose names the template gives: each name is unique in the account.
NAMED = {
    "Dashboard": "DashboardName",
    "EnforceLogGroup": "LogGroupName",
    "Enforcement": "StackSetName",
    "Forwarders": "StackSetName",
    "MemberDeployedRule": "Name",
    "MemberLogPolicyChangedRule": "Name",
    "MemberStageChangedRule": "Name",
    "Members": "StackSetName",
    "OptInScheduleGroup": "Name",
    "OrganizationBus": "Name",
    "StagesRemediatedRule": "RuleName",
    "SweepLogGroup": "LogGroupName",
    "Trail": "TrailName",
}


def test_resources_with_names_keep_their_logical_ids() -> None:
    """CloudFormation creates a resource of a new logical id before it deletes the old one, and the name is still taken.

    Then no stack can be updated. Saved queries are left out: two of them may have the same name.
    """
    named = {
        logical_id: name
        for logical_id, resource in RESOURCES.items()
        for name in resource["Properties"]
        if re.fullmatch("[A-Za-z]*Name", name)
        and name not in ("PolicyName", "MetricName", "S3BucketName", "ExecutionRoleName", "RoleName", "GroupName")
        and name != "EventBusName"
        and resource["Type"] != "AWS::Logs::QueryDefinition"
    }
    assert named == NAMED


@pytest.mark.parametrize("left_out", ["LogClass", "LogsTo"])
def test_no_parameter_replaces_a_queue_or_a_resource_with_a_name(stack: Deployed, left_out: str) -> None:
    """A replaced queue loses its messages. A replacement cannot be created while the old resource has the same name.

    Log groups of the class Infrequent Access cannot be forwarded.
    """
    client = stack.sandbox.client("cloudformation")
    template = client.get_template_summary(StackName="log-keeper")
    assert {parameter["ParameterKey"] for parameter in template["Parameters"]} == set(OTHER_VALUES)
    values = {name: value for name, value in OTHER_VALUES.items() if not name.endswith(left_out)}
    # A role with another path also gets another name, and may therefore be replaced.
    assert replaced(stack, "log-keeper", values, at_least=10) <= {
        name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"
    }
    nested = client.describe_stack_resource(StackName="log-keeper", LogicalResourceId="Observability")
    passed = translate.resolved(translate.translated(), values)["Observability"]["Parameters"]
    physical_id = nested["StackResourceDetail"]["PhysicalResourceId"]
    assert replaced(stack, physical_id, passed, at_least=5) == {"AlarmSubscription"}


def replaced(stack: Deployed, name: str, values: Mapping[str, str], at_least: int) -> set[str]:
    """Return the resources that would be replaced with these parameters, of which many change."""
    client = stack.sandbox.client("cloudformation")
    client.create_change_set(
        StackName=name,
        ChangeSetName="all",
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
    )
    changes = client.describe_change_set(StackName=name, ChangeSetName="all")["Changes"]
    client.delete_change_set(StackName=name, ChangeSetName="all")
    found = [change["ResourceChange"] for change in changes]
    assert len(found) > at_least
    return {change["LogicalResourceId"] for change in found if change.get("Replacement") == "True"}


def test_update_while_stages_are_created_loses_no_event(stack: Deployed, tmp_path: Path) -> None:
    """The update changes code, parameters, a queue and its mapping. Every event that waits or is in process is handled.

    It also changes the tag of the opt-in, which ends every opt-in by the former tag, as docs/removal.md advises.
    """
    opted_in = make_rest_stage(stack.sandbox)
    tag_rest_stage(stack.sandbox, opted_in, {"execution-logs": "INFO"})
    stack.wait_until_compliant(opted_in, level="INFO")
    flood = Flood(stack.sandbox, at_once=50, later=50)
    with flood.during("ExecuteChangeSet"):
        changed = ALL_PARTS | {"InfoTagKey": "level", "AccessLogRetentionDays": "30", "SettleSeconds": "1"}
        outputs = deployment.deploy(stack.sandbox, changed, folder=next_version(tmp_path))
    assert outputs == stack.outputs
    mappings = stack.sandbox.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["BatchSize"] for mapping in mappings} == {1, 5}
    assert len(flood.stages) >= 100
    pass_time_until_idle(stack.sandbox)
    assert all(stack.is_compliant(*stage) for stage in [*flood.stages, (opted_in, "prod")])
    assert stack.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}
    # Both versions remediated stages, and the log groups have the retention of one or the other.
    assert {
        "log-keeper-next" in made.call.user_agent
        for made in stack.sandbox.calls
        if made.call.operation == "UpdateStage"
        and (made.call.params["restApiId"], made.call.params["stageName"]) in flood.stages
    } == {False, True}
    groups = log_groups(stack.sandbox)
    assert {groups[f"/aws/vendedlogs/apigateway/{api}/{name}"] for api, name in flood.stages} == {365, 30}
