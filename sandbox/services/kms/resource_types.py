"""CloudFormation types of KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    resource_type,
    shaped,
    text,
    true,
    without,
)

if TYPE_CHECKING:
    pass


@resource_type
class Key(ResourceType):
    name = "AWS::KMS::Key"
    # KMS changes none of these for a key that exists.
    also_replaced_by = frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"})

    def create(self, context: Context, properties: Properties) -> Made:
        kms = context.client("kms")
        wanted = without(
            properties,
            "KeyPolicy",
            "EnableKeyRotation",
            "PendingWindowInDays",
            "RotationPeriodInDays",
            "Enabled",
            "Tags",
        )
        policy = {"Policy": properties["KeyPolicy"]} if "KeyPolicy" in properties else {}
        metadata = kms.create_key(**shaped(kms, "create_key", {**wanted, **policy}))["KeyMetadata"]
        context.created(metadata["KeyId"])
        if true(properties.get("EnableKeyRotation")):
            kms.enable_key_rotation(KeyId=metadata["KeyId"])
        return Made(metadata["KeyId"], {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        kms = context.client("kms")
        if old.get("KeyPolicy") != new.get("KeyPolicy") and "KeyPolicy" in new:
            kms.put_key_policy(KeyId=physical_id, PolicyName="default", Policy=text(new["KeyPolicy"]))
        if old.get("EnableKeyRotation") != new.get("EnableKeyRotation"):
            rotate = true(new.get("EnableKeyRotation"))
            (kms.enable_key_rotation if rotate else kms.disable_key_rotation)(KeyId=physical_id)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        days = int(properties.get("PendingWindowInDays", 30))
        context.client("kms").schedule_key_deletion(KeyId=physical_id, PendingWindowInDays=days)


@resource_type
class KeyAlias(ResourceType):
    name = "AWS::KMS::Alias"

    def create(self, context: Context, properties: Properties) -> Made:
        kms = context.client("kms")
        kms.create_alias(**shaped(kms, "create_alias", properties))
        return Made(properties["AliasName"])

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        kms = context.client("kms")
        kms.update_alias(**shaped(kms, "update_alias", new))
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("kms").delete_alias(AliasName=physical_id)
