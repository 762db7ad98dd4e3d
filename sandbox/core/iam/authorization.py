"""Whether a caller may make a call: their policies as they stand in the account, against what the call needs."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Call, Caller, CallRecord, Need
from sandbox.core.iam import required_permissions as _needs
from sandbox.core.iam.policies import Context, Decision, Document, Policies, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.core.account import Account

#: Services that say AccessDenied, with 403; all others say AccessDeniedException.
_ACCESS_DENIED = frozenset({"iam", "sts", "s3", "sqs", "sns", "cloudformation", "cloudwatch"})
#: Services of the JSON protocol answer a denial with 400, the REST ones with 403.
_DENIED_WITH_400 = frozenset(
    {"logs", "events", "kms", "ssm", "dynamodb", "secretsmanager", "firehose", "stepfunctions", "cloudtrail"}
)


#: Calls that are checked with the boundary that the role has, as ``iam:PermissionsBoundary``.
#: *Source:* Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM"
_CHECKED_WITH_THE_BOUNDARY = frozenset(
    {"AttachRolePolicy", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy", "PutRolePolicy"}
)


def needs(account: Account, call: Call) -> tuple[Need, ...]:
    """Return the permissions that ``call`` asks for."""
    wanted = _needs.of(call, lambda kind, name: _arn_of(account, kind, name))
    if call.service == "cloudformation" and call.params.get("CallAs") == "DELEGATED_ADMIN":
        wanted = tuple(_of_administrator(account, each) for each in wanted)
    if call.service == "iam" and call.operation in _CHECKED_WITH_THE_BOUNDARY:
        role = role_by_name(account, call.params["RoleName"])
        if role is not None and role.permissions_boundary_arn:
            boundary = {"iam:PermissionsBoundary": role.permissions_boundary_arn}
            return tuple(Need(each.action, each.resource, {**each.context, **boundary}) for each in wanted)
    return tuple(of_owner(account, each) for each in wanted)


def _of_administrator(account: Account, need: Need) -> Need:
    """Return the permission that a delegated administrator needs. A switch says whose ARN the stack set has."""
    by_switch = {"management": account.management_account_id, "administrator": account.account_id}
    owner = by_switch[account.behaviour.stack_set_arn_of_administrator]
    return replace(need, resource=need.resource.replace(f":{account.account_id}:stackset/", f":{owner}:stackset/"))


def of_owner(account: Account, need: Need) -> Need:
    """Return the permission with the condition keys about the resource's account, if that is another one.

    *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, "Properties of
    the resource"
    """
    owner = account.accounts.get(Arn.parse(need.resource).account)
    if owner is None or owner is account:
        return need
    return replace(need, context={**need.context, **_owner_keys(owner)})


def _owner_keys(owner: Account) -> dict[str, str | list[str]]:
    keys: dict[str, str | list[str]] = {"aws:ResourceAccount": owner.account_id}
    if owner.organization_id:
        keys["aws:ResourceOrgID"] = owner.organization_id
    return keys


def authorise(account: Account, call: Call, wanted: tuple[Need, ...]) -> None:
    """Refuse the call with AWS's sentence if the caller may not make it."""
    if call.caller.is_trusted or not wanted:
        return
    policies = policies_of(account, call.caller)
    shared = request_context(account, call)
    for need in wanted:
        context = {**shared, **need.context}
        decision = policies.decide(need.action, need.resource, context)
        if decision is Decision.IMPLICIT_DENY and need.or_action:
            decision = policies.decide(need.or_action, need.resource, context)
        if decision is Decision.ALLOWED:
            continue
        why = policies.refusal(need.action, need.resource, context)
        message = (
            f"User: {call.caller.arn} is not authorized to perform: {need.action} on resource: {need.resource} {why}"
        )
        code = "AccessDenied" if call.service in _ACCESS_DENIED else "AccessDeniedException"
        raise AwsError(code, message, 400 if call.service in _DENIED_WITH_400 else 403)


def may(account: Account, call: Call, need: Need) -> bool:
    """Return whether the caller has the permission."""
    if call.caller.is_trusted:
        return True
    context = {**request_context(account, call), **need.context}
    return policies_of(account, call.caller).decide(need.action, need.resource, context) is Decision.ALLOWED


def missing_permission(
    account: Account, role: Any, needs: Sequence[Need], *, service: str, operation: str, region: str
) -> Need | None:
    """Return the first permission that one of moto's roles does not have, of those that a service needs as the role.

    ``operation``: what the service is about to do, such as ``events:PutEvents``. It is added to ``account.calls``, but
    not to CloudTrail's records.
    """
    name, operation = operation.split(":")
    arn = f"arn:aws:sts::{account.account_id}:assumed-role/{role.name}/{service.split('.')[0]}"
    caller = Caller(account.account_id, arn, role.arn, {"type": "AssumedRole"}, invoked_by=service)
    call = Call(name, operation, region, caller, {}, str(uuid.uuid4()), user_agent=service, source_ip=service)
    policies, shared = policies_of_role(account, role), request_context(account, call)
    missing = None
    for need in needs:
        if policies.decide(need.action, need.resource, {**shared, **need.context}) is not Decision.ALLOWED:
            missing = need
            break
    status, error = (200, None) if missing is None else (403, "AccessDenied")
    account.calls.append(CallRecord(call, account.now(), status, error, tuple(needs)))
    return missing


