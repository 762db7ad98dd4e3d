"""CloudFormation types of SNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    changed_properties,
    key_values,
    resource_type,
    text,
    without,
)

if TYPE_CHECKING:
    pass


@resource_type
class Topic(ResourceType):
    name = "AWS::SNS::Topic"

    def create(self, context: Context, properties: Properties) -> Made:
        sns = context.client("sns")
        name = properties.get("TopicName") or context.generated_name(256)
        attributes = {
            key: text(value) for key, value in without(properties, "TopicName", "Tags", "Subscription").items()
        }
        tags = key_values(context.tags(properties))
        arn = sns.create_topic(Name=name, Attributes=attributes, Tags=tags)["TopicArn"]
        context.created(arn)
        self._subscribe(context, arn, properties)
        return Made(arn, {"TopicArn": arn, "TopicName": name})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        sns = context.client("sns")
        for key in changed_properties(old, new) - {"Tags", "Subscription"}:
            value = text(new.get(key, ""))
            sns.set_topic_attributes(TopicArn=physical_id, AttributeName=key, AttributeValue=value)
        if old.get("Subscription") != new.get("Subscription"):
            for subscription in sns.list_subscriptions_by_topic(TopicArn=physical_id)["Subscriptions"]:
                sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
            self._subscribe(context, physical_id, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("sns").delete_topic(TopicArn=physical_id)

    @staticmethod
    def _subscribe(context: Context, arn: str, properties: Properties) -> None:
        for each in properties.get("Subscription") or []:
            context.client("sns").subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])


@resource_type
class TopicPolicy(ResourceType):
    name = "AWS::SNS::TopicPolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        for arn in properties["Topics"]:
            context.client("sns").set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=text(properties["PolicyDocument"])
            )
        return Made(context.generated_name())

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Do nothing: the topic keeps its last policy until the topic is deleted."""


@resource_type
class Subscription(ResourceType):
    name = "AWS::SNS::Subscription"

    def create(self, context: Context, properties: Properties) -> Made:
        sns = context.client("sns")
        attributes = {
            key: text(value) for key, value in without(properties, "TopicArn", "Protocol", "Endpoint", "Region").items()
        }
        arn = sns.subscribe(
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties.get("Endpoint", ""),
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return Made(arn, {"Arn": arn})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("sns").unsubscribe(SubscriptionArn=physical_id)
