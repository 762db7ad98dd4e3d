"""The account's CloudWatch log role, as one region's account settings have it: is it live, and if not, make it so.

A role that is live is left alone, whoever made it. Nothing is ever reset or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS, error_code, error_message, is_concurrent_change, is_transient
from log_keeper.aws.role_reading import API_GATEWAY, LogRole, RoleReader, get_role, trusts_api_gateway
from log_keeper.policy.log_role import PROBES, TEST_ACTIONS, WELCOME_GROUP, listed
from log_keeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import RoleTypeDef

_TRUST = {"Effect": "Allow", "Principal": {"Service": API_GATEWAY}, "Action": "sts:AssumeRole"}

#: What UpdateAccount answers while IAM spreads a role that was just made, and for ever if the role will never do.
#: *Source:* aws-cloudformation/rain, issue 163; hashicorp/terraform-provider-aws, apigateway/account.go.
_NOT_SPREAD = ("does not have required permissions configured", "could not successfully write to CloudWatch Logs")

#: Seconds before the first try of UpdateAccount with a role that was just made or changed, which IAM takes some to
#: spread, and between the tries: it takes one call in 20 s, so that one which came too early costs the next its turn.
#: *Source:* Amazon API Gateway quotas; awslabs/nx-plugin-for-aws, which waits 12 times 5 s; and radkawar/stackd,
#: testdata/aws/apigateway/rest_websocket_logs.json: refused 0.2 s after the change of the role, accepted after 33 s.
_SPREAD = 7
_PAUSES = (20, 20)


class RoleStatus(StrEnum):
    """How the account's log role was found, or left."""

    VALID = "valid"
    #: It may write to some of the log groups that APIs of the region need, or may need: left as it is, never replaced.
    LIMITED = "limited"
    REPAIRED = "repaired"
    #: Found so by a look, which changes nothing.
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class AccountRole:
    """The role that the account settings of a region name now, if any.

    ``fault``: what is wrong, or was until now. ``limits``: which log groups it may not write to, in words; None if it
    may write to all that are usual. ``log_role``: what is known of the log groups that it may write to.
    """

    status: RoleStatus
    role_arn: str | None
    fault: str | None = None
    limits: str | None = None
    log_role: LogRole | None = field(default=None, repr=False, compare=False)


class AccountRoleError(Exception):
    """The region has no live log role, and none could be set; says why and what to do."""


def look(clients: Clients, settings: Settings, region: str) -> AccountRole:
    """Return the role that the account settings of the region name. Nothing is changed."""
    role = RoleReader(clients, settings, region).read(_role_set(clients.apigateway(region)))
    if role.fault is not None:
        return AccountRole(RoleStatus.INVALID, role.role_arn, role.fault, log_role=role)
    limits = role.limits(region)
    status = RoleStatus.VALID if limits is None else RoleStatus.LIMITED
    return AccountRole(status, role.role_arn, limits=limits, log_role=role)


def ensure_live(clients: Clients, settings: Settings, region: str, wait: Callable[[float], None]) -> AccountRole:
    """Make sure that the region's account settings name a role that exists, trusts API Gateway and may write logs.

    A role that may write some logs is left. ``wait``: lets so many seconds pass, or raises if there is no time left for
    that.

    Raises AccountRoleError where no such role could be set, ClientError where a call failed that all else rests on.
    """
    found = look(clients, settings, region)
    if found.status is not RoleStatus.INVALID:
        return found
    client, fault, reader = clients.apigateway(region), found.fault, RoleReader(clients, settings, region)
    if settings.log_role_arn is None:
        try:
            wanted, is_changed = _make_or_mend(clients.iam(region), settings, reader)
        except ClientError as error:
            raise AccountRoleError(
                f"The role {settings.log_role_name} could not be made or mended: {error_message(error) or error}. "
                f"Allow it, or make a role yourself and name it in parameter LogRoleArn. The role that is set {fault}."
            ) from error
    else:
        wanted, is_changed = reader.read(settings.log_role_arn), False
        if wanted.fault is not None:
            raise AccountRoleError(
                f"The role of parameter LogRoleArn, {wanted.role_arn}, {wanted.fault}. Repair the role: it must trust "
                f"{API_GATEWAY} and be allowed what the managed policy {_managed_policy_arn(settings)} allows."
            )
    if is_changed:
        wait(_SPREAD)
    for pause in (*_PAUSES, None):
        try:
            clients.account_settings(region).update_account(
                patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": str(wanted.role_arn)}]
            )
        except CALL_ERRORS as error:
            if pause is None or not _is_worth_another_try(error):
                raise AccountRoleError(f"{_refusal(region, wanted, error)} The role that is set {fault}.") from error
        else:
            role = wanted if wanted.denied else reader.read(wanted.role_arn)
            return AccountRole(RoleStatus.REPAIRED, role.role_arn, fault, role.limits(region), role)
        wait(pause)
        now = _role_set(client)
        # Whoever set another role meanwhile was faster. Under the name of the dead role that cannot be told.
        if now is not None and now != found.role_arn and (role := reader.read(now)).fault is None:
            # Or it was ours, done without an answer.
            return AccountRole(RoleStatus.REPAIRED, now, fault, role.limits(region), role)
    raise AssertionError("the last try returns or raises")


