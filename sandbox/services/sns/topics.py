"""Publish messages of AWS services to topics, if the policies of the topic and of its key allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.kms.models import kms_backends
from moto.sns.models import sns_backends

from sandbox.core.arn import Arn
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.services.eventbridge import event_bus
from sandbox.services.eventbridge.event_bus import Undeliverable

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.services.eventbridge.event_bus import Delivery


class KeyRefusedError(Exception):
    """The service may not use the key that encrypts the topic."""


class PolicyRefusedError(Exception):
    """The topic's policy does not let the service publish, or the topic does not exist."""


def publish(account: Account, arn: str, principal: str, source_arn: str, message: str, subject: str | None) -> None:
    """Publish the message to the topic's subscribers. *principal* sends it for *source_arn*.

    The default policy of a topic allows callers of the topic's own account. It allows CloudWatch's alarms, but not
    EventBridge's rules. A statement that allows EventBridge has no effect if it has a condition.
    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html and
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions ; of the
    condition: awsdocs/amazon-eventbridge-user-guide, doc_source/eb-use-resource-based.md ("You can't use Condition
    blocks in Amazon SNS topic policies for EventBridge")
    """
    topic = sns_backends[account.account_id][Arn.parse(arn).region].topics.get(arn)
    if topic is None:
        raise PolicyRefusedError(f"there is no topic {arn}")
    source = _source(account, principal, source_arn)
    context = {**source, "aws:SecureTransport": "true"}
    who = {"Service": principal}
    if principal == "cloudwatch.amazonaws.com":
        context["AWS:SourceOwner"] = account.account_id
        who["AWS"] = "*"
    if evaluate([load(topic.policy)], "sns:Publish", arn, context, who) is not Decision.ALLOWED:
        raise PolicyRefusedError(f"the policy of {arn} does not let {principal} publish")
    if topic.kms_master_key_id and not _may_encrypt(account, topic, principal, source):
        raise KeyRefusedError(f"the policy of the key {topic.kms_master_key_id} does not let {principal} use it")
    topic.publish(message, subject=subject)


def _source(account: Account, principal: str, source_arn: str) -> dict[str, str]:
    """Return the condition keys that say for whom the service publishes. EventBridge sends none, to SNS and to KMS."""
    if principal == "events.amazonaws.com":
        return {}
    return {"aws:SourceArn": source_arn, "aws:SourceAccount": account.account_id}


def _may_encrypt(account: Account, topic: Any, principal: str, source: dict[str, str]) -> bool:
    """Tell whether the service may use the topic's key. ``alias/aws/sns`` allows no other service; its policy is fixed.

    EventBridge sends KMS neither aws:SourceAccount nor aws:SourceArn, so a key policy with these conditions refuses it.
    *Source:* https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns ; Amazon SNS developer guide, "Managing
    Amazon SNS encryption keys and costs"; awslabs/landing-zone-accelerator-on-aws, issue 407
    """
    given = str(topic.kms_master_key_id)
    if given.endswith("alias/aws/sns"):
        return False
    keys = kms_backends[account.account_id][Arn.parse(topic.arn).region]
    key_id = keys.get_key_id_from_alias(given) if "alias/" in given else Arn.parse(given).name
    key = keys.keys.get(key_id or "")
    if key is None:
        return False
    context = {
        **source,
        "kms:ViaService": f"sns.{topic.arn.split(':')[3]}.amazonaws.com",
        "kms:EncryptionContext:aws:sns:topicArn": topic.arn,
    }
    return all(
        evaluate([load(key.policy)], action, key.arn, context, {"Service": principal}) is Decision.ALLOWED
        for action in ("kms:Decrypt", "kms:GenerateDataKey")
    )


@event_bus.target("sns")
def _to_topic(account: Account, delivery: Delivery) -> None:
    try:
        publish(account, delivery.arn, "events.amazonaws.com", delivery.rule_arn, delivery.payload, None)
    except (KeyRefusedError, PolicyRefusedError) as refused:
        raise Undeliverable(str(refused)) from refused
