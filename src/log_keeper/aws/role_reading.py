"""Log roles in IAM: whether a role exists, trusts API Gateway, and which log groups it is allowed to write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code
from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.log_groups import LogGroup
from log_keeper.policy.log_role import (
    CREATE_GROUP,
    PROBES,
    WRITE_ACTIONS,
    LogRoleFacts,
    granted_groups,
    in_words,
    listed,
    probe_of,
)
from log_keeper.stages import Account

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import EvaluationResultTypeDef, RoleTypeDef

API_GATEWAY = "apigateway.amazonaws.com"
#: The number of log groups in one simulation. IAM documents no limit; this keeps an answer under 100 KB.
_TOGETHER = 25
#: The number of log groups, besides the probes, whose answers are kept.
_KEPT = 1_000
#: The name of a log stream like those of API Gateway.
_STREAM = "0" * 32


@dataclass(slots=True)
class LogRole:
    """The log role of a region, and what is known about the log groups that it is allowed to write to.

    ``role_arn``: None if the account settings name no role. ``fault``: what makes the role invalid; None for a role
    that is valid or limited. ``denied``: by the name of a log group, the write actions that are denied there; empty if
    the role is allowed to write. ``is_denied_by_organization``: whether IAM's simulation says that a service control
    policy denies writing. The simulation does not know all values that the conditions of such a policy use, so the role
    counts as allowed.
    """

    role_arn: str | None
    fault: str | None = None
    denied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_denied_by_organization: bool = False

    def limits(self, region: str) -> str | None:
        """Return in words which log groups the role is denied; None for a role that is valid or invalid."""
        denied = {probe: actions for probe in PROBES if (actions := self.denied.get(probe))}
        if self.fault is not None or self.role_arn is None or not denied:
            return None
        return in_words(self.role_arn, denied, region=region)


class RoleReader:
    """Reads log roles from IAM. Methods raise ClientError."""

    def __init__(self, clients: Clients, account: Account, region: str) -> None:
        self._iam = clients.iam(region)
        self._account = account
        self._region = region

    def read(self, role_arn: str | None) -> LogRole:
        """Return the role, with what it is allowed: two calls, and more for a role that is denied all usual log groups.

        ``role_arn``: None if the account settings name no role.
        """
        if role_arn is None:
            return LogRole(None, "is not set")
        role = get_role(self._iam, role_arn.rsplit("/", 1)[-1])
        # A role of the same name can be on another path or in another account.
        if role is None or role["Arn"] != role_arn:
            return LogRole(role_arn, "does not exist")
        if not trusts_api_gateway(role["AssumeRolePolicyDocument"]):
            return LogRole(role_arn, f"does not trust {API_GATEWAY}")
        found = LogRole(role_arn)
        self._simulate(found, PROBES)
        if _writes_nothing(found) and not self._may_write_any(found, role):
            found.fault = "is not allowed to write to CloudWatch Logs"
        return found

    def facts(self, role: LogRole, groups: Iterable[LogGroup], usual: AccessLogNames) -> LogRoleFacts | None:
        """Return what the role is denied on these log groups; None for a role that is invalid.

        A log group with a standard name is simulated only if the probe for that use is denied: the role may be allowed
        for some APIs only. ``usual``: the names of log groups for access logs, which may need a probe of their own.
        """
        if role.role_arn is None or role.fault is not None:
            return None
        names: dict[str, None] = {}
        probes = {group.name: probe_of(group, usual) for group in groups}
        if unknown := [probe for probe in dict.fromkeys(probes.values()) if probe and probe not in role.denied]:
            self._simulate(role, unknown)
        for name, probe in probes.items():
            if probe is None or role.denied[probe]:
                names[name] = None
        if unknown := [name for name in names if name not in role.denied]:
            if len(role.denied) > _KEPT:
                role.denied = {probe: role.denied[probe] for probe in PROBES}
            self._simulate(role, unknown)
        known = role.denied
        return LogRoleFacts(role.role_arn, {name: known[name] for name in names if known.get(name)})

    def _may_write_any(self, found: LogRole, role: RoleTypeDef) -> bool:
        """Return whether the role is allowed to write to any log group at all. Its owner may need it for that one."""
        trial = LogRole(found.role_arn)
        self._simulate(trial, granted_groups(self._policies_of(role)))
        return not _writes_nothing(trial)

    def _policies_of(self, role: RoleTypeDef) -> Iterator[Any]:
        """Yield the policy documents of the role and of its permissions boundary."""
        iam, name = self._iam, role["RoleName"]
        for inline in iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy in inline["PolicyNames"]:
                yield iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        arns = [attached["PolicyArn"] for page in pages for attached in page["AttachedPolicies"]]
        if boundary := role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
            arns.append(boundary)
        for arn in arns:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def _simulate(self, role: LogRole, names: Iterable[str]) -> None:
        """Simulate in IAM which write actions the role is denied on each log group; store the answers in ``role``."""
        for some in batched(names, _TOGETHER, strict=False):
            arns = {name: self._arns_of(name) for name in some}
            pages = self._iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=str(role.role_arn),
                ActionNames=list(WRITE_ACTIONS),
                ResourceArns=[arn for both in arns.values() for arn in both],
                # Conditions in permissions boundaries and service control policies often use these.
                ContextEntries=[
                    {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
                    for key, value in (
                        ("aws:RequestedRegion", self._region),
                        ("aws:ResourceAccount", self._account.account_id),
                        ("aws:SecureTransport", "true"),
                    )
                ],
            )
            results = {result["EvalActionName"]: result for page in pages for result in page["EvaluationResults"]}
            for name, both in arns.items():
                role.denied[name] = tuple(
                    action for action in WRITE_ACTIONS if not _is_allowed(results[action], action, both)
                )
            role.is_denied_by_organization |= any(map(_is_denied_by_organization, results.values()))

    def _arns_of(self, name: str) -> tuple[str, str]:
        """Return the ARNs of the log group and of a stream in it, in the form that permissions are checked with.

        *Source:* recorded denials in hashicorp/terraform-provider-aws, issue 8804.
        """
        group = f"{self._account.log_group_prefix(self._region)}{name}:log-stream:"
        return group, group + _STREAM


def _writes_nothing(role: LogRole) -> bool:
    """Return whether the role cannot write a line to any of the log groups, even if they exist."""
    return all(set(actions) - {CREATE_GROUP} for actions in role.denied.values())


def _is_allowed(result: EvaluationResultTypeDef, action: str, arns: tuple[str, str]) -> bool:
    """Return whether the action is allowed on the log group; True if IAM's simulation cannot decide.

    It cannot decide if a condition uses a value that was not given, or if a policy of the organization denies.
    *Source:* for the form of the answer radkawar/stackd, testdata/aws/iam/simulation.json.
    """
    group, stream = arns
    decisions: dict[str, Mapping[str, Any]] = {
        each["EvalResourceName"]: each for each in result.get("ResourceSpecificResults", [])
    }
    for arn in (group, stream) if action == CREATE_GROUP else (stream,):
        each = decisions.get(arn)
        if each is None:
            # If the organization denies the action, the answer has no results for the resources.
            decision, missing = result["EvalDecision"], result.get("MissingContextValues")
        else:
            decision, missing = each["EvalResourceDecision"], each.get("MissingContextValues")
        if decision == "allowed" or (decision == "implicitDeny" and missing):
            return True
    return _is_denied_by_organization(result)


def _is_denied_by_organization(result: EvaluationResultTypeDef) -> bool:
    return not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)


def get_role(iam: IAMClient, name: str) -> RoleTypeDef | None:
    """Return the role of this name; None if it does not exist."""
    try:
        return iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise


def trusts_api_gateway(trust_policy: Any) -> bool:
    """Return whether a statement of the trust policy lets API Gateway assume the role.

    Conditions of the statement are not evaluated: API Gateway accepted the role with them.
    """
    return any(
        statement["Effect"] == "Allow"
        and isinstance(statement.get("Principal"), Mapping)
        and API_GATEWAY in listed(statement["Principal"].get("Service"))
        and {"sts:AssumeRole", "sts:*", "*"} & set(listed(statement.get("Action")))
        for statement in listed(trust_policy["Statement"])
    )