def _refusal(region: str, role: LogRole, error: Exception) -> str:
    """Say what API Gateway did not take, and what its test of the role needs where that is what failed.

    *Source:* field reports of 2026-11: a service control policy that demands tags on log groups, which API Gateway does
    not give its own, leads to the answer that the role lacks permissions.
    """
    said = f"API Gateway in {region} did not take {role.role_arn} as the account's CloudWatch log role: {error}."
    if not _is_about_permissions(error):
        return said
    return (
        f"{said} API Gateway tests the role on log group {WELCOME_GROUP}: the role must trust {API_GATEWAY} and be "
        f"allowed {', '.join(TEST_ACTIONS)} there. The answer is the same where a permissions boundary or a service "
        "control policy denies one of these, such as a policy that demands tags on new log groups, although the role "
        "itself is right."
    )


def _is_worth_another_try(error: Exception) -> bool:
    return is_transient(error) or is_concurrent_change(error) or _is_about_permissions(error)


def _is_about_permissions(error: Exception) -> bool:
    return isinstance(error, ClientError) and any(text in error_message(error) for text in _NOT_SPREAD)


def _role_set(client: APIGatewayClient) -> str | None:
    """The role ARN in the account settings; None in an account that has none or has never used API Gateway.

    *Source:* cloud-custodian/cloud-custodian, test_rest_account_missing: "Invalid Customer identifier specified".
    """
    try:
        return client.get_account().get("cloudwatchRoleArn") or None
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise


def _make_or_mend(iam: IAMClient, settings: Settings, reader: RoleReader) -> tuple[LogRole, bool]:
    """Create the role of parameter LogRoleName, or repair its trust and give it the managed policy.

    Return the role, and whether that took a change, which IAM has to spread. What a role may do that was there before,
    or that has a permissions boundary, is not known yet.
    """
    name, managed = settings.log_role_name, _managed_policy_arn(settings)
    role = get_role(iam, name)
    known: dict[str, tuple[str, ...]] = {}
    if role is None:
        role = _create_role(iam, settings)
        if settings.log_role_boundary_arn is None:
            known = dict.fromkeys(PROBES, ())
    elif (found := reader.read(role["Arn"])).fault is None:
        return found, False
    if not trusts_api_gateway(role["AssumeRolePolicyDocument"]):
        # What else the role is trusted for stays.
        document: Any = role["AssumeRolePolicyDocument"]
        trust = {"Version": "2012-10-17", "Statement": [*listed(document["Statement"]), _TRUST]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    return LogRole(role["Arn"], denied=known), True


def _create_role(iam: IAMClient, settings: Settings) -> RoleTypeDef:
    name, boundary = settings.log_role_name, settings.log_role_boundary_arn
    trust = json.dumps({"Version": "2012-10-17", "Statement": [_TRUST]})
    description = "Lets API Gateway write the logs of all its stages in this account. Made by Log Keeper."
    try:
        if boundary is None:
            return iam.create_role(
                Path=settings.log_role_path, RoleName=name, AssumeRolePolicyDocument=trust, Description=description
            )["Role"]
        return iam.create_role(
            Path=settings.log_role_path,
            RoleName=name,
            AssumeRolePolicyDocument=trust,
            Description=description,
            PermissionsBoundary=boundary,
        )["Role"]
    except ClientError as error:
        # Another invocation, perhaps for another region, was faster.
        if error_code(error) != "EntityAlreadyExists":
            raise
        return iam.get_role(RoleName=name)["Role"]


def _managed_policy_arn(settings: Settings) -> str:
    return f"arn:{settings.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
