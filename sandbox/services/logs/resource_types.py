"""CloudFormation types of CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    resource_type,
    retag,
    shaped,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class LogGroup(ResourceType):
    name = "AWS::Logs::LogGroup"
    _ignored: ClassVar[tuple[str, ...]] = ("RetentionInDays", "Tags", "DataProtectionPolicy", "FieldIndexPolicies")

    def create(self, context: Context, properties: Properties) -> Made:
        logs = context.client("logs")
        name = properties.get("LogGroupName") or context.generated_name(512)
        wanted = {**without(properties, *self._ignored), "LogGroupName": name, "tags": context.tags(properties)}
        logs.create_log_group(**shaped(logs, "create_log_group", wanted))
        context.created(name)
        self._retain(context, name, {}, properties)
        return Made(name, {"Arn": context.arn("logs", f"log-group:{name}:*")})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        logs = context.client("logs")
        self._retain(context, physical_id, old, new)
        if new.get("KmsKeyId") != old.get("KmsKeyId"):
            if new.get("KmsKeyId"):
                logs.associate_kms_key(logGroupName=physical_id, kmsKeyId=new["KmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=physical_id)
        put, removed = retag(context.tags(old), context.tags(new))
        arn = context.arn("logs", f"log-group:{physical_id}")
        if put:
            logs.tag_resource(resourceArn=arn, tags=put)
        if removed:
            logs.untag_resource(resourceArn=arn, tagKeys=removed)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("logs").delete_log_group(logGroupName=physical_id)

    @staticmethod
    def _retain(context: Context, name: str, old: Properties, new: Properties) -> None:
        logs, days = context.client("logs"), new.get("RetentionInDays")
        if days == old.get("RetentionInDays"):
            return
        if days is None:
            logs.delete_retention_policy(logGroupName=name)
        else:
            logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))


@resource_type
class MetricFilter(Simple):
    name = "AWS::Logs::MetricFilter"
    service, create_call, update_call, delete_call = (
        "logs", "put_metric_filter", "put_metric_filter", "delete_metric_filter",
    )  # fmt: skip
    generated, limit, keys = "FilterName", 512, ("LogGroupName",)


@resource_type
class QueryDefinition(Simple):
    name = "AWS::Logs::QueryDefinition"
    service, create_call, update_call, delete_call = (
        "logs", "put_query_definition", "put_query_definition", "delete_query_definition",
    )  # fmt: skip
    identity, identity_parameter = "queryDefinitionId", "queryDefinitionId"
    attributes: ClassVar[Mapping[str, str]] = {"QueryDefinitionId": "queryDefinitionId"}


@resource_type
class LogsResourcePolicy(Simple):
    name = "AWS::Logs::ResourcePolicy"
    service, create_call, update_call, delete_call = (
        "logs", "put_resource_policy", "put_resource_policy", "delete_resource_policy",
    )  # fmt: skip
    generated = "PolicyName"


@resource_type
class AccountPolicy(Simple):
    name = "AWS::Logs::AccountPolicy"
    service, create_call, update_call, delete_call = (
        "logs", "put_account_policy", "put_account_policy", "delete_account_policy",
    )  # fmt: skip
    generated, limit, keys = "PolicyName", 256, ("PolicyType",)

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"AccountId": context.account}
