"""Log groups, alarms, dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    key_values,
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
    replaced_by = frozenset({"LogGroupName"})
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
        put, gone = retag(context.tags(old), context.tags(new))
        arn = context.arn("logs", f"log-group:{physical_id}")
        if put:
            logs.tag_resource(resourceArn=arn, tags=put)
        if gone:
            logs.untag_resource(resourceArn=arn, tagKeys=gone)
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
    replaced_by = frozenset({"FilterName", "LogGroupName"})


@resource_type
class LogsResourcePolicy(Simple):
    name = "AWS::Logs::ResourcePolicy"
    service, create_call, update_call, delete_call = (
        "logs", "put_resource_policy", "put_resource_policy", "delete_resource_policy",
    )  # fmt: skip
    generated = "PolicyName"
    replaced_by = frozenset({"PolicyName"})


@resource_type
class Alarm(Simple):
    name = "AWS::CloudWatch::Alarm"
    service, create_call, update_call, delete_call = "cloudwatch", "put_metric_alarm", "put_metric_alarm", None
    generated, limit = "AlarmName", 255
    replaced_by = frozenset({"AlarmName"})

    def parameters(self, context: Context, properties: Properties) -> Properties:
        return {**properties, "Tags": key_values(context.tags(properties))}

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"Arn": context.arn("cloudwatch", f"alarm:{physical_id}")}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudwatch").delete_alarms(AlarmNames=[physical_id])


@resource_type
class CompositeAlarm(Alarm):
    name = "AWS::CloudWatch::CompositeAlarm"
    create_call, update_call = "put_composite_alarm", "put_composite_alarm"


@resource_type
class InsightRule(Simple):
    name = "AWS::CloudWatch::InsightRule"
    service, create_call, update_call, delete_call = "cloudwatch", "put_insight_rule", "put_insight_rule", None
    generated, limit = "RuleName", 128
    replaced_by = frozenset({"RuleName"})

    def parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = {"RuleDefinition": properties["RuleBody"], **without(properties, "RuleBody")}
        return {**wanted, "Tags": key_values(context.tags(properties))}

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"Arn": context.arn("cloudwatch", f"insight-rule/{physical_id}"), "RuleName": physical_id}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudwatch").delete_insight_rules(RuleNames=[physical_id])


@resource_type
class QueryDefinition(Simple):
    name = "AWS::Logs::QueryDefinition"
    service, create_call, update_call, delete_call = (
        "logs", "put_query_definition", "put_query_definition", "delete_query_definition",
    )  # fmt: skip
    identity, identity_parameter = "queryDefinitionId", "queryDefinitionId"
    attributes: ClassVar[Mapping[str, str]] = {"QueryDefinitionId": "queryDefinitionId"}
    replaced_by = frozenset()


@resource_type
class Dashboard(Simple):
    name = "AWS::CloudWatch::Dashboard"
    service, create_call, update_call, delete_call = "cloudwatch", "put_dashboard", "put_dashboard", None
    generated, limit = "DashboardName", 255
    replaced_by = frozenset({"DashboardName"})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudwatch").delete_dashboards(DashboardNames=[physical_id])
