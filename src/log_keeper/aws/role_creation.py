"""Creates the CloudWatch log role of parameter LogRoleName in IAM, or repairs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.aws.role_reading import API_GATEWAY, LogRole, RoleReader, get_role, trusts_api_gateway
from log_keeper.policy.log_role import PROBES, listed
from log_keeper.settings import Deployment
from log_keeper.stages import Account

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import RoleTypeDef

_TRUST = {"Effect": "Allow", "Principal": {"Service": API_GATEWAY}, "Action": "sts:AssumeRole"}


def create_or_repair_role(iam: IAMClient, deployment: Deployment, reader: RoleReader) -> tuple[LogRole, bool]:
    """Create the role of parameter LogRoleName; or repair its trust policy and attach the managed policy.

    Return the role, and whether it was changed, which IAM has to propagate. What the role is allowed is not known yet
    if it existed before or has a permissions boundary.

    Raises ClientError.
    """
    name, managed = deployment.log_role.name, managed_policy_arn(deployment.account)
    role = get_role(iam, name)
    known: dict[str, tuple[str, ...]] = {}
    if role is None:
        role = _create_role(iam, deployment)
        if deployment.log_role.boundary_arn is None:
            known = dict.fromkeys(PROBES, ())
    elif (found := reader.read(role["Arn"])).fault is None:
        return found, False
    if not trusts_api_gateway(role["AssumeRolePolicyDocument"]):
        # The other statements of the trust policy stay.
        document: Any = role["AssumeRolePolicyDocument"]
        trust = {"Version": "2012-10-17", "Statement": [*listed(document["Statement"]), _TRUST]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    return LogRole(role["Arn"], denied=known), True


def _create_role(iam: IAMClient, deployment: Deployment) -> RoleTypeDef:
    wanted = deployment.log_role
    more: Any = {} if wanted.boundary_arn is None else {"PermissionsBoundary": wanted.boundary_arn}
    try:
        return iam.create_role(
            Path=wanted.path,
            RoleName=wanted.name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [_TRUST]}),
            Description="Lets API Gateway write the logs of all its stages in this account. Created by Log Keeper.",
            **more,
        )["Role"]
    except ClientError as error:
        # Another invocation, perhaps for another region, has created the role in the meantime.
        if error_code(error) != "EntityAlreadyExists":
            raise
        return iam.get_role(RoleName=wanted.name)["Role"]


def managed_policy_arn(account: Account) -> str:
    """Return the ARN of AWS's managed policy for the log role."""
    return f"arn:{account.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
