"""Trails."""

from __future__ import annotations

from typing import Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    key_values,
    resource_type,
    shaped,
    true,
    without,
)


@resource_type
class Trail(ResourceType):
    name = "AWS::CloudTrail::Trail"
    _elsewhere: ClassVar[tuple[str, ...]] = (
        "TrailName", "IsLogging", "EventSelectors", "AdvancedEventSelectors", "InsightSelectors", "Tags",
    )  # fmt: skip

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("cloudtrail")
        name = properties.get("TrailName") or context.generated_name(128)
        wanted = {**without(properties, *self._elsewhere), "Name": name}
        wanted["TagsList"] = key_values(context.tags(properties, system=False))
        arn: str = client.create_trail(**shaped(client, "create_trail", wanted))["TrailARN"]
        context.created(name)
        self._finish(client, name, properties)
        return Made(name, {"Arn": arn})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("cloudtrail")
        wanted = {**without(new, *self._elsewhere), "Name": physical_id}
        client.update_trail(**shaped(client, "update_trail", wanted))
        self._finish(client, physical_id, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("cloudtrail").delete_trail(Name=physical_id)

    @staticmethod
    def _finish(client: Any, name: str, properties: Properties) -> None:
        selectors: Properties = {
            key: properties[key] for key in ("EventSelectors", "AdvancedEventSelectors") if key in properties
        }
        if selectors:
            client.put_event_selectors(**shaped(client, "put_event_selectors", {"TrailName": name, **selectors}))
        (client.start_logging if true(properties["IsLogging"]) else client.stop_logging)(Name=name)
