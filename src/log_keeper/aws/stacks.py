"""The CloudFormation stack that created a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudformation.client import CloudFormationClient


def is_stack_changing(new_client: Callable[[], CloudFormationClient], stack_id: str | None) -> bool:
    """Return whether an operation of the stack, or of its root stack, is in progress.

    ``stack_id``: None for a stage that no stack created: False. A stack that does not exist any more is not changing.
    ``new_client``: returns the client; is called only if there is a stack.

    Raises ClientError.
    """
    waiting, seen = [stack_id], set[str]()
    while waiting:
        stack_id = waiting.pop()
        if stack_id is None or stack_id in seen:
            continue
        seen.add(stack_id)
        try:
            [stack] = new_client().describe_stacks(StackName=stack_id)["Stacks"]
        except ClientError as error:
            # "Stack with id ... does not exist". Source: CloudFormation API reference, DescribeStacks.
            if error_code(error) == "ValidationError":
                continue
            raise
        if stack["StackStatus"].endswith("_IN_PROGRESS"):
            return True
        waiting.append(stack.get("RootId"))
    return False
