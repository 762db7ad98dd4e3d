"""The account's CloudWatch log role, as one region's account settings have it: is it live, and if not, make it so.

A role that is live is left alone, whoever made it. Nothing is ever reset or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from log_keeper.aws import Clients, error_code, error_message, is_moving, is_transient
from log_keeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import RoleTypeDef

_API_GATEWAY = "apigateway.amazonaws.com"
_TRUST = {"Effect": "Allow", "Principal": {"Service": _API_GATEWAY}, "Action": "sts:AssumeRole"}

#: What writing a log line takes. *Source:* the managed policy, less what only reads.
_WRITE_ACTIONS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")

#: What UpdateAccount answers while IAM spreads a role that was just made, and for ever if the role will never do.
#: *Source:* aws-cloudformation/rain, issue 163; hashicorp/terraform-provider-aws, apigateway/account.go.
_NOT_SPREAD = ("does not have required permissions configured", "could not successfully write to CloudWatch Logs")

#: Seconds before the first try of UpdateAccount with a role that was just made or changed, which IAM takes some to
#: spread, and between the tries: it takes one call in 20 s, so that one which came too early costs the next its turn.
#: *Source:* Amazon API Gateway quotas; awslabs/nx-plugin-for-aws, which waits 12 times 5 s.
_SPREAD = 7
_PAUSES = (20, 10)


class Verdict(StrEnum):
    """How the account's log role was found, or left."""

    LIVE = "live"
    MENDED = "mended"
    #: Found so by a look, which changes nothing.
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class AccountRole:
    """The role that the account settings of a region name now, if any; ``fault``: what is wrong, or was until now."""

    verdict: Verdict
    role_arn: str | None
    fault: str | None = None


class AccountRoleError(Exception):
    """The region has no live log role, and none could be set; says why and what to do."""


def look(clients: Clients, settings: Settings, region: str) -> AccountRole:
    """The role that the account settings of the region name, live or dead. Nothing is changed."""
    found = _role_set(clients.apigateway(region))
    fault = _fault_of(found, clients.iam(region), settings, region)
    return AccountRole(Verdict.LIVE if fault is None else Verdict.DEAD, found, fault)


def ensure_live(clients: Clients, settings: Settings, region: str, wait: Callable[[float], None]) -> AccountRole:
    """The account settings of the region name a role that exists, trusts API Gateway and may write logs.

    ``wait``: lets so many seconds pass, or raises if there is no time left for that.

    Raises AccountRoleError where no live role could be set, ClientError where a call failed that all else rests on.
    """
    role = look(clients, settings, region)
    if role.verdict is Verdict.LIVE:
        return role
    client, iam, found, fault = clients.apigateway(region), clients.iam(region), role.role_arn, role.fault
    if settings.log_role_arn is None:
        try:
            wanted, is_changed = _make_or_mend(iam, settings, region)
        except ClientError as error:
            raise AccountRoleError(
                f"The role {settings.log_role_name} could not be made or mended: {error_message(error) or error}. "
                f"Allow it, or make a role yourself and name it in parameter LogRoleArn. The role that is set {fault}."
            ) from error
    elif (own_fault := _fault_of(settings.log_role_arn, iam, settings, region)) is None:
        wanted, is_changed = settings.log_role_arn, False
    else:
        raise AccountRoleError(
            f"The role of parameter LogRoleArn, {settings.log_role_arn}, {own_fault}. Mend the role: it must trust "
            f"{_API_GATEWAY} and be allowed what the managed policy {_managed_policy_arn(settings)} allows."
        )
    if is_changed:
        wait(_SPREAD)
    for pause in (*_PAUSES, None):
        try:
            clients.account_settings(region).update_account(
                patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": wanted}]
            )
        except (ClientError, HTTPClientError) as error:
            if pause is None or not _is_worth_another_try(error):
                raise AccountRoleError(
                    f"API Gateway in {region} did not take {wanted} as the account's CloudWatch log role: "
                    f"{error}. The role that is set {fault}."
                ) from error
        else:
            return AccountRole(Verdict.MENDED, wanted, fault)
        wait(pause)
        now = _role_set(client)
        # Whoever set another role meanwhile was faster. Under the name of the dead role that cannot be told.
        if now is not None and now != found and _fault_of(now, iam, settings, region) is None:
            return AccountRole(Verdict.MENDED, now, fault)  # or it was ours, done without an answer
    raise AssertionError("the last try returns or raises")


