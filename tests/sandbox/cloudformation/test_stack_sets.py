"""Stack sets: a stack for each region, created by two roles, with a rule that forwards events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, history, stack, template
from testing.nested_stacks import nesting, upload

ACCOUNT = "123456789012"
HOME, ABROAD, FURTHER = "us-east-1", "eu-west-1", "ap-southeast-2"
PATTERN = {"source": ["aws.apigateway"], "detail-type": ["AWS API Call via CloudTrail"]}


def trusting(**principal: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}


def allowing(action: Any, resource: Any = "*") -> list[dict[str, Any]]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return [{"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}}]


CHILD = template(
    {
        "Forward": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Description": {"Ref": "Note"},
                "EventPattern": PATTERN,
                "Targets": [{"Id": "home", "Arn": {"Ref": "Bus"}, "RoleArn": {"Ref": "Role"}}],
            },
        }
    },
    Parameters={"Bus": {"Type": "String"}, "Role": {"Type": "String"}, "Note": {"Type": "String", "Default": "n"}},
)
BUS = {"Fn::Sub": f"arn:aws:events:${{AWS::Region}}:{ACCOUNT}:event-bus/default"}
EXECUTION = ["cloudformation:*", "events:*", "iam:PassRole"]


def forwarding(*regions: str, execution: Any = EXECUTION, note: str = "n", **changes: Any) -> str:
    """Return a template of a queue for the default bus, and of a stack set that forwards to it from *regions*."""
    administration: Any = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": trusting(Service="cloudformation.amazonaws.com"),
            "Policies": allowing("sts:AssumeRole", {"Fn::GetAtt": ["Execution", "Arn"]}),
        },
    }
    administration["Properties"]["Policies"] = allowing("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/execution")
    resources: dict[str, Any] = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "arrived"}},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                        }
                    ]
                },
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": PATTERN,
                "Targets": [{"Id": "q", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
            },
        },
        "Forwarder": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trusting(Service="events.amazonaws.com"),
                "Policies": allowing("events:PutEvents", BUS),
            },
        },
        "Administration": administration,
        "Execution": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "execution",
                "AssumeRolePolicyDocument": trusting(AWS={"Fn::GetAtt": ["Administration", "Arn"]}),
                "Policies": allowing(execution),
            },
        },
    }
    if regions:
        resources["Regions"] = {
            "Type": "AWS::CloudFormation::StackSet",
            "Properties": {
                "StackSetName": "forwarding",
                "PermissionModel": "SELF_MANAGED",
                "AdministrationRoleARN": {"Fn::GetAtt": ["Administration", "Arn"]},
                "ExecutionRoleName": {"Ref": "Execution"},
                "StackInstancesGroup": [
                    {"DeploymentTargets": {"Accounts": [{"Ref": "AWS::AccountId"}]}, "Regions": list(regions)}
                ],
                "TemplateBody": CHILD,
                "Parameters": [
                    {"ParameterKey": "Bus", "ParameterValue": BUS},
                    {"ParameterKey": "Role", "ParameterValue": {"Fn::GetAtt": ["Forwarder", "Arn"]}},
                    {"ParameterKey": "Note", "ParameterValue": note},
                ],
                "OperationPreferences": {"FailureToleranceCount": 1, "RegionConcurrencyType": "PARALLEL"},
                "ManagedExecution": {"Active": True},
                "Capabilities": ["CAPABILITY_IAM"],
                **changes,
            },
        }
    return template(resources)


def deploy(sandbox: Sandbox, body: str) -> dict[str, Any]:
    return create(sandbox, body, Capabilities=["CAPABILITY_NAMED_IAM"])


def change(sandbox: Sandbox, body: str) -> dict[str, Any]:
    client(sandbox, "cloudformation").update_stack(
        StackName=NAME, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    return stack(sandbox)


def instances(sandbox: Sandbox) -> dict[str, tuple[str, str]]:
    """Return status and detailed status of each region's instance."""
    found = client(sandbox, "cloudformation").list_stack_instances(StackSetName="forwarding")["Summaries"]
    return {each["Region"]: (each["Status"], each["StackInstanceStatus"]["DetailedStatus"]) for each in found}


def rules(sandbox: Sandbox, region: str) -> list[str]:
    return [each.get("Description", "") for each in client(sandbox, "events", region).list_rules()["Rules"]]


