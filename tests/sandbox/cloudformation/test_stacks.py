"""The sandbox's CloudFormation: stacks made, changed, failed and removed; and the real sam command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, history, outputs, physical, stack, template, update
from testing.iam import role

TOOLS = Path(__file__).parents[3] / ".venv-tools" / "bin"


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


def test_parameters_alone_change_what_refers_to_them(sandbox: Sandbox) -> None:
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


def test_a_conditional_resource_comes_and_goes_with_its_condition(sandbox: Sandbox) -> None:
    create(sandbox, WITH_PARAMETERS)
    assert "Extra" not in physical(sandbox)

    assert outputs(update(sandbox, Extra="yes"))["Extra"].startswith("arn:aws:sqs:us-east-1:123456789012:tiny-Extra-")
    assert "Extra" in physical(sandbox)

    assert "Extra" not in outputs(update(sandbox, Extra="no"))
    assert client(sandbox, "sqs").list_queues().get("QueueUrls") is None


def test_an_update_without_changes_is_refused(sandbox: Sandbox) -> None:
    create(sandbox, WITH_PARAMETERS)

    assert refusal(lambda: update(sandbox)) == ("ValidationError", "No updates are to be performed.")


def test_a_changed_name_replaces_the_resource_and_what_depends_on_it_follows(sandbox: Sandbox) -> None:
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


def test_a_resource_that_fails_takes_the_new_stack_back(sandbox: Sandbox) -> None:
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


def test_an_update_that_fails_puts_everything_back(sandbox: Sandbox) -> None:
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


def test_deletion_leaves_what_is_to_be_retained_and_nothing_else(sandbox: Sandbox) -> None:
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
def test_a_wrong_template_is_refused(sandbox: Sandbox, resource: dict[str, Any], says: str) -> None:
    code, message = refusal(lambda: create(sandbox, template({"Thing": resource})))

    assert code == "ValidationError"
    assert says in message


@pytest.mark.parametrize(
    ("given", "accepted"),
    [({"Size": "small"}, True), ({"Size": "big"}, False), ({"Size": "big", "Stage": "prod"}, True)],
)
def test_a_rule_is_checked_before_anything_is_created(sandbox: Sandbox, given: dict[str, str], accepted: bool) -> None:
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


def test_a_change_set_of_an_unknown_type_fails_and_names_it(sandbox: Sandbox) -> None:
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


def test_resources_are_made_in_the_deployers_name(sandbox: Sandbox) -> None:
    create(sandbox, template({"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "g"}}}))

    record = next(each for each in sandbox.trail if each["eventName"] == "CreateLogGroup")

    assert record["userIdentity"]["userName"] == "administrator"
    assert record["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert record["sourceIPAddress"] == record["userAgent"] == "cloudformation.amazonaws.com"


def test_a_service_role_makes_only_what_it_may(sandbox: Sandbox) -> None:
    arn = role(sandbox, "deployer", "cloudformation.amazonaws.com")

    failed = create(sandbox, template({"Queue": {"Type": "AWS::SQS::Queue"}}), RoleARN=arn)

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    [reason] = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "assumed-role/deployer/AWSCloudFormation is not authorized to perform: sqs:" in reason


def test_a_stage_is_made_then_patched_and_carries_the_stacks_tags(sandbox: Sandbox) -> None:
    definition = {
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "1"},
        "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}, "responses": {}}}},
    }
    throttled = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3}
    body = template(
        {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": definition}},
            "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Api"}}},
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "DeploymentId": {"Ref": "Deployment"},
                    "StageName": "prod",
                    "MethodSettings": [throttled],
                    "Tags": [{"Key": "team", "Value": "a"}],
                },
            },
        }
    )
    made = create(sandbox, body)

    api = physical(sandbox)["Api"]
    stage_ = client(sandbox, "apigateway").get_stage(restApiId=api, stageName="prod")
    assert client(sandbox, "apigateway").get_rest_api(restApiId=api)["name"] == "pets"
    assert stage_["methodSettings"]["*/*"]["throttlingBurstLimit"] == 7
    assert stage_["tags"] == {
        "team": "a",
        "aws:cloudformation:stack-name": NAME,
        "aws:cloudformation:stack-id": made["StackId"],
        "aws:cloudformation:logical-id": "Stage",
    }
    calls = [call.call.operation for call in sandbox.calls if call.call.service == "apigateway"]
    assert calls.index("CreateStage") < calls.index("UpdateStage")

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert client(sandbox, "apigateway").get_rest_apis()["items"] == []


def test_a_deployment_makes_its_stage_and_is_removed_with_it(sandbox: Sandbox) -> None:
    api: dict[str, Any] = {"RestApiId": {"Ref": "Api"}}
    root = {**api, "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]}}
    body = template(
        {
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "pets"}},
            "Method": {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {**root, "HttpMethod": "GET", "Integration": {"Type": "MOCK"}},
            },
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "Properties": {**api, "StageName": "dev"},
                "DependsOn": "Method",
            },
        }
    )
    made = create(sandbox, body)
    stages = client(sandbox, "apigateway").get_stages(restApiId=physical(sandbox)["Api"])["item"]
    assert [each["stageName"] for each in stages] == ["dev"]

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize("sees", [True, False])
def test_the_bus_hears_of_a_stacks_status(sandbox: Sandbox, *, sees: bool) -> None:
    """Whether a rule also sees that its own stack was created is not known."""
    sandbox.turn(rules_see_their_stack_created=sees)
    sqs, events = client(sandbox, "sqs"), client(sandbox, "events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:heard"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "*", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement]})})
    wanted = ["CREATE_COMPLETE", "DELETE_COMPLETE"]
    pattern = {"source": ["aws.cloudformation"], "detail": {"status-details": {"status": wanted}}}
    events.put_rule(Name="r", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": arn}])

    made = create(sandbox, template({"Queue": {"Type": "AWS::SQS::Queue"}}))
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"

    for status in wanted if sees else wanted[1:]:
        [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        event = json.loads(message["Body"])
        assert event["detail-type"] == "CloudFormation Stack Status Change"
        assert (event["detail"]["stack-id"], event["detail"]["status-details"]["status"]) == (made["StackId"], status)


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


SAM_TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Greeting: {Type: String, Default: hello}}
Resources:
  Inbox: {Type: AWS::SQS::Queue}
  Outbox: {Type: AWS::SQS::Queue}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: echo.handler
      Runtime: python3.13
      Timeout: 10
      Policies: [SQSSendMessagePolicy: {QueueName: !GetAtt Outbox.QueueName}]
      Environment: {Variables: {GREETING: !Ref Greeting, OUTBOX: !Ref Outbox}}
      Events:
        Inbox: {Type: SQS, Properties: {Queue: !GetAtt Inbox.Arn}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      DefinitionBody:
        swagger: "2.0"
        info: {title: tiny}
        paths:
          /:
            get:
              responses: {"200": {description: ok}}
              x-amazon-apigateway-integration: {type: mock}
Outputs:
  Inbox: {Value: !Ref Inbox}
  Outbox: {Value: !Ref Outbox}
  Api: {Value: !Ref Api}
"""
ECHO = """
import os
import boto3
sqs = boto3.client("sqs")
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["OUTBOX"], MessageBody=os.environ["GREETING"] + " " + record["body"])
"""


