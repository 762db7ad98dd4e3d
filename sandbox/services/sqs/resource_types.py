"""CloudFormation types of SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    resource_type,
    retag,
    text,
    true,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@resource_type
class Queue(ResourceType):
    """A queue. CloudFormation also reads it back, which needs permissions.

    *Source:* the permissions of the handlers in the schema of the type.
    """

    name = "AWS::SQS::Queue"
    _defaults: ClassVar[Mapping[str, str]] = {
        "DelaySeconds": "0",
        "MaximumMessageSize": "262144",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "VisibilityTimeout": "30",
        "RedrivePolicy": "",
        "RedriveAllowPolicy": "",
        "KmsMasterKeyId": "",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        sqs = context.client("sqs")
        fifo = true(properties.get("FifoQueue"))
        name = properties.get("QueueName") or context.generated_name(75 if fifo else 80) + (".fifo" if fifo else "")
        url = sqs.create_queue(QueueName=name, Attributes=self._attributes(properties), tags=context.tags(properties))[
            "QueueUrl"
        ]
        context.created(url)
        sqs.get_queue_url(QueueName=name)
        self._read(sqs, url)
        return Made(url, {"Arn": context.arn("sqs", name), "QueueName": name, "QueueUrl": url})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        sqs = context.client("sqs")
        wanted, had = self._attributes(new), self._attributes(old)
        for name in had.keys() - wanted.keys():
            wanted[name] = self._defaults.get(name, had[name])
        changed = {name: value for name, value in wanted.items() if had.get(name) != value}
        if changed:
            sqs.set_queue_attributes(QueueUrl=physical_id, Attributes=changed)
        put, removed = retag(context.tags(old), context.tags(new))
        if put:
            sqs.tag_queue(QueueUrl=physical_id, Tags=put)
        if removed:
            sqs.untag_queue(QueueUrl=physical_id, TagKeys=removed)
        self._read(sqs, physical_id)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("sqs").delete_queue(QueueUrl=physical_id)

    @staticmethod
    def _read(sqs: Any, url: str) -> None:
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        sqs.list_queue_tags(QueueUrl=url)

    @staticmethod
    def _attributes(properties: Properties) -> dict[str, str]:
        return {name: text(value) for name, value in without(properties, "QueueName", "Tags").items()}


@resource_type
class QueuePolicy(ResourceType):
    name = "AWS::SQS::QueuePolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        self._put(context, properties["Queues"], text(properties["PolicyDocument"]))
        return Made(context.generated_name())

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self._put(context, [queue for queue in old["Queues"] if queue not in new["Queues"]], "")
        self._put(context, new["Queues"], text(new["PolicyDocument"]))
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._put(context, properties["Queues"], "")

    @staticmethod
    def _put(context: Context, queues: Iterable[str], policy: str) -> None:
        for url in queues:
            context.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
