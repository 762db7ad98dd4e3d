"""CloudFormation types of EventBridge: buses and rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import ClientError

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    TemplateError,
    key_values,
    resource_type,
    retag,
    shaped,
    text,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class Rule(ResourceType):
    """A rule. CloudFormation makes these calls in this order, and also reads the rule, which needs permissions.

    *Source:* aws-cloudformation/aws-cloudformation-resource-providers-events, ``software/amazon/events/rule``, and the
    handlers' permissions in the type's schema of 2026-10, which reads tags too.
    """

    name = "AWS::Events::Rule"
    # The schema says so under a condition. PutRule cannot move a rule to another bus.
    also_replaced_by = frozenset({"EventBusName"})

    def create(self, context: Context, properties: Properties) -> Made:
        name = properties.get("Name") or context.generated_name(64)
        events, bus = context.client("events"), self._bus(properties)
        try:
            events.describe_rule(Name=name, **bus)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
        else:
            raise TemplateError(f"{name} already exists")
        arn = self._put(context, name, properties)
        physical_id = f"{bus['EventBusName'].rsplit('/', 1)[-1]}|{name}" if bus else name
        context.created(physical_id)
        self._put_targets(context, name, properties)
        self._read(context, name, properties, arn)
        return Made(physical_id, {"Arn": arn})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        name = physical_id.rsplit("|", 1)[-1]
        events, bus = context.client("events"), self._bus(new)
        events.describe_rule(Name=name, **bus)
        arn = self._put(context, name, new)
        put, removed_keys = retag(context.tags(old, system=False), context.tags(new, system=False))
        if put:
            events.tag_resource(ResourceARN=arn, Tags=key_values(put))
        if removed_keys:
            events.untag_resource(ResourceARN=arn, TagKeys=removed_keys)
        wanted = {each["Id"] for each in new.get("Targets") or []}
        found = {each["Id"] for each in events.list_targets_by_rule(Rule=name, **bus)["Targets"]}
        if removed := found - wanted:
            events.remove_targets(Rule=name, **bus, Ids=sorted(removed))
        self._put_targets(context, name, new)
        self._read(context, name, new, arn)
        return {"Arn": arn}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        events, name = context.client("events"), physical_id.rsplit("|", 1)[-1]
        bus = self._bus(properties)
        targets = [each["Id"] for each in events.list_targets_by_rule(Rule=name, **bus)["Targets"]]
        if targets:
            events.remove_targets(Rule=name, **bus, Ids=targets)
        events.delete_rule(Name=name, **bus)

    @staticmethod
    def _bus(properties: Properties) -> dict[str, str]:
        bus = properties.get("EventBusName")
        return {"EventBusName": bus} if bus and bus != "default" else {}

    def _put(self, context: Context, name: str, properties: Properties) -> str:
        events = context.client("events")
        wanted = {**without(properties, "Targets", "Tags", "EventBusName"), "Name": name, **self._bus(properties)}
        if tags := context.tags(properties, system=False):
            wanted["Tags"] = key_values(tags)
        arn: str = events.put_rule(**shaped(events, "put_rule", wanted))["RuleArn"]
        return arn

    def _put_targets(self, context: Context, name: str, properties: Properties) -> None:
        events, targets = context.client("events"), properties.get("Targets")
        if targets:
            answer = events.put_targets(
                **shaped(events, "put_targets", {"Rule": name, **self._bus(properties), "Targets": targets})
            )
            if answer.get("FailedEntryCount"):
                raise TemplateError(f"Targets were refused: {json.dumps(answer['FailedEntries'])}")

    def _read(self, context: Context, name: str, properties: Properties, arn: str) -> None:
        events, bus = context.client("events"), self._bus(properties)
        events.describe_rule(Name=name, **bus)
        events.list_targets_by_rule(Rule=name, **bus)
        events.list_tags_for_resource(ResourceARN=arn)


@resource_type
class EventBus(Simple):
    name = "AWS::Events::EventBus"
    service, create_call, delete_call = "events", "create_event_bus", "delete_event_bus"
    generated, limit = "Name", 256
    attributes: ClassVar[Mapping[str, str]] = {"Arn": "EventBusArn"}
    ignored = frozenset({"Policy"})

    def create(self, context: Context, properties: Properties) -> Made:
        made = super().create(context, properties)
        self._put_policy(context, made.physical_id, properties)
        return made

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        changed = super().update(context, physical_id, old, new)
        if old.get("Policy") != new.get("Policy"):
            self._put_policy(context, physical_id, new)
        return changed

    @staticmethod
    def _put_policy(context: Context, name: str, properties: Properties) -> None:
        """Set the policy of the bus. *Source:* the type's schema: its handlers call PutPermission."""
        if "Policy" in properties:
            policy = text(properties["Policy"])
            context.client("events").put_permission(EventBusName=name, Policy=policy)

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"Name": physical_id, "Arn": answer["EventBusArn"]}


@resource_type
class EventBusPolicy(ResourceType):
    name = "AWS::Events::EventBusPolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        events = context.client("events")
        wanted = dict(properties)
        if "Statement" in wanted:
            statement = {"Sid": wanted["StatementId"], **wanted.pop("Statement")}
            bus = {"Name": wanted["EventBusName"]} if "EventBusName" in wanted else {}
            policy = json.loads(events.describe_event_bus(**bus).get("Policy") or "{}")
            kept = [each for each in policy.get("Statement") or [] if each.get("Sid") != statement["Sid"]]
            document = {"Version": "2012-10-17", "Statement": [*kept, statement]}
            wanted = {"Policy": document, **{k: v for k, v in wanted.items() if k == "EventBusName"}}
        events.put_permission(**shaped(events, "put_permission", wanted))
        return Made(str(properties["StatementId"]))

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        bus = {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
        context.client("events").remove_permission(StatementId=physical_id, **bus)
