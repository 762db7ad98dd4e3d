"""IAM: simulation of a principal's policies, and a memory of when a role last changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from sandbox import iam
from sandbox.call import AwsError
from sandbox.gateway import rule
from sandbox.policies import Policies, load

if TYPE_CHECKING:
    from sandbox.account import Sandbox
    from sandbox.call import Call
    from sandbox.gateway import Proceed


#: Calls after which a role may be another one.
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
def _change_role(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """What changes a role is remembered with its time; a call that changes nothing is not."""
    name = call.params["RoleName"]
    boundary = call.params.get("PermissionsBoundary")
    if boundary and boundary not in iam_backends[sandbox.account_id]["aws"].managed_policies:
        message = f"Scope ARN: {boundary} does not exist or is not attachable."
        raise AwsError("NoSuchEntity", message, 404)
    before = _shape(sandbox, name)
    proceed()
    if _shape(sandbox, name) != before:
        sandbox.role_changes[name] = sandbox.now()
    return None


@rule("iam", "DeleteRole")
def _delete_role(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    proceed()
    sandbox.role_changes.pop(call.params["RoleName"], None)
    return None


def _shape(sandbox: Sandbox, name: str) -> object:
    role = next((role for role in iam_backends[sandbox.account_id]["aws"].get_roles() if role.name == name), None)
    if role is None:
        return None
    trust, boundary = role.assume_role_policy_document, role.permissions_boundary_arn
    return (trust, tuple(sorted(role.policies.items())), tuple(sorted(role.managed_policies)), boundary)


@rule("iam", "SimulatePrincipalPolicy")
def _simulate(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """A verdict for each action on each resource, by the policies of the account as they are.

    *Source:* https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    params = call.params
    policies = _policies_of(sandbox, params["PolicySourceArn"])
    if params.get("PolicyInputList"):
        policies = Policies(
            (*policies.identity, *(load(text) for text in params["PolicyInputList"])), boundary=policies.boundary
        )
    if params.get("PermissionsBoundaryPolicyInputList"):
        policies = Policies(policies.identity, load(params["PermissionsBoundaryPolicyInputList"][0]))
    context: dict[str, str | list[str]] = {}
    for entry in params.get("ContextEntries", []):
        values = [str(value) for value in entry.get("ContextKeyValues", [])]
        is_list = str(entry.get("ContextKeyType", "string")).endswith("List")
        context[entry["ContextKeyName"]] = values if is_list else next(iter(values), "")
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": str(policies.decide(action, resource, context)),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns") or ["*"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _policies_of(sandbox: Sandbox, arn: str) -> Policies:
    role = iam.role_by_arn(sandbox, arn)
    if role is not None:
        return iam.policies_of_role(sandbox, role)
    user = next((user for user in iam_backends[sandbox.account_id]["aws"].users.values() if user.arn == arn), None)
    if user is None:
        raise AwsError("NoSuchEntity", f"The entity {arn} cannot be found.", 404)
    return iam.policies_of_user(sandbox, user)


def _any_version(_: IAMPolicyDocumentValidator) -> None:
    """A document without Version is one of 2008-10-17; moto refuses it, and the SAM transform writes such.

    *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    """


IAMPolicyDocumentValidator._validate_version = _any_version  # type: ignore[method-assign,assignment]
