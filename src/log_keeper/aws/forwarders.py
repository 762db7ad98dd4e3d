"""Whether the changes of a further region reach the stack's own region: its rules, and the events that they lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code
from log_keeper.policy.findings import Finding, Problem
from log_keeper.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient

#: SQS answers with the one or the other. *Source:* botocore's model of SQS, ``awsQueryCompatible``.
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def is_forwarded(settings: Settings, region: str) -> bool:
    """Return whether changes of the region reach Log Keeper as they happen, and not only by the sweep.

    Those of the stack's own region do. Those of a further region do except in China and GovCloud, where the template
    names no forwarding rules: EventBridge has no cross-region event buses there. *Source:* AWS Compute Blog, "Expanding
    cross-Region event routing with Amazon EventBridge".
    """
    return region == settings.regions[0] or bool(settings.forwarding_rules)


def check_forwarding(clients: Clients, settings: Settings, region: str) -> list[Finding]:
    """Return the findings about the rules of a further region that send its events to the stack's own region.

    The stack is complete although its stack set created none: the stack set tolerates each region that fails. The
    queue holds the events that could not be delivered, for two days. The sweep finds what those events report, so they
    are counted only. Raises ClientError and BotoCoreError.
    """
    findings = []
    missing = missing_rules(clients.events(region), settings.forwarding_rules)
    undelivered = _count(clients.regional_sqs(region), _queue_url(settings, region))
    if undelivered is None:
        missing.append(settings.forwarding_queue)
    if missing:
        detail = f"{region}: {', '.join(missing)}. To create them: {_command(settings, region)}"
        findings.append(Finding(Problem.NO_FORWARDERS, detail))
    if undelivered:
        detail = f"{region}: {undelivered} in the last two days, in queue {settings.forwarding_queue}"
        findings.append(Finding(Problem.NOT_FORWARDED, detail))
    return findings


def missing_rules(client: EventBridgeClient, names: Iterable[str]) -> list[str]:
    """Return those of the rules that do not exist, or are disabled."""
    missing = []
    for name in names:
        try:
            if client.describe_rule(Name=name)["State"] == "DISABLED":
                missing.append(name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            missing.append(name)
    return missing


def _queue_url(settings: Settings, region: str) -> str:
    # No region with cross-region event buses has another suffix.
    return f"https://sqs.{region}.amazonaws.com/{settings.account}/{settings.forwarding_queue}"


def _count(client: SQSClient, url: str) -> int | None:
    """Return about how many messages the queue holds, or None if it does not exist."""
    try:
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    except ClientError as error:
        if error_code(error) in _NO_QUEUE:
            return None
        raise
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _command(settings: Settings, region: str) -> str:
    """Return the command that deploys the forwarder of the region again.

    CreateStackInstances retries the instances that are OUTDATED. *Source:* botocore's model, OperationId.
    """
    return (
        f"aws cloudformation create-stack-instances --region {settings.regions[0]} "
        f"--stack-set-name {settings.forwarding_stack_set} --accounts {settings.account} --regions {region}"
    )
