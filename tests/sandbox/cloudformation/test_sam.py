"""The real ``sam`` command line builds, deploys, changes and deletes an application in the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from sandbox.assembly import Sandbox
from testing.clients import client
from testing.cloudformation import NAME, outputs, stack

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


def test_real_sam_builds_deploys_changes_and_deletes_an_application(sandbox: Sandbox, tmp_path: Path) -> None:
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
