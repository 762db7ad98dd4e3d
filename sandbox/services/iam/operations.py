"""Operations of IAM: policy simulation, and changes of roles, whose times are recorded."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.iam import authorization
from sandbox.core.iam.policies import Context, Decision, Policies, load
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


#: Operations that may change a role.
_CHANGES = (
    "CreateRole",
    "UpdateAssumeRolePolicy",
    "PutRolePolicy",
    "DeleteRolePolicy",
    "AttachRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "DeleteRolePermissionsBoundary",
)


@rule("iam", *_CHANGES)
def _change_role(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Change a role. Record the time of the change, unless the call changed nothing."""
    name = call.params["RoleName"]
    boundary = call.params.get("PermissionsBoundary")
    if boundary and boundary not in iam_backends[account.account_id]["aws"].managed_policies:
        message = f"Scope ARN: {boundary} does not exist or is not attachable."
        raise AwsError("NoSuchEntity", message, 404)
    before = _shape(account, name)
    answer = proceed()
    if _shape(account, name) != before:
        account.role_changes[name] = account.now()
    if call.operation != "CreateRole":
        return None
    # Source: localstack/localstack test_iam.snapshot.json of 2025, radkawar/stackd; GetRole shows both.
    hidden = ("MaxSessionDuration", "RoleLastUsed")
    return {"Role": {member: value for member, value in answer["Role"].items() if member not in hidden}}


@rule("iam", "CreatePolicy")
def _create_policy(_: Account, __: Call, proceed: Proceed) -> dict[str, Any]:
    """Create a policy, and answer with ``PermissionsBoundaryUsageCount``.

    *Source:* localstack/localstack ``test_iam.snapshot.json`` of 2025.
    """
    return {"Policy": {**proceed()["Policy"], "PermissionsBoundaryUsageCount": 0}}


@rule("iam", "DeletePolicy")
def _delete_policy(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Delete a policy.

    *Source* of the text of the refusal: localstack/localstack ``test_iam.snapshot.json`` of 2025.
    """
    arn = call.params["PolicyArn"]
    if arn not in iam_backends[account.account_id]["aws"].managed_policies:
        raise AwsError("NoSuchEntity", f"Policy {arn} was not found.", 404)
    proceed()
    return None


@rule("iam", "DeleteRole")
def _delete_role(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    proceed()
    account.role_changes.pop(call.params["RoleName"], None)
    return None


def _shape(account: Account, name: str) -> object:
    role = next((role for role in iam_backends[account.account_id]["aws"].get_roles() if role.name == name), None)
    if role is None:
        return None
    trust, boundary = role.assume_role_policy_document, role.permissions_boundary_arn
    return (trust, tuple(sorted(role.policies.items())), tuple(sorted(role.managed_policies)), boundary)


@rule("iam", "SimulatePrincipalPolicy")
def _simulate(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return one result for each action. It contains the decision on each resource, and the strictest one at the top.

    *Source:* radkawar/stackd, testdata/aws/iam/simulation.json (245 cases, 2026-09), for the form, the missing context
    keys and the refusal of a text that is not an ARN. The description of OrganizationsDecisionDetail is from botocore's
    model.
    """
    params = call.params
    policies = _policies_of(account, params["PolicySourceArn"])
    if params.get("PolicyInputList"):
        inputs = tuple(load(text) for text in params["PolicyInputList"])
        policies = replace(policies, identity=(*policies.identity, *inputs))
    if params.get("PermissionsBoundaryPolicyInputList"):
        policies = replace(policies, boundary=load(params["PermissionsBoundaryPolicyInputList"][0]))
    context: dict[str, str | list[str]] = {}
    for entry in params.get("ContextEntries", []):
        values = [str(value) for value in entry.get("ContextKeyValues", [])]
        is_list = str(entry.get("ContextKeyType", "string")).endswith("List")
        context[entry["ContextKeyName"]] = values if is_list else next(iter(values), "")
    resources = params.get("ResourceArns") or []
    for resource in resources:
        if resource != "*" and not _ARN.fullmatch(resource):
            raise AwsError("InvalidInput", f"ResourceNames are not in a valid ARN format: {resource}.", 400)
    results = [_result(policies, action, resources, context) for action in params["ActionNames"]]
    return {"EvaluationResults": results, "IsTruncated": False}


_ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+")
#: From the strictest to the most lenient.
_STRICTNESS = (Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY, Decision.ALLOWED)


def _result(policies: Policies, action: str, resources: list[str], context: Context) -> dict[str, Any]:
    """Return the result for one action.

    If a service control policy denies it, the result has no decisions on resources.
    """
    asked = resources or ["*"]
    decisions = [policies.decide(action, resource, context) for resource in asked]
    result: dict[str, Any] = {
        "EvalActionName": action,
        # For several resources AWS shows the format of the ARN, such as arn:aws:s3:::${BucketName}/${KeyName}.
        "EvalResourceName": asked[0] if len(asked) == 1 else f"arn:aws:{action.split(':', maxsplit=1)[0]}:::${{Name}}",
        "EvalDecision": str(min(decisions, key=_STRICTNESS.index)),
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    if policies.organization or policies.allow_lists:
        by_organization = [policies.organization_decides(action, resource, context) for resource in asked]
        is_allowed = all(decision is Decision.ALLOWED for decision in by_organization)
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": is_allowed}
        if not is_allowed:
            return result
    missing = policies.missing_keys(context)
    if Decision.IMPLICIT_DENY in decisions:
        result["MissingContextValues"] = missing
    if resources:
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": str(decision),
                "MatchedStatements": [],
                "MissingContextValues": missing if decision is Decision.IMPLICIT_DENY else [],
            }
            for resource, decision in zip(resources, decisions, strict=True)
        ]
    return result


def _policies_of(account: Account, arn: str) -> Policies:
    """Return the policies of the role or user with the name in the ARN. The path in the ARN is ignored.

    *Source:* radkawar/stackd, docs/iam-simulation.md: "Principal source ARNs resolve by entity name".
    """
    backend, name = iam_backends[account.account_id]["aws"], Arn.parse(arn).name
    role = next((role for role in backend.get_roles() if role.name == name), None)
    if ":role/" in arn and role is not None:
        return authorization.policies_of_role(account, role)
    user = backend.users.get(name) if ":user/" in arn else None
    if user is None:
        raise AwsError("NoSuchEntity", f"The entity {arn} cannot be found.", 404)
    return authorization.policies_of_user(account, user)
