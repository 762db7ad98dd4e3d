"""``python -m tools.pictures``, as ``make pictures`` runs it: write the pictures of the README into ``docs/images``.

``demo.svg`` is the output of the demo, shortened. ``preview.png`` is the preview's page of an account in the sandbox,
as a headless Chromium shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from sandbox.assembly import Sandbox
from tools.version import add_version

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
COLUMNS = 92
REGION = "eu-west-1"
STAGES_NOT_COMPLIANT = 3

#: CloudFormation templates of the account in the picture, by stack name.
APPLICATIONS = {
    "platform": """
Resources:
  LogRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: apigateway.amazonaws.com}, Action: "sts:AssumeRole"}]
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"]
  Account: {Type: AWS::ApiGateway::Account, Properties: {CloudWatchRoleArn: !GetAtt LogRole.Arn}}
""",
    "shop": """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: shop}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: GET
      AuthorizationType: NONE
      Integration: {Type: MOCK}
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Api}}
  Prod:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      DeploymentId: !Ref Deployment
      StageName: prod
      MethodSettings: [{HttpMethod: "*", ResourcePath: "/*", LoggingLevel: INFO, DataTraceEnabled: true}]
  Test:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      DeploymentId: !Ref Deployment
      StageName: test
      Tags: [{Key: execution-logs, Value: INFO}, {Key: execution-logs-until, Value: "2030-12-24"}]
  Load:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      DeploymentId: !Ref Deployment
      StageName: load
      Tags: [{Key: unmanaged, Value: load test}]
""",
    "web": """
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: web, ProtocolType: HTTP}}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: $default, AutoDeploy: true}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /web/access, RetentionInDays: 90}}
  Next: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: web-next, ProtocolType: HTTP}}
  NextStage:
    Type: AWS::ApiGatewayV2::Stage
    Properties:
      ApiId: !Ref Next
      StageName: $default
      AutoDeploy: true
      AccessLogSettings: {DestinationArn: !GetAtt Logs.Arn, Format: "$context.requestId $context.status"}
""",
}

#: The blocks of the demo's output, separated by empty lines, that the picture has: the account, the deployment, a new
#: stage, the tag, logging switched off, the deleted log role, and the last sentence.
_BLOCKS = (0, 1, 2, 3, 5, 8, 9)

#: Without the fonts that rich refers to, so that the picture loads nothing from elsewhere.
_SVG_FORMAT = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

_CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
)


def run_demo() -> str:
    """Return the coloured output of the demo. Raises CalledProcessError if the demo fails."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "sandbox.demo"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return ran.stdout.decode()  # with the carriage returns, which text mode would turn into line breaks


def without_spinners(output: str) -> str:
    """Return what a terminal shows in the end: each frame of a spinner overwrites the one before."""
    lines = [line.rpartition("\x1b[2K")[2] for line in output.split("\n") if not line.startswith("\x1b[?25l")]
    return "\n".join(lines)


def demo_picture(output: str) -> str:
    """Return the SVG of the demo's output, shortened."""
    blocks = re.split(r"\n\n+", without_spinners(output).strip())
    shown = "\n\n".join(block for number, block in enumerate(blocks) if number in _BLOCKS)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text.from_ansi(f"$ make demo\n{shown}"), soft_wrap=True)
    return console.export_svg(title="make demo (shortened)", code_format=_SVG_FORMAT, unique_id="demo")


def create_applications(sandbox: Sandbox) -> None:
    """Create what the page is about: three stacks with stages, and the account's log role."""
    cloudformation = sandbox.client("cloudformation", REGION)
    for stack, template in APPLICATIONS.items():
        cloudformation.create_stack(StackName=stack, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def write_page(sandbox: Sandbox, page: Path) -> None:
    """Run the preview of the account, which writes its page. Raises ValueError if it ends with an error."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"} | sandbox.environment(REGION)
    command = [sys.executable, "-m", "preview", "--rate=10", f"--html={page}", "--exempt-tag-key=unmanaged"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode != STAGES_NOT_COMPLIANT:
        raise ValueError(f"the preview ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")


def photograph(chromium: str, page: Path, picture: Path) -> None:
    """Write a picture of the top of the page. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as profile:
        options = [
            *_CHROMIUM_OPTIONS,
            f"--user-data-dir={profile}",
            f"--screenshot={picture}",
            "--window-size=1280,1130",
        ]
        subprocess.run([chromium, *options, page.as_uri()], capture_output=True, check=True, timeout=120)  # noqa: S603


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures. Return 1 if there is no Chromium, so that the picture of the preview stays as it was."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description="Write the pictures of the README.")
    add_version(parser)
    parser.add_argument("pictures", nargs="*", choices=("demo", "preview", []), help="which (default: both)")
    wanted = parser.parse_args(arguments).pictures or ("demo", "preview")
    IMAGES.mkdir(exist_ok=True)
    if "demo" in wanted:
        (IMAGES / "demo.svg").write_text(demo_picture(run_demo()), encoding="utf-8")
    if "preview" in wanted:
        chromium = shutil.which("chromium")
        if chromium is None:
            print("The picture of the preview needs chromium on the path.", file=sys.stderr)  # noqa: T201
            return 1
        with Sandbox(iam_propagation_seconds=0) as sandbox, tempfile.TemporaryDirectory() as folder:
            create_applications(sandbox)
            page = Path(folder) / "preview.html"
            write_page(sandbox, page)
            photograph(chromium, page, IMAGES / "preview.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
