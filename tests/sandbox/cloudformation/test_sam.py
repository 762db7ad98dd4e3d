"""The real ``sam`` command line builds, deploys, changes and deletes an application in the sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, outputs, stack
from testing.nested_stacks import reasons

TOOLS = Path(__file__).parents[3] / ".venv-tools" / "bin"
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


type Sam = Callable[..., str]


@pytest.fixture
def sam(sandbox: Sandbox, tmp_path: Path) -> Sam:
    """Return a function that runs sam in a folder of its own, and returns what it printed."""
    environment = {
        **os.environ,
        **sandbox.environment(),
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_POLL_DELAY": "0.2",
    }

    def run(*arguments: str, exit_code: int = 0) -> str:
        ran = deployment.run_process([str(TOOLS / "sam"), *arguments], tmp_path, environment)
        assert ran.returncode == exit_code, ran.stdout
        return ran.stdout

    return run


def test_real_sam_builds_deploys_changes_and_deletes_an_application(sandbox: Sandbox, sam: Sam, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(SAM_TEMPLATE)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "echo.py").write_text(ECHO)
    (tmp_path / "src" / "requirements.txt").write_text("")

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


NESTED_TEMPLATE = """
Parameters: {Greeting: {Type: String}}
Resources:
  Stored: {Type: AWS::SSM::Parameter, Properties: {Name: greeting, Type: String, Value: !Ref Greeting}}
Outputs:
  Name: {Value: !Ref Stored}
"""
PARENT_TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Greeting: {Type: String, Default: hello}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: nested/inner.yaml, Parameters: {Greeting: !Ref Greeting}}
Outputs:
  Name: {Value: !GetAtt Inner.Outputs.Name}
"""


def test_real_sam_deploys_and_changes_a_nested_stack(sandbox: Sandbox, sam: Sam, tmp_path: Path) -> None:
    """A switch decides whether the nested stack, which has no transform, needs the capability for transforms."""
    sandbox.turn(nested_stacks_need_auto_expand=True)
    (tmp_path / "template.yaml").write_text(PARENT_TEMPLATE)
    (tmp_path / "nested").mkdir()
    nested = tmp_path / "nested" / "inner.yaml"
    nested.write_text(NESTED_TEMPLATE)

    def stored() -> tuple[str, str]:
        found = client(sandbox, "ssm").get_parameter(Name="greeting")["Parameter"]
        return found["Type"], found["Value"]

    deploy = ("deploy", "--stack-name", NAME, "--resolve-s3", "--capabilities", "CAPABILITY_IAM")
    sam("build")
    sam(*deploy, exit_code=1)
    assert reasons(sandbox, "CREATE_FAILED")["Inner"] == "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
    sam("delete", "--stack-name", NAME, "--no-prompts", "--region", "us-east-1")
    sam(*deploy, "CAPABILITY_AUTO_EXPAND")
    assert outputs(stack(sandbox)) == {"Name": "greeting"}
    assert stored() == ("String", "hello")

    nested.write_text(NESTED_TEMPLATE.replace("Type: String, Value:", "Type: StringList, Value:"))
    sam("build")
    sam(*deploy, "CAPABILITY_AUTO_EXPAND", "--parameter-overrides", "Greeting=good,bye")
    assert stored() == ("StringList", "good,bye")

    again = sam(*deploy, "CAPABILITY_AUTO_EXPAND", "--parameter-overrides", "Greeting=good,bye")
    assert "UPDATE_COMPLETE" in again

    sam("delete", "--stack-name", NAME, "--no-prompts", "--region", "us-east-1")
    assert refusal(stored)[0] == "ParameterNotFound"


def test_wrong_sam_template_fails_its_change_set(sandbox: Sandbox) -> None:
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
