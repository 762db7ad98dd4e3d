"""Stack sets whose permissions an organization manages: who may use them, their targets, and automatic deployment.

CloudFormation deploys them with a role of its own that it creates in each account. It never deploys them to the
organization's management account, to which they belong, also if a delegated administrator has created them.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-enable-trusted-access.html and
the pages about delegated administrators, automatic deployment and account filters beside it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from moto.iam.models import iam_backends

from sandbox.core.call import AwsError, Caller, Need
from sandbox.core.iam import authorization, identity
from sandbox.services.cloudformation import templates
from sandbox.services.cloudformation.stack_set_models import Target
from sandbox.services.organizations.organization import STACK_SETS, Organization, organization_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.services.cloudformation.stack_set_models import StackSet

_NOT_ALLOWED = (
    "You must be the management account or delegated admin account of an organization before operating a "
    "SERVICE_MANAGED stack set"
)
_NO_ADMINISTRATOR = "Account used is not a delegated administrator"
_LIST_ADMINISTRATORS = Need("organizations:ListDelegatedAdministrators", "*")


def administrator_of(account: Account, call: Call) -> Account:
    """Return the account whose stack sets the call is about: of CallAs=DELEGATED_ADMIN the management account.

    Refuse callers who cannot list the delegated administrators as if the account were none.

    *Source:* hashicorp/terraform-provider-aws pull request 37069, for calls that create stack sets; a switch says
    whether reads need the permission too.
    """
    if call.params.get("CallAs", "SELF") != "DELEGATED_ADMIN":
        return account
    organization = organization_of(account)
    if organization is None or account.account_id not in organization.delegated.get(STACK_SETS, ()):
        raise AwsError("ValidationError", _NO_ADMINISTRATOR)
    if call.operation.startswith(("Describe", "List")) and not (
        account.behaviour.reads_of_stack_sets_list_administrators
    ):
        return organization.management
    if _LIST_ADMINISTRATORS not in call.further_needs:
        call.further_needs.append(_LIST_ADMINISTRATORS)
    if not authorization.may(account, call, _LIST_ADMINISTRATORS):
        raise AwsError("ValidationError", _NO_ADMINISTRATOR)
    return organization.management


def organization_for(account: Account, call: Call) -> Organization:
    """Return the organization of a service-managed set that the call creates. Refuse callers who may create none."""
    organization = organization_of(account)
    if organization is None or administrator_of(account, call) is not organization.management:
        raise AwsError("ValidationError", _NOT_ALLOWED)
    return organization


def check(stack_set: StackSet) -> None:
    """Refuse a template with a transform.

    *Source:* CloudFormation user guide, "Considerations when using StackSets": service-managed ones support neither
    macros nor transforms.
    """
    if "Transform" in templates.parse(stack_set.settings["TemplateBody"]):
        message = "StackSets with service-managed permissions do not support templates with transforms"
        raise AwsError("ValidationError", message)  # not recorded


def without(targets: list[Target], removed: Target) -> list[Target]:
    """Return the targets without the regions of a target that is removed."""
    left = [
        replace(each, regions=tuple(region for region in each.regions if region not in removed.regions))
        if set(each.units) <= set(removed.units)
        else each
        for each in targets
    ]
    return [each for each in left if each.regions]


def target_of(organization: Organization, call: Call) -> Target:
    """Return the target of a call about instances. Refuse one without units of the organization."""
    given = call.params.get("DeploymentTargets") or {}
    units, regions = given.get("OrganizationalUnitIds") or [], call.params.get("Regions") or []
    if not units or call.params.get("Accounts"):
        message = "Service-managed StackSets require OrganizationalUnitIds as deployment targets"
        raise AwsError("ValidationError", message)  # not recorded
    if unknown := [unit for unit in units if unit not in organization.units]:
        raise AwsError("ValidationError", f"The organizational unit {unknown[0]} does not exist")  # not recorded
    accounts, kind = given.get("Accounts") or [], given.get("AccountFilterType", "NONE")
    if (kind == "NONE") != (not accounts):
        message = f"AccountFilterType {kind} does not agree with the number of accounts"
        raise AwsError("ValidationError", message)  # not recorded
    return Target(tuple(units), tuple(regions), tuple(accounts), kind)


def wanted(organization: Organization, target: Target) -> dict[tuple[str, str], str]:
    """Return the instances of a target, (account, region), each with the unit because of which it exists."""
    found: dict[str, str] = {}
    for unit in target.units:
        for account_id in organization.accounts_in(unit):
            found.setdefault(account_id, unit)
    match target.account_filter:
        case "DIFFERENCE":
            found = {account_id: unit for account_id, unit in found.items() if account_id not in target.accounts}
        case "INTERSECTION":
            found = {account_id: unit for account_id, unit in found.items() if account_id in target.accounts}
        case "UNION":
            others = [each for each in target.accounts if each in organization.parents]
            found = {account_id: organization.parents[account_id] for account_id in others} | found
    found.pop(organization.management.account_id, None)
    return {(account_id, region): unit for region in target.regions for account_id, unit in found.items()}


def all_wanted(
    organization: Organization, stack_set: StackSet, *, has_filters: bool = True
) -> dict[tuple[str, str], str]:
    """Return the instances that the set must have with its units' accounts of now.

    ``has_filters``: whether the account filters of the targets count.
    """
    found: dict[tuple[str, str], str] = {}
    for target in stack_set.targets:
        filtered = target if has_filters else replace(target, accounts=(), account_filter="NONE")
        found = wanted(organization, filtered) | found
    return found


def execution_caller(stack_set: StackSet, account: Account) -> Caller:
    """Return a session of the role with which CloudFormation works in an account. It creates the role if it is missing.

    The role may do everything that the organization's policies do not deny: it is not a service-linked role.

    *Source:* AWS managed policy CloudFormationStackSetsOrgAdminServiceRolePolicy, which lets a service-linked role
    assume ``stacksets-exec-*``. Service control policies that protect roles exempt it, such as those of
    awslabs/landing-zone-accelerator-on-aws and aws-solutions/innovation-sandbox-on-aws. Its name ends with 32
    hexadecimal digits.
    """
    name = f"stacksets-exec-{hashlib.md5(stack_set.account.encode(), usedforsecurity=False).hexdigest()}"
    with account.lock:
        role = authorization.role_by_name(account, name)
        if role is None:
            statement = {"Effect": "Allow", "Principal": {"AWS": stack_set.account}, "Action": "sts:AssumeRole"}
            trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            backend = iam_backends[account.account_id]["aws"]
            role = backend.create_role(name, trust, "/", None, "", [], "3600")
            backend.attach_role_policy("arn:aws:iam::aws:policy/AdministratorAccess", name)
    session = identity.new_session(account, role.arn, stack_set.name[:64])
    return identity.assumed_role(account, session)