def policies_of(account: Account, caller: Caller) -> Policies:
    """Return the policies of the caller's role or user as they are now; none if it was deleted."""
    if caller.role_arn:
        role = role_by_arn(account, caller.role_arn)
        held = _policies(account, ()) if role is None else policies_of_role(account, role)
        return held if caller.session_policy is None else replace(held, session=load(caller.session_policy))
    user = iam_backends[account.account_id]["aws"].users.get(Arn.parse(caller.arn).name)
    return Policies(()) if user is None else policies_of_user(account, user)


def policies_of_user(account: Account, user: Any) -> Policies:
    """Inline and attached policies of one of moto's users and of its groups. moto's users have no boundary."""
    documents = _documents(user)
    for group in iam_backends[account.account_id]["aws"].get_groups_for_user(user.name):
        documents += _documents(group)
    return _policies(account, documents)


def policies_of_role(account: Account, role: Any) -> Policies:
    """Inline and attached policies of one of moto's roles, and its permissions boundary.

    A boundary that names a policy which does not exist allows nothing. Service-linked roles are not bound by the
    organization's policies.

    *Source:* Organizations user guide, "Service control policies", "Tasks and entities not restricted by SCPs"
    """
    boundary = None
    if role.permissions_boundary_arn:
        policy = iam_backends[account.account_id]["aws"].managed_policies.get(role.permissions_boundary_arn)
        boundary = load(default_version(policy)) if policy else {}
    if role.path.startswith("/aws-service-role/"):
        return Policies(_documents(role), boundary)
    return _policies(account, _documents(role), boundary)


def _policies(account: Account, identity: tuple[Document, ...], boundary: Document | None = None) -> Policies:
    return Policies(
        identity,
        boundary,
        tuple(load(document) for document in account.service_control_policies),
        tuple(tuple(load(document) for document in level) for level in account.allow_lists),
    )


def default_version(policy: Any) -> str:
    """The document of a managed policy's default version."""
    return str(next(v.document for v in policy.versions if v.version_id == policy.default_version_id))


def role_by_arn(account: Account, arn: str) -> Any | None:
    """Return moto's role behind the ARN, None if the account has none."""
    return next((role for role in iam_backends[account.account_id]["aws"].get_roles() if role.arn == arn), None)


def role_by_name(account: Account, name: str) -> Any | None:
    """Return moto's role of this name, None if there is none."""
    return next((role for role in iam_backends[account.account_id]["aws"].get_roles() if role.name == name), None)


def request_context(account: Account, call: Call) -> Context:
    """Return the condition keys that every request has. ``account``: the caller's.

    The resource is of the same account, unless the permission says otherwise (``of_owner``).

    *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    caller = call.caller
    context: dict[str, str | list[str]] = {
        # Of a role's session IAM compares the role.
        "aws:PrincipalArn": caller.role_arn or caller.arn,
        "aws:PrincipalAccount": caller.account,
        "aws:PrincipalType": str(caller.user_identity.get("type", "")),
        "aws:userid": str(caller.user_identity.get("principalId", "")),
        "aws:RequestedRegion": call.region,
        "aws:SourceIp": call.source_ip,
        "aws:UserAgent": call.user_agent,
        # The sandbox speaks HTTP, to need no certificates; for a policy the call must be like every real one.
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "true" if caller.invoked_by else "false",
        "aws:CurrentTime": account.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        **_owner_keys(account),
    }
    if account.organization_id:
        context["aws:PrincipalOrgID"] = account.organization_id
    if caller.invoked_by:
        context["aws:CalledVia"] = [caller.invoked_by]
    if caller.role_arn is None:
        context["aws:username"] = Arn.parse(caller.arn).name
    return context


def _documents(owner: Any) -> tuple[dict[str, Any], ...]:
    inline = [load(text) for text in owner.policies.values()]
    return (*inline, *(load(default_version(policy)) for policy in owner.managed_policies.values()))


def _arn_of(account: Account, kind: str, name: str) -> str:
    backend = iam_backends[account.account_id]["aws"]
    known: Any = None
    if kind == "role":
        known = role_by_name(account, name)
    elif kind == "user":
        known = backend.users.get(name)
    elif kind == "group":
        known = backend.groups.get(name)
    return known.arn if known else f"arn:aws:iam::{account.account_id}:{kind}/{name}"