def arrived(sandbox: Sandbox) -> set[tuple[str, str]]:
    """Return region and event name of the messages in the home region's queue."""
    sqs = client(sandbox, "sqs")
    url = sqs.get_queue_url(QueueName="arrived")["QueueUrl"]
    found: set[tuple[str, str]] = set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        events = [json.loads(message["Body"]) for message in messages]
        found |= {(event["region"], event["detail"]["eventName"]) for event in events}
    return found


GOOD = ("CURRENT", "SUCCEEDED")
FAILED = ("OUTDATED", "FAILED")


@pytest.mark.parametrize("reads", [False, True])
def test_execution_role_may_be_limited_to_the_sets_own_stacks(*, reads: bool) -> None:
    """Whether it must be allowed to read all other stacks is not known."""
    own = f"arn:aws:cloudformation:*:{ACCOUNT}:stack/StackSet-forwarding-*/*"
    execution = [
        {"Effect": "Allow", "Action": "cloudformation:*", "Resource": own},
        {"Effect": "Allow", "Action": ["events:*", "iam:PassRole"], "Resource": "*"},
    ]
    with Sandbox(iam_propagation_seconds=0, stack_sets_read_all_stacks=reads) as sandbox:
        body = json.loads(forwarding(ABROAD))
        [policy] = body["Resources"]["Execution"]["Properties"]["Policies"]
        policy["PolicyDocument"]["Statement"] = execution
        deploy(sandbox, json.dumps(body))
        assert instances(sandbox) == {ABROAD: FAILED if reads else GOOD}


def test_stack_set_in_a_nested_stack_is_deployed_and_deleted_with_the_outermost_stack(sandbox: Sandbox) -> None:
    made = deploy(sandbox, nesting(upload(sandbox, "forwarding", forwarding(HOME, ABROAD))))

    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert rules(sandbox, ABROAD) == ["n"]
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert rules(sandbox, ABROAD) == []


def test_create_stack_instances_retries_an_instance_that_failed(sandbox: Sandbox) -> None:
    """The instance that is CURRENT stays unchanged."""
    name = client(sandbox, "events", ABROAD).put_rule(Name="forward", EventPattern=json.dumps(PATTERN))
    child = json.loads(CHILD)
    child["Resources"]["Forward"]["Properties"]["Name"] = "forward"
    assert name["RuleArn"].endswith("rule/forward")
    deploy(sandbox, forwarding(ABROAD, FURTHER, TemplateBody=json.dumps(child)))
    assert instances(sandbox) == {ABROAD: FAILED, FURTHER: GOOD}
    client(sandbox, "events", ABROAD).delete_rule(Name="forward")
    client(sandbox, "cloudformation").create_stack_instances(
        StackSetName="forwarding", Accounts=[ACCOUNT], Regions=[ABROAD, FURTHER]
    )
    assert instances(sandbox) == {ABROAD: GOOD, FURTHER: GOOD}


@pytest.mark.parametrize("allowed", [False, True])
def test_template_in_a_bucket_is_read_with_the_callers_permission(sandbox: Sandbox, *, allowed: bool) -> None:
    """*Source:* aws-solutions/quota-monitor-for-aws, issue 82: "S3 error: Access Denied" about a nested template"""
    client(sandbox, "s3").create_bucket(Bucket="templates")
    client(sandbox, "s3").put_object(Bucket="templates", Key="child.template", Body=CHILD.encode())
    iam = client(sandbox, "iam")
    iam.create_user(UserName="deployer")
    actions = ["cloudformation:CreateStackSet", *(["s3:GetObject"] if allowed else [])]
    [policy] = allowing(actions)
    document = json.dumps({"Version": "2012-10-17", **policy["PolicyDocument"]})
    iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=document)
    deployer = client(sandbox, "cloudformation", credentials=iam.create_access_key(UserName="deployer")["AccessKey"])

    def create_set() -> Any:
        url = "https://s3.us-east-1.amazonaws.com/templates/child.template"
        return deployer.create_stack_set(StackSetName="forwarding", TemplateURL=url)

    if allowed:
        create_set()
        described = client(sandbox, "cloudformation").describe_stack_set(StackSetName="forwarding")["StackSet"]
        assert described["TemplateBody"] == CHILD
    else:
        code, message = refusal(create_set)
        assert (code, message.split(":")[0]) == ("ValidationError", "S3 error")


