"""CloudFormation types of CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import (
    Context,
    Properties,
    Simple,
    key_values,
    resource_type,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class Alarm(Simple):
    name = "AWS::CloudWatch::Alarm"
    service, create_call, update_call, delete_call = "cloudwatch", "put_metric_alarm", "put_metric_alarm", None
    generated, limit = "AlarmName", 255

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

    def parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = {"RuleDefinition": properties["RuleBody"], **without(properties, "RuleBody")}
        return {**wanted, "Tags": key_values(context.tags(properties))}

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"Arn": context.arn("cloudwatch", f"insight-rule/{physical_id}"), "RuleName": physical_id}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudwatch").delete_insight_rules(RuleNames=[physical_id])


@resource_type
class Dashboard(Simple):
    name = "AWS::CloudWatch::Dashboard"
    service, create_call, update_call, delete_call = "cloudwatch", "put_dashboard", "put_dashboard", None
    generated, limit = "DashboardName", 255

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudwatch").delete_dashboards(DashboardNames=[physical_id])
