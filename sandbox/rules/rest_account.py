"""The account settings of API Gateway: a CloudWatch log role per region, tried before it is taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox import iam, identity
from sandbox.call import AwsError
from sandbox.event_bus import trusts
from sandbox.gateway import rule
from sandbox.policies import Decision

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import Call
    from sandbox.gateway import Proceed

_PERMISSIONS = (
    "The role ARN does not have required permissions configured. "
    "Please grant trust permission for API Gateway and add the required role policy."
)
_CANNOT_WRITE = "API Gateway could not successfully write to CloudWatch Logs using the ARN specified"
#: What the managed policy AmazonAPIGatewayPushToCloudWatchLogs grants, so far as API Gateway tries it.
_WRITES = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
WELCOME_GROUP = "/aws/apigateway/welcome"


@rule("apigateway", "GetAccount")
def _get_account(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    return described(sandbox, call.region)


def described(sandbox: Sandbox, region: str) -> dict[str, Any]:
    """The account settings as GetAccount answers. Without a role the key ``cloudwatchRoleArn`` is absent.

    *Source:* cloud-custodian's recording ``test_rest_account_rate_limit``.
    """
    account = apigateway_backends[sandbox.account_id][region].account
    answer = {
        "cloudwatchRoleArn": account.cloudwatch_role_arn or None,
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
        "features": account.features or ["UsagePlans"],
        "apiKeyVersion": "4",
    }
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigateway", "UpdateAccount")
def _update_account(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    account = apigateway_backends[sandbox.account_id][call.region].account
    role_arn, is_named = account.cloudwatch_role_arn, False
    for operation in call.params.get("patchOperations", []):
        path, op = operation.get("path"), operation.get("op")
        if path != "/cloudwatchRoleArn":
            if path != "/features":
                raise AwsError("BadRequestException", f"Invalid patch path {path}")  # the wording is not recorded
            continue
        # Clearing it is accepted. Source: go-to-k/cdkd deleteAccount; a blank in the console, aws/aws-cdk issue 6194.
        role_arn, is_named = None if op == "remove" else operation.get("value") or None, True
    # Whether a role that is set already is tried again is not known: the harsher answer is that it is.
    if role_arn and is_named:
        try_role(sandbox, call.region, role_arn)
    account.cloudwatch_role_arn = role_arn
    return described(sandbox, call.region)


def try_role(sandbox: Sandbox, region: str, role_arn: str) -> None:
    """API Gateway has assumed the role and written with it; otherwise AwsError with the texts it is known for.

    A role is not seen at once after it, its trust or its policies were made or changed.

    *Source:* hashicorp/terraform-provider-aws ``internal/service/apigateway/account.go`` (both texts are retried there,
    and the malformed ARN is in a comment); aws-cloudformation/rain issue 163.
    """
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role_arn):
        raise AwsError("BadRequestException", "The role ARN is not well formed")
    role = iam.role_by_arn(sandbox, role_arn)
    if role is None or not sandbox.is_propagated(role.name) or not trusts(role, "apigateway.amazonaws.com"):
        raise AwsError("BadRequestException", _PERMISSIONS)
    policies = iam.policies_of_role(sandbox, role)
    group = f"arn:aws:logs:{region}:{sandbox.account_id}:log-group:{WELCOME_GROUP}:log-stream:"
    if any(policies.decide(action, group, {}) is not Decision.ALLOWED for action in _WRITES):
        raise AwsError("BadRequestException", _CANNOT_WRITE)
    _write_welcome(sandbox, region, role_arn)


def _write_welcome(sandbox: Sandbox, region: str, role_arn: str) -> None:
    """API Gateway makes a log group with the role, which shows in CloudTrail as the role's own call.

    *Source:* a field report of 2026-10 (session name, group name); not recorded.
    """
    session = identity.new_session(sandbox, role_arn, "BackplaneAssumeRoleSession", region)
    caller = identity.assumed_role(sandbox, session)
    logs = sandbox.client("logs", region, caller=caller, invoked_by="apigateway.amazonaws.com")
    try:
        logs.create_log_group(logGroupName=WELCOME_GROUP)
    except logs.exceptions.ResourceAlreadyExistsException:
        return
