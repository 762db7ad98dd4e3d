"""Create log roles that may write to some log groups only."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.accounts import PUSH_POLICY, make_rest_stage, make_role, patch_stage, set_log_role
from testing.builders import ACCOUNT

GROUPS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
THEIRS = f"arn:aws:iam::{ACCOUNT}:role/Theirs"
ACTIONS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
WELCOME = "/aws/apigateway/welcome"
EXECUTION = "API-Gateway-Execution-Logs_*"


def allow(*groups: str, effect: str = "Allow", actions: list[str] = ACTIONS, **more: Any) -> dict[str, Any]:
    """Return a policy statement about log groups."""
    return {"Effect": effect, "Action": actions, "Resource": [f"{GROUPS}{group}:*" for group in groups], **more}


def narrow(sandbox: Sandbox, *statements: dict[str, Any]) -> str:
    """Set a log role of the owner with these statements, which had more permissions before. Return its ARN."""
    arn = make_role(sandbox, "Theirs")
    set_log_role(sandbox, arn)
    iam = sandbox.client("iam")
    iam.detach_role_policy(RoleName="Theirs", PolicyArn=PUSH_POLICY)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName="Theirs", PolicyName="logs", PolicyDocument=document)
    return arn


def least_privilege(sandbox: Sandbox) -> str:
    """Set a log role as dod-iac/terraform-aws-api-gateway-cloudwatch-role creates it. Return its ARN."""
    sandbox.turn(update_account_tests_all_groups=False)
    arn = make_role(sandbox, "Theirs", policy=None)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow(EXECUTION, WELCOME)]})
    sandbox.client("iam").put_role_policy(RoleName="Theirs", PolicyName="logs", PolicyDocument=document)
    set_log_role(sandbox, arn)
    return arn


def own_destination(sandbox: Sandbox, name: str = "mine") -> str:
    """Create a REST API whose stage logs to a group that its owner chose. Return the API's id."""
    api_id = make_rest_stage(sandbox)
    logs = sandbox.client("logs")
    logs.create_log_group(logGroupName=name)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", f"{GROUPS}{name}"),
        ("replace", "/accessLogSettings/format", "$context.requestId"),
    )
    return api_id
