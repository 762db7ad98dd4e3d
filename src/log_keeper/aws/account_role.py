"""The account's CloudWatch log role in the account settings of one region: check it, and set a valid one if it is not.

A valid role is never replaced, whoever created it. Nothing is ever reset or deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS, error_code, error_message, is_concurrent_change, is_transient
from log_keeper.aws.role_creation import create_or_repair_role, managed_policy_arn
from log_keeper.aws.role_reading import API_GATEWAY, LogRole, RoleReader
from log_keeper.policy.log_role import TEST_ACTIONS, WELCOME_GROUP
from log_keeper.settings import Deployment
from log_keeper.stages import Account

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient

#: UpdateAccount's answers while IAM propagates a role that was just created; and always, if the role is not valid.
#: *Source:* aws-cloudformation/rain, issue 163; hashicorp/terraform-provider-aws, apigateway/account.go.
_NOT_PROPAGATED = ("does not have required permissions configured", "could not successfully write to CloudWatch Logs")

#: Seconds before the first try of UpdateAccount with a role that was just created or changed, which IAM takes a while
#: to propagate, and seconds between the tries. UpdateAccount takes one call in 20 s: a call that is too early delays
#: the next one.
#: *Source:* Amazon API Gateway quotas; awslabs/nx-plugin-for-aws, which waits 12 times 5 s; and radkawar/stackd,
#: testdata/aws/apigateway/rest_websocket_logs.json: refused 0.2 s after the change of the role, accepted after 33 s.
_PROPAGATION = 7
_PAUSES = (20, 20)


class RoleStatus(StrEnum):
    """The status of the account's log role after a check, or after a repair."""

    VALID = "valid"
    #: Denied some log groups that APIs of the region write to, or may write to. It is never replaced.
    LIMITED = "limited"
    REPAIRED = "repaired"
    #: Found by a check, which changes nothing.
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class AccountRole:
    """The role in the account settings of a region, if there is one.

    ``fault``: what is wrong, or was before the repair. ``limits``: which log groups the role is denied, in words; None
    if it is allowed all usual ones. ``log_role``: what is known about the log groups that it is allowed to write to.
    """

    status: RoleStatus
    role_arn: str | None
    fault: str | None = None
    limits: str | None = None
    log_role: LogRole | None = field(default=None, repr=False, compare=False)


class AccountRoleError(Exception):
    """The region has no valid log role, and none could be set. The message says why and what to do."""


def check_role(clients: Clients, account: Account, region: str) -> AccountRole:
    """Return the role in the account settings of the region. Nothing is changed. Raises ClientError."""
    role = RoleReader(clients, account, region).read(_role_set(clients.apigateway(region)))
    if role.fault is not None:
        return AccountRole(RoleStatus.INVALID, role.role_arn, role.fault, log_role=role)
    limits = role.limits(region)
    status = RoleStatus.VALID if limits is None else RoleStatus.LIMITED
    return AccountRole(status, role.role_arn, limits=limits, log_role=role)


def ensure_valid_role(
    clients: Clients, deployment: Deployment, region: str, wait: Callable[[float], None]
) -> AccountRole:
    """Make sure that the account settings name a role that exists, trusts API Gateway and is allowed to write logs.

    A limited role is not replaced. ``wait``: waits for a number of seconds, or raises an error if there is no time.

    Raises AccountRoleError if no valid role could be set, ClientError if the role could not be read.
    """
    found = check_role(clients, deployment.account, region)
    if found.status is not RoleStatus.INVALID:
        return found
    reader = RoleReader(clients, deployment.account, region)
    wanted, is_changed = _wanted_role(clients, deployment, reader, region, found)
    if is_changed:
        wait(_PROPAGATION)
    return _set_role(clients, reader, region, wanted, found, wait)


