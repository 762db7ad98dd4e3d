"""Roles, users and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    changed_properties,
    if_there,
    key_values,
    resource_type,
    retag,
    shaped,
    text,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Principal(ResourceType):
    """Base of the types for roles and users, with inline and managed policies."""

    kind: ClassVar[str]

    def _policies(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        iam = context.client("iam")
        who = {f"{self.kind.capitalize()}Name": name}
        wanted = {policy["PolicyName"]: policy["PolicyDocument"] for policy in new.get("Policies") or []}
        had = {policy["PolicyName"]: policy["PolicyDocument"] for policy in old.get("Policies") or []}
        for policy_name, document in wanted.items():
            if had.get(policy_name) != document:
                put = getattr(iam, f"put_{self.kind}_policy")
                put(**who, PolicyName=policy_name, PolicyDocument=text(document))
        for policy_name in had.keys() - wanted.keys():
            if_there(getattr(iam, f"delete_{self.kind}_policy"), **who, PolicyName=policy_name)
        attached, now = set(old.get("ManagedPolicyArns") or []), set(new.get("ManagedPolicyArns") or [])
        for arn in sorted(now - attached):
            getattr(iam, f"attach_{self.kind}_policy")(**who, PolicyArn=arn)
        for arn in sorted(attached - now):
            if_there(getattr(iam, f"detach_{self.kind}_policy"), **who, PolicyArn=arn)

    def _boundary(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        iam = context.client("iam")
        who = {f"{self.kind.capitalize()}Name": name}
        if new.get("PermissionsBoundary") == old.get("PermissionsBoundary"):
            return
        if new.get("PermissionsBoundary"):
            put = getattr(iam, f"put_{self.kind}_permissions_boundary")
            put(**who, PermissionsBoundary=new["PermissionsBoundary"])
        else:
            getattr(iam, f"delete_{self.kind}_permissions_boundary")(**who)


@resource_type
class Role(_Principal):
    name = "AWS::IAM::Role"
    kind = "role"

    def create(self, context: Context, properties: Properties) -> Made:
        iam = context.client("iam")
        wanted = without(properties, "Policies", "ManagedPolicyArns", "Tags")
        wanted.setdefault("RoleName", context.generated_name(64))
        tags = key_values(context.tags(properties, system=False))
        role = iam.create_role(**shaped(iam, "create_role", wanted), **({"Tags": tags} if tags else {}))["Role"]
        context.created(role["RoleName"])
        self._policies(context, role["RoleName"], {}, properties)
        return Made(role["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        iam = context.client("iam")
        if old["AssumeRolePolicyDocument"] != new["AssumeRolePolicyDocument"]:
            document = text(new["AssumeRolePolicyDocument"])
            iam.update_assume_role_policy(RoleName=physical_id, PolicyDocument=document)
        self._policies(context, physical_id, old, new)
        self._boundary(context, physical_id, old, new)
        if changed_properties(old, new) & {"Description", "MaxSessionDuration"}:
            iam.update_role(
                RoleName=physical_id,
                Description=new.get("Description", ""),
                MaxSessionDuration=int(new.get("MaxSessionDuration", 3600)),
            )
        put, removed = retag(context.tags(old, system=False), context.tags(new, system=False))
        if put:
            iam.tag_role(RoleName=physical_id, Tags=key_values(put))
        if removed:
            iam.untag_role(RoleName=physical_id, TagKeys=removed)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._policies(context, physical_id, properties, {})
        context.client("iam").delete_role(RoleName=physical_id)


@resource_type
class User(_Principal):
    name = "AWS::IAM::User"
    kind = "user"
    # The sandbox has no update of these.
    also_replaced_by = frozenset({"Groups", "LoginProfile", "Path"})

    def create(self, context: Context, properties: Properties) -> Made:
        iam = context.client("iam")
        wanted = without(properties, "Policies", "ManagedPolicyArns", "Tags")
        wanted.setdefault("UserName", context.generated_name(64))
        user = iam.create_user(**shaped(iam, "create_user", wanted))["User"]
        context.created(user["UserName"])
        self._policies(context, user["UserName"], {}, properties)
        return Made(user["UserName"], {"Arn": user["Arn"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self._policies(context, physical_id, old, new)
        self._boundary(context, physical_id, old, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._policies(context, physical_id, properties, {})
        context.client("iam").delete_user(UserName=physical_id)


@resource_type
class Policy(ResourceType):
    """An inline policy of several roles, users and groups."""

    name = "AWS::IAM::Policy"
    # The sandbox has no rename.
    also_replaced_by = frozenset({"PolicyName"})

    def create(self, context: Context, properties: Properties) -> Made:
        self._put(context, {}, properties)
        return Made(context.generated_name(64))

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self._put(context, old, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._put(context, properties, {})

    @staticmethod
    def _put(context: Context, old: Properties, new: Properties) -> None:
        iam = context.client("iam")
        for kind in ("Role", "User", "Group"):
            now = new.get(f"{kind}s") or []
            for name in now:
                put = getattr(iam, f"put_{kind.lower()}_policy")
                document = text(new["PolicyDocument"])
                put(**{f"{kind}Name": name}, PolicyName=new["PolicyName"], PolicyDocument=document)
            for name in set(old.get(f"{kind}s") or []) - set(now):
                remove = getattr(iam, f"delete_{kind.lower()}_policy")
                if_there(remove, **{f"{kind}Name": name}, PolicyName=old["PolicyName"])


@resource_type
class RolePolicy(ResourceType):
    name = "AWS::IAM::RolePolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        iam = context.client("iam")
        iam.put_role_policy(**shaped(iam, "put_role_policy", properties))
        return Made(f"{properties['PolicyName']}|{properties['RoleName']}")

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("iam").delete_role_policy(RoleName=properties["RoleName"], PolicyName=properties["PolicyName"])


@resource_type
class ManagedPolicy(ResourceType):
    name = "AWS::IAM::ManagedPolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        iam = context.client("iam")
        wanted = without(properties, "Roles", "Users", "Groups", "ManagedPolicyName")
        wanted["PolicyName"] = properties.get("ManagedPolicyName") or context.generated_name(128)
        policy = iam.create_policy(**shaped(iam, "create_policy", wanted))["Policy"]
        context.created(policy["Arn"])
        self._attach(context, policy["Arn"], {}, properties)
        return Made(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        iam = context.client("iam")
        if old["PolicyDocument"] != new["PolicyDocument"]:
            versions = iam.list_policy_versions(PolicyArn=physical_id)["Versions"]
            if len(versions) >= 5:
                oldest = min((each for each in versions if not each["IsDefaultVersion"]), key=_created)
                iam.delete_policy_version(PolicyArn=physical_id, VersionId=oldest["VersionId"])
            document = text(new["PolicyDocument"])
            iam.create_policy_version(PolicyArn=physical_id, PolicyDocument=document, SetAsDefault=True)
        self._attach(context, physical_id, old, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        iam = context.client("iam")
        self._attach(context, physical_id, properties, {})
        for version in iam.list_policy_versions(PolicyArn=physical_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=physical_id, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=physical_id)

    @staticmethod
    def _attach(context: Context, arn: str, old: Properties, new: Properties) -> None:
        iam = context.client("iam")
        for kind in ("Role", "User", "Group"):
            had, now = set(old.get(f"{kind}s") or []), set(new.get(f"{kind}s") or [])
            for name in sorted(now - had):
                getattr(iam, f"attach_{kind.lower()}_policy")(**{f"{kind}Name": name}, PolicyArn=arn)
            for name in sorted(had - now):
                if_there(getattr(iam, f"detach_{kind.lower()}_policy"), **{f"{kind}Name": name}, PolicyArn=arn)


def _created(version: Mapping[str, Any]) -> Any:
    return version["CreateDate"]