def test_the_real_sam_builds_deploys_changes_and_removes_an_application(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(SAM_TEMPLATE)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "echo.py").write_text(ECHO)
    (tmp_path / "src" / "requirements.txt").write_text("")
    environment = {
        **os.environ,
        **sandbox.environment(),
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_POLL_DELAY": "0.2",
    }

    def sam(*arguments: str, exit_code: int = 0) -> str:
        ran = subprocess.run(
            [TOOLS / "sam", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == exit_code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def answered(word: str) -> str:
        sqs.send_message(QueueUrl=out["Inbox"], MessageBody=word)
        messages = sqs.receive_message(QueueUrl=out["Outbox"], WaitTimeSeconds=20)["Messages"]
        sqs.delete_message(QueueUrl=out["Outbox"], ReceiptHandle=messages[0]["ReceiptHandle"])
        return str(messages[0]["Body"])

    deploy = ("deploy", "--stack-name", NAME, "--resolve-s3", "--capabilities", "CAPABILITY_IAM")
    sam("build")
    sam(*deploy)
    sqs, out = client(sandbox, "sqs"), outputs(stack(sandbox))
    stages = client(sandbox, "apigateway").get_stages(restApiId=out["Api"])["item"]
    assert {each["stageName"] for each in stages} == {"prod", "Stage"}
    assert answered("world") == "hello world"

    sam(*deploy, "--parameter-overrides", "Greeting=bye")
    assert answered("world") == "bye world"
    assert "No changes to deploy" in sam(*deploy, "--parameter-overrides", "Greeting=bye", exit_code=1)

    assert "null" in sam("remote", "invoke", "Echo", "--stack-name", NAME, "-e", '{"Records": []}')

    sam("delete", "--stack-name", NAME, "--no-prompts", "--region", "us-east-1")
    assert sqs.list_queues().get("QueueUrls") is None


def test_a_sam_template_that_is_wrong_fails_its_change_set(sandbox: Sandbox) -> None:
    body = json.dumps(
        {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": {"Type": "AWS::Serverless::Function"}}}
    )
    cloudformation = client(sandbox, "cloudformation")
    answer = cloudformation.create_change_set(
        StackName=NAME, ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body
    )

    described = cloudformation.describe_change_set(ChangeSetName=answer["Id"])

    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith("Transform AWS::Serverless-2016-10-31 failed with: ")
    assert "[F]" in described["StatusReason"]
