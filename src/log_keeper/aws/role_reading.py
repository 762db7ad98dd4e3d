"""A log role as IAM knows it: whether it exists, trusts API Gateway, and which log groups it may write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code
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
from log_keeper.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_iam.type_defs import EvaluationResultTypeDef, RoleTypeDef

API_GATEWAY = "apigateway.amazonaws.com"
#: Log groups that one simulation asks about. IAM documents no limit; this keeps an answer under 100 KB.
_TOGETHER = 25
#: Log groups, besides the probes, whose answers are kept.
_KEPT = 1_000
#: A stream such as API Gateway's.
_STREAM = "0" * 32


@dataclass(slots=True)
class LogRole:
    """The log role of a region, and what is known of the log groups that it may write to.

    ``role_arn``: None where the account settings name none. ``fault``: what makes it invalid; None for a role that is
    valid or limited. ``denied``: by the name of a log group, the write actions that are denied there; none, and it may
    write. ``is_denied_by_organization``: whether IAM's simulation says that a service control policy denies writing.
    The simulation does not know all that such a policy's conditions ask for, so that this is not held against the role.
    """

    role_arn: str | None
    fault: str | None = None
    denied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_denied_by_organization: bool = False

    def limits(self, region: str) -> str | None:
        """Return in words which uses the role is not allowed; None for a role that is valid, or invalid."""
        denied = {probe: actions for probe in PROBES if (actions := self.denied.get(probe))}
        if self.fault is not None or self.role_arn is None or not denied:
            return None
        return in_words(self.role_arn, denied, region=region)


class RoleReader:
    """Reads log roles with the calls of IAM."""

    def __init__(self, clients: Clients, settings: Settings, region: str) -> None:
        self._iam = clients.iam(region)
        self._settings = settings
        self._region = region

    def read(self, role_arn: str | None) -> LogRole:
        """Return the role, with what it may do for each use: two calls, and more for one that may do nothing.

        Raises ClientError.
        """
        if role_arn is None:
            return LogRole(None, "is none")
        role = get_role(self._iam, role_arn.rsplit("/", 1)[-1])
        # A role of the same name on another path, or of another account, is not this one.
        if role is None or role["Arn"] != role_arn:
            return LogRole(role_arn, "does not exist")
        if not trusts_api_gateway(role["AssumeRolePolicyDocument"]):
            return LogRole(role_arn, f"does not trust {API_GATEWAY}")
        found = LogRole(role_arn)
        self._simulate(found, PROBES)
        if _writes_nothing(found) and not self._may_write_any(found, role):
            found.fault = "is not allowed to write to CloudWatch Logs"
        return found

    def facts(self, role: LogRole, groups: Iterable[LogGroup]) -> LogRoleFacts | None:
        """Return what the role may not write of these log groups; None for a role that is invalid.

        A group of a standard name is asked about only where the role is denied that use: it may be allowed for some
        APIs only. Raises ClientError.
        """
        if role.role_arn is None or role.fault is not None:
            return None
        names: dict[str, None] = {}
        for group in groups:
            probe = probe_of(group)
            if probe is None or role.denied[probe]:
                names[group.name] = None
        if unknown := [name for name in names if name not in role.denied]:
            if len(role.denied) > _KEPT:
                role.denied = {probe: role.denied[probe] for probe in PROBES}
            self._simulate(role, unknown)
        known = role.denied
        return LogRoleFacts(role.role_arn, {name: known[name] for name in names if known.get(name)})

    def _may_write_any(self, found: LogRole, role: RoleTypeDef) -> bool:
        """Whether the role may write to some log group at all: it is then of use to the one who made it."""
        trial = LogRole(found.role_arn)
        self._simulate(trial, granted_groups(self._policies_of(role)))
        return not _writes_nothing(trial)

    def _policies_of(self, role: RoleTypeDef) -> Iterator[Any]:
        """The policy documents of the role and its permissions boundary."""
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
        """Ask IAM which write actions the role is denied on each log group; ``role`` keeps the answers."""
        for some in batched(names, _TOGETHER, strict=False):
            arns = {name: self._arns_of(name) for name in some}
            pages = self._iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=str(role.role_arn),
                ActionNames=list(WRITE_ACTIONS),
                ResourceArns=[arn for both in arns.values() for arn in both],
                # A condition on these is common, in boundaries and in service control policies.
                ContextEntries=[
                    {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
                    for key, value in (
                        ("aws:RequestedRegion", self._region),
                        ("aws:ResourceAccount", self._settings.account),
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
        """The log group, and a stream of it, as CloudWatch Logs names them where it checks permissions.

        *Source:* recorded denials in hashicorp/terraform-provider-aws, issue 8804.
        """
        settings = self._settings
        group = f"arn:{settings.partition}:logs:{self._region}:{settings.account}:log-group:{name}:log-stream:"
        return group, group + _STREAM


def _writes_nothing(role: LogRole) -> bool:
    """Whether no line arrives in any of the log groups, even where they exist."""
    return all(set(actions) - {CREATE_GROUP} for actions in role.denied.values())


def _is_allowed(result: EvaluationResultTypeDef, action: str, arns: tuple[str, str]) -> bool:
    """Whether the action is allowed on the log group, or IAM cannot say.

    What a condition depends on cannot be simulated: it is not held against the role, nor is a policy of the
    organization. *Source:* for the form of the answer radkawar/stackd, testdata/aws/iam/simulation.json.
    """
    group, stream = arns
    decisions: dict[str, Mapping[str, Any]] = {
        each["EvalResourceName"]: each for each in result.get("ResourceSpecificResults", [])
    }
    for arn in (group, stream) if action == CREATE_GROUP else (stream,):
        each = decisions.get(arn)
        if each is None:
            # Of an action that the organization denies, IAM says nothing about the resources.
            decision, missing = result["EvalDecision"], result.get("MissingContextValues")
        else:
            decision, missing = each["EvalResourceDecision"], each.get("MissingContextValues")
        if decision == "allowed" or (decision == "implicitDeny" and missing):
            return True
    return _is_denied_by_organization(result)


def _is_denied_by_organization(result: EvaluationResultTypeDef) -> bool:
    return not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)


def get_role(iam: IAMClient, name: str) -> RoleTypeDef | None:
    """Return the role of this name; None if there is none."""
    try:
        return iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return None
        raise


def trusts_api_gateway(trust_policy: Any) -> bool:
    """Whether a statement lets API Gateway assume the role.

    A condition on it is the owner's, and API Gateway accepted the role with it: it is not judged here.
    """
    return any(
        statement["Effect"] == "Allow"
        and isinstance(statement.get("Principal"), Mapping)
        and API_GATEWAY in listed(statement["Principal"].get("Service"))
        and {"sts:AssumeRole", "sts:*", "*"} & set(listed(statement.get("Action")))
        for statement in listed(trust_policy["Statement"])
    )
