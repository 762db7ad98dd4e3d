"""The outputs of Log Keeper's stack, for the command line tools that work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from tools.aws_session import ToolError

if TYPE_CHECKING:
    import argparse

    from mypy_boto3_cloudformation.client import CloudFormationClient


def read_outputs(cloudformation: CloudFormationClient, stack_name: str, *names: str) -> dict[str, str]:
    """Return all outputs of the stack, by name. ``names``: outputs that it must have.

    Raises ToolError if the stack does not exist or is not Log Keeper's, and errors of botocore.
    """
    try:
        [stack] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if error_code(error) != "ValidationError":
            raise
        raise ToolError(
            f"there is no stack {stack_name} in {cloudformation.meta.region_name} of this account: "
            "name it with --stack-name, --region or --profile."
        ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    for name in names:
        if name not in outputs:
            raise ToolError(
                f"the stack {stack_name} has no output {name}: it is not Log Keeper's, or an older version of it."
            )
    return outputs


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the stack, its region and the user's profile."""
    parser.add_argument(
        "--stack-name", default="log-keeper", metavar="NAME", help="name of Log Keeper's stack; default: log-keeper"
    )
    parser.add_argument(
        "--region", help="region of the stack; default: AWS_REGION, or the region of your configuration"
    )
    parser.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