def _wanted_role(
    clients: Clients, deployment: Deployment, reader: RoleReader, region: str, found: AccountRole
) -> tuple[LogRole, bool]:
    """Return the role to set, and whether IAM has to propagate a change of it. Raises AccountRoleError."""
    if deployment.log_role.arn is not None:
        wanted = reader.read(deployment.log_role.arn)
        if wanted.fault is not None:
            raise AccountRoleError(
                f"The role of parameter LogRoleArn, {wanted.role_arn}, {wanted.fault}. Repair the role: it must trust "
                f"{API_GATEWAY} and be allowed what the managed policy "
                f"{managed_policy_arn(deployment.account)} allows."
            )
        return wanted, False
    try:
        return create_or_repair_role(clients.iam(region), deployment, reader)
    except ClientError as error:
        raise AccountRoleError(
            f"The role {deployment.log_role.name} could not be created or repaired: {error_message(error) or error}. "
            "Allow these calls to Log Keeper, or create a role yourself and name it in parameter LogRoleArn. "
            f"{_in_words(found)}"
        ) from error


def _set_role(
    clients: Clients,
    reader: RoleReader,
    region: str,
    wanted: LogRole,
    found: AccountRole,
    wait: Callable[[float], None],
) -> AccountRole:
    """Set the role in the account settings; try again while IAM propagates it. Raises AccountRoleError."""
    pauses = list(_PAUSES)
    while True:
        try:
            clients.account_settings(region).update_account(
                patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": str(wanted.role_arn)}]
            )
        except CALL_ERRORS as error:
            if not pauses or not _is_worth_another_try(error):
                raise AccountRoleError(f"{_refusal(region, wanted, error)} {_in_words(found)}") from error
        else:
            return _repaired(wanted if wanted.denied else reader.read(wanted.role_arn), found, region)
        wait(pauses.pop(0))
        now = _role_set(clients.apigateway(region))
        # Somebody else has set another role in the meantime; or the call was executed, and its answer was lost. Whether
        # somebody has repaired the role that was set before cannot be seen here.
        if now is not None and now != found.role_arn and (role := reader.read(now)).fault is None:
            return _repaired(role, found, region)


def _repaired(role: LogRole, found: AccountRole, region: str) -> AccountRole:
    return AccountRole(RoleStatus.REPAIRED, role.role_arn, found.fault, role.limits(region), role)


def _in_words(found: AccountRole) -> str:
    """Return which role the account settings name now, and what is wrong with it."""
    if found.role_arn is None:
        return "The account settings name no role."
    return f"The role that is set, {found.role_arn}, {found.fault}."


def _refusal(region: str, role: LogRole, error: Exception) -> str:
    """Return what API Gateway did not accept, and what its test of the role requires if the test failed.

    *Source:* field reports of 2026-11: with a service control policy that requires tags on log groups, which API
    Gateway does not give to its own, the answer says that the role has no permissions.
    """
    said = f"API Gateway in {region} did not accept {role.role_arn} as the account's CloudWatch log role: {error}."
    if not _is_about_permissions(error):
        return said
    return (
        f"{said} API Gateway tests the role on log group {WELCOME_GROUP}: the role must trust {API_GATEWAY} and be "
        f"allowed {', '.join(TEST_ACTIONS)} there. The answer is the same if a permissions boundary or a service "
        "control policy denies one of these actions, for example a policy that requires tags on new log groups, even "
        "if the role itself is correct."
    )


def _is_worth_another_try(error: Exception) -> bool:
    return is_transient(error) or is_concurrent_change(error) or _is_about_permissions(error)


def _is_about_permissions(error: Exception) -> bool:
    return isinstance(error, ClientError) and any(text in error_message(error) for text in _NOT_PROPAGATED)


def _role_set(client: APIGatewayClient) -> str | None:
    """Return the ARN of the role in the account settings; None if there is none, or API Gateway was never used.

    *Source:* cloud-custodian/cloud-custodian, test_rest_account_missing: "Invalid Customer identifier specified".
    """
    try:
        return client.get_account().get("cloudwatchRoleArn") or None
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
