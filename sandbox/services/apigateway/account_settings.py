"""The account settings of API Gateway: a CloudWatch log role per region, which is tested before it is accepted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.apigateway.models import apigateway_backends
from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.iam import authorization, identity
from sandbox.core.iam.policies import Decision
from sandbox.core.iam.trust import trusts
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_PERMISSIONS = (
    "The role ARN does not have required permissions configured. "
    "Please grant trust permission for API Gateway and add the required role policy."
)
_CANNOT_WRITE = "API Gateway could not successfully write to CloudWatch Logs using the ARN specified"
#: The actions of the managed policy AmazonAPIGatewayPushToCloudWatchLogs that API Gateway tests.
_WRITES = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
WELCOME_GROUP = "/aws/apigateway/welcome"


@rule("apigateway", "GetAccount")
def _get_account(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return described(account, call.region)


def described(account: Account, region: str) -> dict[str, Any]:
    """Return the account settings as GetAccount answers. Without a role the key ``cloudwatchRoleArn`` is absent.

    *Source:* cloud-custodian's recording ``test_rest_account_rate_limit``.
    """
    settings = apigateway_backends[account.account_id][region].account
    answer = {
        "cloudwatchRoleArn": settings.cloudwatch_role_arn or None,
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
        "features": settings.features or ["UsagePlans"],
        "apiKeyVersion": "4",
    }
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigateway", "UpdateAccount")
def _update_account(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    settings = apigateway_backends[account.account_id][call.region].account
    role_arn, is_named = settings.cloudwatch_role_arn, False
    for operation in call.params.get("patchOperations", []):
        path, op = operation.get("path"), operation.get("op")
        if path != "/cloudwatchRoleArn":
            if path != "/features":
                raise AwsError("BadRequestException", f"Invalid patch path {path}")  # the wording is not recorded
            continue
        # An empty role is accepted. Source: go-to-k/cdkd deleteAccount; a blank in the console, aws/aws-cdk issue 6194.
        role_arn, is_named = None if op == "remove" else operation.get("value") or None, True
    if (
        role_arn
        and is_named
        and (role_arn != settings.cloudwatch_role_arn or account.behaviour.retests_log_role_that_is_set)
    ):
        try_role(account, call.region, role_arn)
    settings.cloudwatch_role_arn = role_arn
    return described(account, call.region)


def try_role(account: Account, region: str, role_arn: str) -> None:
    """Assume the role and write a log with it. If that fails, raise AwsError with API Gateway's text.

    A new role, and a change of its trust or policies, is not effective at once.

    *Source:* radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json (2026-09): a role with all seven actions
    of the managed policy on four log groups was refused three times, and accepted with the managed policy. Which groups
    the test needs is not recorded; a role limited to its own groups and to ``/aws/apigateway/welcome`` is what
    dod-iac/terraform-aws-api-gateway-cloudwatch-role sets (switch ``update_account_tests_all_groups``). The other text:
    hashicorp/terraform-provider-aws ``internal/service/apigateway/account.go``; aws-cloudformation/rain issue 163.
    """
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role_arn):
        raise AwsError("BadRequestException", "The role ARN is not well formed")
    role = authorization.role_by_arn(account, role_arn)
    if role is None or not account.is_propagated(role.name) or not trusts(role, "apigateway.amazonaws.com"):
        raise AwsError("BadRequestException", _PERMISSIONS)
    groups = [WELCOME_GROUP, "any/other"] if account.behaviour.update_account_tests_all_groups else [WELCOME_GROUP]
    if any(not _may(account, region, role, action, group) for group in groups for action in _WRITES):
        raise AwsError("BadRequestException", _PERMISSIONS)
    _write_welcome(account, region, role_arn)


def writes_to(account: Account, region: str, group: str) -> bool:
    """Return whether lines that API Gateway writes with the region's log role reach the group.

    *Source:* API Gateway developer guide, "Set up CloudWatch logging for REST APIs", for the permissions of the role.
    That other lines are lost without an error is inferred from the guide, and not recorded.
    """
    role_arn = apigateway_backends[account.account_id][region].account.cloudwatch_role_arn
    role = authorization.role_by_arn(account, role_arn) if role_arn else None
    if role is None or not trusts(role, "apigateway.amazonaws.com"):
        return False
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    if (
        account.behaviour.log_role_needs_create_log_group
        or group not in logs_backends[account.account_id][region].groups
    ):
        actions.append("logs:CreateLogGroup")
    return all(_may(account, region, role, action, group) for action in actions)


def _may(account: Account, region: str, role: Any, action: str, group: str) -> bool:
    stream = "" if action in ("logs:CreateLogGroup", "logs:DescribeLogStreams") else "0" * 32
    context: dict[str, str | list[str]] = {
        "aws:RequestedRegion": region,
        "aws:PrincipalArn": role.arn,
        "aws:PrincipalAccount": account.account_id,
        "aws:ResourceAccount": account.account_id,
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "false",
        "aws:CalledVia": ["apigateway.amazonaws.com"],
    }
    arn = f"arn:aws:logs:{region}:{account.account_id}:log-group:{group}:log-stream:{stream}"
    return authorization.policies_of_role(account, role).decide(action, arn, context) is Decision.ALLOWED


def _write_welcome(account: Account, region: str, role_arn: str) -> None:
    """Create a log group with the role, without tags. CloudTrail shows it as a call of the role.

    *Source:* a field report of 2026-10 (session name, group name); not recorded. If a service control policy
    requires tags on log groups, UpdateAccount refuses the role because of missing permissions (a field report of
    2026-11).
    """
    session = identity.new_session(account, role_arn, "BackplaneAssumeRoleSession", region)
    caller = identity.assumed_role(account, session)
    logs = account.client("logs", region, caller=caller, invoked_by="apigateway.amazonaws.com")
    try:
        logs.create_log_group(logGroupName=WELCOME_GROUP)
    except logs.exceptions.ResourceAlreadyExistsException:
        return
    except ClientError as error:
        is_denied = error.response["Error"]["Code"] == "AccessDeniedException"
        raise AwsError("BadRequestException", _PERMISSIONS if is_denied else _CANNOT_WRITE) from error
