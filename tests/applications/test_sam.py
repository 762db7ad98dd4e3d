"""AWS SAM: the real ``sam deploy``, again after a change, and ``sam delete``."""

from __future__ import annotations

from pathlib import Path

from sandbox import deployment
from testing.accounts import get_stage, v2_stage
from testing.applications.account_view import (
    GROUP,
    destination,
    entries,
    is_there,
    log_group_names,
    resources,
    wait_until_v2_compliant,
)
from testing.stacks import Deployed

NAME = "sam-shop"
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Trace: {Type: String, Default: true}
Globals:
  Api:
    AccessLogSetting:
      DestinationArn: !GetAtt AccessLogs.Arn
      Format: '{"requestId":"$context.requestId","status":"$context.status"}'
    MethodSettings:
      - {ResourcePath: /*, HttpMethod: '*', LoggingLevel: INFO, DataTraceEnabled: !Ref Trace}
Resources:
  AccessLogs:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: 7}
  Show:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: 'def handler(event, context): return {"statusCode": 200}'
      Handler: index.handler
      Runtime: python3.13
      Events:
        Implicit: {Type: Api, Properties: {Path: /implicit, Method: get}}
        Explicit: {Type: Api, Properties: {Path: /explicit, Method: get, RestApiId: !Ref Explicit}}
        Web: {Type: HttpApi, Properties: {Path: /web, Method: get, ApiId: !Ref Web}}
  Explicit:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      OpenApiVersion: 3.0.1
      MethodSettings:
        - {ResourcePath: /explicit, HttpMethod: GET, LoggingLevel: 'OFF', DataTraceEnabled: !Ref Trace}
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      AccessLogSettings:
        DestinationArn: !GetAtt AccessLogs.Arn
        Format: $context.requestId $context.status
Outputs:
  Implicit: {Value: !Ref ServerlessRestApi}
  Explicit: {Value: !Ref Explicit}
  Web: {Value: !Ref Web}
"""


def test_application_of_sam_is_remediated_after_each_deployment_and_can_be_deleted(
    keeper: Deployed, tmp_path: Path
) -> None:
    sandbox = keeper.sandbox
    (tmp_path / "template.yaml").write_text(TEMPLATE)

    def deploy(*more: str) -> None:
        deployment.run(
            sandbox,
            *("sam", "deploy", "--template-file", "template.yaml", "--stack-name", NAME, "--resolve-s3"),
            *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar", *more),
            folder=tmp_path,
        )

    deploy()
    stack = sandbox.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    ids = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    implicit, explicit, web = ids["Implicit"], ids["Explicit"], ids["Web"]
    logs = resources(sandbox, NAME)["AccessLogs"]
    # Without OpenApiVersion SAM makes a second stage of the implicit API, called Stage.
    rest = [(implicit, "Prod"), (implicit, "Stage"), (explicit, "live")]
    for api, stage_name in rest:
        keeper.wait_until_compliant(api, stage_name)
    assert entries(keeper, implicit, "Prod") == {"*/*": ("ERROR", False)}
    # Globals' list and the API's own are joined; the key of SAM's path is kept as it was addressed.
    assert entries(keeper, explicit, "live") == {"*/*": ("ERROR", False), "explicit/GET": ("ERROR", False)}
    assert {destination(keeper, api, name) for api, name in rest if name != "Stage"} == {GROUP + logs}
    wait_until_v2_compliant(keeper, web, "$default", websocket=False)
    assert v2_stage(sandbox, web, "$default")["AccessLogSettings"]["DestinationArn"] == GROUP + logs

    before = get_stage(sandbox, implicit, "Prod")["deploymentId"]
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace("/implicit", "/changed"))
    deploy("--parameter-overrides", "Trace=false")
    keeper.wait_until_quiet()
    for api, stage_name in rest:
        keeper.wait_until_compliant(api, stage_name)
    assert get_stage(sandbox, implicit, "Prod")["deploymentId"] != before
    assert destination(keeper, implicit, "Prod") == GROUP + logs

    deployment.run(sandbox, "sam", "delete", "--stack-name", NAME, "--no-prompts", "--region", "us-east-1")
    keeper.wait_until_quiet()
    assert not any(is_there(keeper, each) for each in (implicit, explicit, web))
    assert logs not in log_group_names(keeper)