def test_events_of_other_regions_reach_the_home_region(sandbox: Sandbox) -> None:
    described = deploy(sandbox, forwarding(ABROAD, FURTHER))
    assert described["StackStatus"] == "CREATE_COMPLETE", described.get("StackStatusReason")
    assert instances(sandbox) == {ABROAD: GOOD, FURTHER: GOOD}
    (child,) = client(sandbox, "cloudformation", ABROAD).describe_stacks()["Stacks"]
    assert child["StackName"].startswith("StackSet-forwarding-")
    for region in (HOME, ABROAD, FURTHER):
        make_rest_stage(sandbox, region=region)
    assert {(region, "CreateDeployment") for region in (HOME, ABROAD, FURTHER)} <= arrived(sandbox)
    assert not sandbox.dropped_events
    # The calls that services made with the roles are recorded, with the permissions they needed.
    asked = {
        (record.call.caller.invoked_by, record.call.operation, need.action, need.resource)
        for record in sandbox.calls
        if record.call.user_agent == record.call.caller.invoked_by
        for need in record.needs
    }
    reads = ("ListStacks", "DescribeStacks", "DescribeStackDriftDetectionStatus")
    assert asked == {
        *(("cloudformation.amazonaws.com", "ListStacks", f"cloudformation:{action}", "*") for action in reads),
        ("cloudformation.amazonaws.com", "AssumeRole", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/execution"),
        ("events.amazonaws.com", "PutEvents", "events:PutEvents", f"arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default"),
    }


def trusted_for(role: str, resource: str) -> str:
    """Return the template of ``forwarding`` in which a role trusts the service for this resource only."""
    body = json.loads(forwarding(ABROAD))
    [statement] = body["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    service = statement["Principal"]["Service"].split(".")[0]
    statement["Condition"] = {"ArnLike": {"aws:SourceArn": f"arn:aws:{service}:*:{ACCOUNT}:{resource}"}}
    return json.dumps(body)


@pytest.mark.parametrize(("name", "status"), [("another", "ROLLBACK_COMPLETE"), ("forwarding", "CREATE_COMPLETE")])
def test_trust_for_a_stack_set_is_compared_with_the_set(sandbox: Sandbox, name: str, status: str) -> None:
    assert deploy(sandbox, trusted_for("Administration", f"stackset/{name}:*"))["StackStatus"] == status


@pytest.mark.parametrize(("name", "dropped"), [("another", {ABROAD}), ("StackSet-forwarding-*", set())])
def test_trust_for_a_rules_target_is_compared_with_the_rule(sandbox: Sandbox, name: str, dropped: set[str]) -> None:
    deploy(sandbox, trusted_for("Forwarder", f"rule/{name}"))
    make_rest_stage(sandbox, region=ABROAD)
    assert {event.event["region"] for event in sandbox.dropped_events} == dropped
    assert all("EventBridge may not assume" in event.reason for event in sandbox.dropped_events)


def test_tags_of_the_set_need_a_permission(sandbox: Sandbox) -> None:
    may = ["cloudformation:*", "iam:PassRole", "events:DescribeRule", "events:PutRule"]
    deploy(sandbox, forwarding(ABROAD, execution=may, Tags=[{"Key": "team", "Value": "shop"}]))
    answer = client(sandbox, "cloudformation").list_stack_instances(StackSetName="forwarding")["Summaries"]
    assert "is not authorized to perform: events:TagResource" in answer[0]["StatusReason"]


def test_updates_add_and_remove_regions(sandbox: Sandbox) -> None:
    deploy(sandbox, forwarding(ABROAD))
    assert change(sandbox, forwarding(FURTHER, note="changed"))["StackStatus"] == "UPDATE_COMPLETE"
    assert instances(sandbox) == {FURTHER: GOOD}
    assert rules(sandbox, ABROAD) == []
    assert rules(sandbox, FURTHER) == ["changed"]
    assert change(sandbox, forwarding(FURTHER, ABROAD, note="again"))["StackStatus"] == "UPDATE_COMPLETE"
    assert (rules(sandbox, ABROAD), rules(sandbox, FURTHER)) == (["again"], ["again"])
    assert change(sandbox, forwarding())["StackStatus"] == "UPDATE_COMPLETE"
    cloudformation = client(sandbox, "cloudformation")
    assert cloudformation.list_stack_sets(Status="ACTIVE")["Summaries"] == []
    assert rules(sandbox, ABROAD) == rules(sandbox, FURTHER) == []


def test_instances_are_deleted_with_the_stack(sandbox: Sandbox) -> None:
    deploy(sandbox, forwarding(ABROAD))
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.delete_stack(StackName=NAME)
    assert cloudformation.describe_stacks()["Stacks"] == []
    assert client(sandbox, "cloudformation", ABROAD).describe_stacks()["Stacks"] == []


def test_region_that_is_not_enabled_does_not_stop_the_others() -> None:
    with Sandbox(iam_propagation_seconds=0, disabled_regions={ABROAD}) as sandbox:
        described = deploy(sandbox, forwarding(ABROAD, FURTHER))
        assert described["StackStatus"] == "CREATE_COMPLETE", described.get("StackStatusReason")
        assert instances(sandbox) == {ABROAD: ("OUTDATED", "FAILED"), FURTHER: GOOD}
        cloudformation = client(sandbox, "cloudformation")
        answer = cloudformation.describe_stack_instance(
            StackSetName="forwarding", StackInstanceAccount=ACCOUNT, StackInstanceRegion=ABROAD
        )["StackInstance"]
        assert answer["StatusReason"] == "The security token included in the request is invalid."
        sandbox.disabled_regions.clear()
        assert change(sandbox, forwarding(ABROAD, FURTHER, note="now"))["StackStatus"] == "UPDATE_COMPLETE"
        assert instances(sandbox) == {ABROAD: GOOD, FURTHER: GOOD}
        sandbox.disabled_regions.add(FURTHER)
        cloudformation.delete_stack(StackName=NAME)
        assert stack(sandbox)["StackStatus"] == "DELETE_FAILED"
        assert instances(sandbox) == {FURTHER: ("INOPERABLE", "FAILED")}


def test_stack_fails_above_the_failure_tolerance() -> None:
    with Sandbox(iam_propagation_seconds=0, disabled_regions={ABROAD}) as sandbox:
        described = deploy(sandbox, forwarding(ABROAD, FURTHER, OperationPreferences={"FailureToleranceCount": 0}))
        assert described["StackStatus"] == "ROLLBACK_COMPLETE"
        assert ("Regions", "CREATE_FAILED") in history(sandbox)
        assert rules(sandbox, FURTHER) == []
        assert client(sandbox, "cloudformation").list_stack_sets()["Summaries"] == []


def test_instance_fails_if_the_execution_role_has_too_few_permissions(sandbox: Sandbox) -> None:
    tolerant = {"FailureToleranceCount": 1}
    deploy(sandbox, forwarding(ABROAD, execution=["cloudformation:*"], OperationPreferences=tolerant))
    assert instances(sandbox) == {ABROAD: ("OUTDATED", "FAILED")}
    answer = client(sandbox, "cloudformation").list_stack_instances(StackSetName="forwarding")["Summaries"]
    assert "is not authorized to perform: events:DescribeRule" in answer[0]["StatusReason"]
    assert client(sandbox, "cloudformation", ABROAD).describe_stacks()["Stacks"] == []


def test_stack_set_operation_fails_without_its_roles(sandbox: Sandbox) -> None:
    cloudformation, iam = client(sandbox, "cloudformation"), client(sandbox, "iam")
    cloudformation.create_stack_set(StackSetName="tiny", TemplateBody=template({"Q": {"Type": "AWS::SQS::Queue"}}))
    target = {"StackSetName": "tiny", "Accounts": [ACCOUNT], "Regions": [ABROAD]}
    code, message = refusal(lambda: cloudformation.create_stack_instances(**target))
    assert code == "ValidationError"
    assert message == (
        f"Account {ACCOUNT} should have 'AWSCloudFormationStackSetAdministrationRole' role with trust relationship to "
        "CloudFormation service."
    )
    iam.create_role(
        RoleName="AWSCloudFormationStackSetAdministrationRole",
        AssumeRolePolicyDocument=json.dumps(trusting(Service="cloudformation.amazonaws.com")),
    )
    operation = cloudformation.create_stack_instances(**target)["OperationId"]
    ended = cloudformation.describe_stack_set_operation(StackSetName="tiny", OperationId=operation)["StackSetOperation"]
    assert ended["Status"] == "FAILED"
    assert ended["StatusReason"] == (
        f"Account {ACCOUNT} should have 'AWSCloudFormationStackSetExecutionRole' role with trust relationship to Role "
        "'AWSCloudFormationStackSetAdministrationRole'."
    )
    assert refusal(lambda: cloudformation.delete_stack_set(StackSetName="tiny"))[0] == "StackSetNotEmptyException"
    cloudformation.delete_stack_instances(**target, RetainStacks=False)
    cloudformation.delete_stack_set(StackSetName="tiny")
    assert refusal(lambda: cloudformation.describe_stack_set(StackSetName="tiny"))[0] == "StackSetNotFoundException"
