"""The sandbox's CloudFormation creates, updates and deletes a resource of each type."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from sandbox.assembly import Sandbox
from sandbox.core.resource_types import CUSTOM, TYPES
from sandbox.services.cloudformation import templates
from testing.clients import client
from testing.cloudformation import NAME, create, outputs, physical, stack, template, update

NESTED = template(
    {"Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Value"}}}},
    Parameters={"Value": {"Type": "String"}},
    Outputs={"Value": {"Value": {"Ref": "Value"}}},
)
TEMPLATE = Path(__file__).with_name("every_resource_type.yaml").read_text()


def every_type(version: int) -> str:
    """Return the template with a resource of each type. ``version``: 1 for the new stack, 2 for its update."""
    return re.sub(r"<([^<>|]*)\|([^<>|]*)>", rf"\{version}", TEMPLATE)


def test_resource_of_every_type_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    declared = {each["Type"] for each in templates.parse(every_type(1))["Resources"].values()}
    assert declared == TYPES.keys() - {CUSTOM}, "custom resources have tests of their own"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as layer:
        layer.writestr("python/x.py", "")
    client(sandbox, "s3").create_bucket(Bucket="code")
    client(sandbox, "s3").put_object(Bucket="code", Key="layer", Body=archive.getvalue())
    client(sandbox, "s3").put_object(Bucket="code", Key="nested", Body=NESTED.encode())

    made = create(sandbox, every_type(1))
    assert made["StackStatus"] == "CREATE_COMPLETE", _failures(sandbox)
    before = physical(sandbox)
    assert update(sandbox, every_type(2))["StackStatus"] == "UPDATE_COMPLETE", _failures(sandbox)
    after = physical(sandbox)

    # Only resources that cannot be changed are replaced.
    assert {name for name in before if before[name] != after[name]} == {"Path", "Method"}
    iam = client(sandbox, "iam")
    assert iam.get_role(RoleName=after["Role"])["Role"]["Description"] == "2"
    names = iam.list_role_policies(RoleName=after["Role"])["PolicyNames"]
    assert set(names) == {"p2", "shared", "rp"}
    assert iam.list_attached_role_policies(RoleName=after["Role"])["AttachedPolicies"] == []
    queue = client(sandbox, "sqs").get_queue_attributes(QueueUrl=after["Queue"], AttributeNames=["All"])["Attributes"]
    assert queue["DelaySeconds"] == "2"
    assert "sqs:Send2" in queue["Policy"]
    rest_stage = client(sandbox, "apigateway").get_stage(restApiId=after["Api"], stageName="prod")
    assert (rest_stage["description"], rest_stage["variables"], rest_stage["tags"]["n"]) == ("2", {"v": "2"}, "2")
    assert {key: each["throttlingBurstLimit"] for key, each in rest_stage["methodSettings"].items()} == {"*/*": 2}
    authorizer = client(sandbox, "apigatewayv2").get_authorizer(
        ApiId=after["Http"], AuthorizerId=after["HttpAuthorizer"]
    )
    assert authorizer["Name"] == "jwt2"
    groups = client(sandbox, "logs").describe_log_groups(logGroupNamePrefix=after["Log"])["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [14]
    rule = client(sandbox, "events").list_targets_by_rule(Rule=after["Rule"].split("|")[1], EventBusName="bus")
    assert [target["Id"] for target in rule["Targets"]] == ["2"]
    assert outputs(stack(sandbox, after["Nested"])) == {"Value": "2"}

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert iam.list_roles()["Roles"] == []
    assert client(sandbox, "lambda").list_functions()["Functions"] == []
    assert client(sandbox, "logs").describe_log_groups(logGroupNamePrefix=after["Log"])["logGroups"] == []
    assert [bus["Name"] for bus in client(sandbox, "events").list_event_buses()["EventBuses"]] == ["default"]


def _failures(sandbox: Sandbox) -> list[str]:
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event["ResourceStatus"].endswith("_FAILED")]
