"""The sandbox's CloudFormation creates, updates, rolls back and deletes stacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, history, outputs, physical, stack, template, update
from testing.iam import role

FUNCTION: dict[str, Any] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            },
            "Policies": [
                {
                    "PolicyName": "Own",
                    "PolicyDocument": {
                        "Statement": {"Effect": "Allow", "Action": {"Ref": "Action"}, "Resource": "*"},
                    },
                }
            ],
        },
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"ZipFile": "def handler(event, context): ..."},
            "Handler": "index.handler",
            "Runtime": "python3.13",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Timeout": {"Ref": "Seconds"},
            "Environment": {"Variables": {"GREETING": {"Fn::Sub": "${Greeting}, ${AWS::Partition}"}}},
        },
    },
    "Extra": {"Type": "AWS::SQS::Queue", "Condition": "HasExtra"},
}
WITH_PARAMETERS = template(
    FUNCTION,
    Parameters={
        "Greeting": {"Type": "String", "Default": "hello"},
        "Seconds": {"Type": "Number", "Default": 5},
        "Action": {"Type": "String", "Default": "s3:GetObject"},
        "Extra": {"Type": "String", "Default": "no", "AllowedValues": ["yes", "no"]},
    },
    Conditions={"HasExtra": {"Fn::Equals": [{"Ref": "Extra"}, "yes"]}},
    Outputs={
        "Function": {"Value": {"Ref": "Function"}},
        "Extra": {"Condition": "HasExtra", "Value": {"Fn::GetAtt": "Extra.Arn"}},
    },
)


def test_changed_parameters_update_the_resources_that_refer_to_them(sandbox: Sandbox) -> None:
    made = create(sandbox, WITH_PARAMETERS)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert outputs(made).keys() == {"Function"}
    before = physical(sandbox)

    changed = update(sandbox, Greeting="good night", Action="s3:PutObject", Seconds="7")

    assert changed["StackStatus"] == "UPDATE_COMPLETE"
    assert physical(sandbox) == before
    function = client(sandbox, "lambda").get_function_configuration(FunctionName=before["Function"])
    assert function["Environment"]["Variables"] == {"GREETING": "good night, aws"}
    assert function["Timeout"] == 7
    policy = client(sandbox, "iam").get_role_policy(RoleName=before["Role"], PolicyName="Own")
    assert policy["PolicyDocument"]["Statement"]["Action"] == "s3:PutObject"


def test_conditional_resource_exists_as_long_as_its_condition_is_true(sandbox: Sandbox) -> None:
    create(sandbox, WITH_PARAMETERS)
    assert "Extra" not in physical(sandbox)

    assert outputs(update(sandbox, Extra="yes"))["Extra"].startswith("arn:aws:sqs:us-east-1:123456789012:tiny-Extra-")
    assert "Extra" in physical(sandbox)

    assert "Extra" not in outputs(update(sandbox, Extra="no"))
    assert client(sandbox, "sqs").list_queues().get("QueueUrls") is None


def test_update_without_changes_is_refused(sandbox: Sandbox) -> None:
    create(sandbox, WITH_PARAMETERS)

    assert refusal(lambda: update(sandbox)) == ("ValidationError", "No updates are to be performed.")


def test_changed_name_replaces_the_resource_and_what_depends_on_it_follows(sandbox: Sandbox) -> None:
    def body(name: str) -> str:
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
        parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Topic"}}}
        return template({"Parameter": parameter, "Topic": topic})

    create(sandbox, body("first"))
    update(sandbox, body("second"))

    arns = [topic["TopicArn"] for topic in client(sandbox, "sns").list_topics()["Topics"]]
    assert arns == ["arn:aws:sns:us-east-1:123456789012:second"]
    stored = client(sandbox, "ssm").get_parameter(Name=physical(sandbox)["Parameter"])["Parameter"]["Value"]
    assert stored == arns[0]


def test_new_stack_is_rolled_back_if_a_resource_fails(sandbox: Sandbox) -> None:
    client(sandbox, "sns").create_topic(Name="other")
    subscription = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:nowhere", "Protocol": "sqs", "Endpoint": "x"},
        "DependsOn": "Queue",
    }

    failed = create(sandbox, template({"Queue": {"Type": "AWS::SQS::Queue"}, "Subscription": subscription}))

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Subscription", "CREATE_FAILED") in history(sandbox)
    assert history(sandbox)[-3:] == [
        ("Queue", "DELETE_IN_PROGRESS"),
        ("Queue", "DELETE_COMPLETE"),
        (NAME, "ROLLBACK_COMPLETE"),
    ]
    assert client(sandbox, "sqs").list_queues().get("QueueUrls") is None


def test_update_that_fails_is_rolled_back(sandbox: Sandbox) -> None:
    def body(seconds: int, *more: str) -> str:
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": seconds}}
        bad = {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": ["http://localhost/nowhere"], "PolicyDocument": {}},
            "DependsOn": ["Queue", "New"],
        }
        new = {"Type": "AWS::SQS::Queue"}
        return template({"Queue": queue, **{name: {"Bad": bad, "New": new}[name] for name in more}})

    create(sandbox, body(40))
    url = physical(sandbox)["Queue"]

    assert update(sandbox, body(50, "New", "Bad"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    sqs = client(sandbox, "sqs")
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert asked["Attributes"]["VisibilityTimeout"] == "40"
    assert sqs.list_queues()["QueueUrls"] == [url]
    assert physical(sandbox) == {"Queue": url}


def test_deletion_leaves_only_resources_with_the_policy_retain(sandbox: Sandbox) -> None:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "gone", "RetentionInDays": 7}}
    kept = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "kept"}, "DeletionPolicy": "Retain"}
    made = create(sandbox, template({"Gone": group, "Kept": kept}))

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    deleted = stack(sandbox, made["StackId"])
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
    assert ("Kept", "DELETE_SKIPPED") in history(sandbox, made["StackId"])
    groups = client(sandbox, "logs").describe_log_groups()["logGroups"]
    assert [each["logGroupName"] for each in groups] == ["kept"]
    assert refusal(lambda: stack(sandbox)) == ("ValidationError", f"Stack with id {NAME} does not exist")


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ({"Type": "AWS::No::Such"}, "Unrecognized resource types: [AWS::No::Such]"),
        ({"Type": "AWS::SQS::Queue", "Condition": "Nowhere"}, "Unresolved condition dependency Nowhere"),
        ({"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nowhere"}}}, "[Nowhere]"),
    ],
)
def test_wrong_template_is_refused(sandbox: Sandbox, resource: dict[str, Any], says: str) -> None:
    code, message = refusal(lambda: create(sandbox, template({"Thing": resource})))

    assert code == "ValidationError"
    assert says in message


@pytest.mark.parametrize(
    ("given", "accepted"),
    [({"Size": "small"}, True), ({"Size": "big"}, False), ({"Size": "big", "Stage": "prod"}, True)],
)
def test_rule_is_checked_before_anything_is_created(sandbox: Sandbox, given: dict[str, str], accepted: bool) -> None:
    rules = {
        "Small": {
            "RuleCondition": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "prod"]}]},
            "Assertions": [
                {
                    "Assert": {"Fn::Contains": [["small", "tiny"], {"Ref": "Size"}]},
                    "AssertDescription": "Only production is big.",
                }
            ],
        }
    }
    body = template(
        {"Topic": {"Type": "AWS::SNS::Topic"}},
        Rules=rules,
        Parameters={"Size": {"Type": "String"}, "Stage": {"Type": "String", "Default": "test"}},
    )
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]

    if accepted:
        assert create(sandbox, body, Parameters=parameters)["StackStatus"] == "CREATE_COMPLETE"
    else:
        code, message = refusal(lambda: create(sandbox, body, Parameters=parameters))
        assert code == "ValidationError"
        assert message.endswith("Only production is big.")
        assert client(sandbox, "sns").list_topics()["Topics"] == []


def test_change_set_of_an_unknown_type_fails_and_names_it(sandbox: Sandbox) -> None:
    cloudformation = client(sandbox, "cloudformation")
    answer = cloudformation.create_change_set(
        StackName=NAME,
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=template({"Thing": {"Type": "AWS::No::Such"}}),
    )

    described = cloudformation.describe_change_set(ChangeSetName=answer["Id"])

    assert described["Status"] == "FAILED"
    assert "[AWS::No::Such]" in described["StatusReason"]


def test_roles_need_the_capability(sandbox: Sandbox) -> None:
    code, message = refusal(lambda: create(sandbox, WITH_PARAMETERS, Capabilities=[]))

    assert (code, message) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")


def test_resources_are_created_with_the_deployers_identity(sandbox: Sandbox) -> None:
    create(sandbox, template({"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "g"}}}))

    record = next(each for each in sandbox.trail if each["eventName"] == "CreateLogGroup")

    assert record["userIdentity"]["userName"] == "administrator"
    assert record["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert record["sourceIPAddress"] == record["userAgent"] == "cloudformation.amazonaws.com"


def test_service_role_creates_only_what_it_is_allowed_to(sandbox: Sandbox) -> None:
    arn = role(sandbox, "deployer", "cloudformation.amazonaws.com")

    failed = create(sandbox, template({"Queue": {"Type": "AWS::SQS::Queue"}}), RoleARN=arn)

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    [reason] = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "assumed-role/deployer/AWSCloudFormation is not authorized to perform: sqs:" in reason


@pytest.mark.parametrize("sees", [True, False])
def test_stacks_status_reaches_the_bus(sandbox: Sandbox, *, sees: bool) -> None:
    """Whether a rule also sees that its own stack was created is not known. A rule of another stack sees it."""
    sandbox.turn(rules_see_their_stack_created=sees)
    sqs, events = client(sandbox, "sqs"), client(sandbox, "events")
    urls, targets = {}, {}
    for name in ("own", "others"):
        urls[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "*", "Resource": arn}
        sqs.set_queue_attributes(QueueUrl=urls[name], Attributes={"Policy": json.dumps({"Statement": [allow]})})
        targets[name] = [{"Id": "q", "Arn": arn}]
    wanted = ["CREATE_COMPLETE", "DELETE_COMPLETE"]
    pattern = {"source": ["aws.cloudformation"], "detail": {"status-details": {"status": wanted}}}
    events.put_rule(Name="others", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="others", Targets=targets["others"])

    own = {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": targets["own"]}}
    made = create(sandbox, template({"Rule": own}))
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"

    for status in wanted:
        [message] = sqs.receive_message(QueueUrl=urls["others"], WaitTimeSeconds=5)["Messages"]
        event = json.loads(message["Body"])
        assert event["detail-type"] == "CloudFormation Stack Status Change"
        assert (event["detail"]["stack-id"], event["detail"]["status-details"]["status"]) == (made["StackId"], status)
    of_own = sqs.receive_message(QueueUrl=urls["own"]).get("Messages", [])
    heard = [json.loads(message["Body"])["detail"]["status-details"]["status"] for message in of_own]
    assert heard == (["CREATE_COMPLETE"] if sees else [])  # the rule is deleted with its stack


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [("cn-north-1", "aws-cn", "amazonaws.com.cn"), ("us-gov-west-1", "aws-us-gov", "amazonaws.com")],
)
def test_pseudo_parameters_are_of_the_regions_partition(
    sandbox: Sandbox, region: str, partition: str, suffix: str
) -> None:
    cloudformation = client(sandbox, "cloudformation", region)
    made = cloudformation.create_stack(
        StackName=NAME,
        TemplateBody=template(
            {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
            Outputs={"Both": {"Value": {"Fn::Sub": "${AWS::Partition} ${AWS::URLSuffix}"}}},
        ),
    )

    described = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
    assert outputs(described) == {"Both": f"{partition} {suffix}"}
    assert made["StackId"].startswith(f"arn:{partition}:cloudformation:{region}:")