def _is_worth_another_try(error: ClientError | HTTPClientError) -> bool:
    return is_transient(error) or (
        isinstance(error, ClientError)
        and (is_moving(error) or any(text in error_message(error) for text in _NOT_SPREAD))
    )


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


def _fault_of(role_arn: str | None, iam: IAMClient, settings: Settings, region: str) -> str | None:
    """What keeps the role from writing the logs of any API of the region; None: it is live."""
    if role_arn is None:
        return "is none"
    role = _get_role(iam, role_arn.rsplit("/", 1)[-1])
    # A role of the same name on another path, or of another account, is not this one.
    if role is None or role["Arn"] != role_arn:
        return "does not exist"
    if not _trusts_api_gateway(role["AssumeRolePolicyDocument"]):
        return f"does not trust {_API_GATEWAY}"
    stream = f"log-group:API-Gateway-Execution-Logs_0000000000/stage:log-stream:{'0' * 32}"
    simulated = iam.simulate_principal_policy(
        PolicySourceArn=role_arn,
        ActionNames=list(_WRITE_ACTIONS),
        ResourceArns=[f"arn:{settings.partition}:logs:{region}:{settings.account}:{stream}"],
    )
    # What a condition of the owner's depends on cannot be simulated: that is not a reason to replace their role.
    if any(
        result["EvalDecision"] == "explicitDeny"
        or (result["EvalDecision"] != "allowed" and not result.get("MissingContextValues"))
        for result in simulated["EvaluationResults"]
    ):
        return "is not allowed to write to CloudWatch Logs"
    return None


def _get_role(iam: IAMClient, name: str) -> RoleTypeDef | None:
    try:
        return iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise


def _statements(document: Any) -> list[Mapping[str, Any]]:
    """The statements of a policy document; a single one may stand without a list."""
    statements = document["Statement"]
    return [statements] if isinstance(statements, Mapping) else list(statements)


def _trusts_api_gateway(trust_policy: Any) -> bool:
    """Whether a statement lets API Gateway assume the role.

    A condition on it is the owner's, and API Gateway accepted the role with it: it is not judged here.
    """

    def has(values: str | list[str] | None, *wanted: str) -> bool:
        return bool(set(wanted) & set([values] if isinstance(values, str) else values or []))

    return any(
        statement["Effect"] == "Allow"
        and isinstance(statement.get("Principal"), Mapping)
        and has(statement["Principal"].get("Service"), _API_GATEWAY)
        and has(statement.get("Action"), "sts:AssumeRole", "sts:*", "*")
        for statement in _statements(trust_policy)
    )


def _make_or_mend(iam: IAMClient, settings: Settings, region: str) -> tuple[str, bool]:
    """The role of parameter LogRoleName exists, trusts API Gateway and has the managed policy.

    Gives its ARN, and whether that took a change, which IAM has to spread.
    """
    name, managed = settings.log_role_name, _managed_policy_arn(settings)
    role = _get_role(iam, name)
    if role is None:
        role = _create_role(iam, settings)
    elif _fault_of(role["Arn"], iam, settings, region) is None:
        return role["Arn"], False
    if not _trusts_api_gateway(role["AssumeRolePolicyDocument"]):
        # What else the role is trusted for stays.
        trust = {"Version": "2012-10-17", "Statement": [*_statements(role["AssumeRolePolicyDocument"]), _TRUST]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    return role["Arn"], True


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
