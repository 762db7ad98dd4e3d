"""Whether events of other regions reach the stack's own region: the forwarding rules, and events that were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code
from log_keeper.policy.findings import Finding, Problem
from log_keeper.settings import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient

#: SQS sends one or the other. *Source:* botocore's model of SQS, ``awsQueryCompatible``.
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def is_forwarded(deployment: Deployment, region: str) -> bool:
    """Return whether Log Keeper receives events of the region; if not, only the sweep finds changes there.

    It receives those of the stack's own region, and those of other regions except in China and GovCloud: EventBridge
    has no cross-region event buses there, and the template has no forwarding rules. *Source:* AWS Compute Blog,
    "Expanding cross-Region event routing with Amazon EventBridge".
    """
    return region == deployment.regions[0] or deployment.is_member or bool(deployment.forwarding.rules)


def check_forwarding(clients: Clients, deployment: Deployment, region: str) -> list[Finding]:
    """Return the findings about the rules that send events of another region to the stack's own region.

    The stack can be complete although its stack set created no rules: the stack set tolerates each region that fails.
    The queue keeps events that could not be delivered, for two days. The sweep finds what they report, so they are only
    counted.

    Raises ClientError and BotoCoreError.
    """
    findings, queue = [], deployment.forwarding.queue
    missing = missing_rules(clients.events(region), deployment.forwarding.rules)
    undelivered = _count(clients.sqs(region), _queue_url(deployment, region))
    if undelivered is None:
        missing.append(queue)
    if missing:
        detail = f"{region}: {', '.join(missing)}. To create them: {_command(deployment, region)}"
        findings.append(Finding(Problem.NO_FORWARDERS, detail))
    if undelivered:
        detail = f"{region}: {undelivered} in the last two days, in queue {queue}"
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


def _queue_url(deployment: Deployment, region: str) -> str:
    # All regions with cross-region event buses have this suffix.
    return f"https://sqs.{region}.amazonaws.com/{deployment.account.account_id}/{deployment.forwarding.queue}"


def _count(client: SQSClient, url: str) -> int | None:
    """Return the approximate number of messages in the queue, or None if the queue does not exist."""
    try:
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    except ClientError as error:
        if error_code(error) in _NO_QUEUE:
            return None
        raise
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _command(deployment: Deployment, region: str) -> str:
    """Return the command that deploys the forwarder of the region again. In a member account it is a text.

    CreateStackInstances retries the instances that are OUTDATED. *Source:* botocore's model, OperationId.
    """
    if deployment.organization is not None and deployment.is_member:
        return f"deploy stack set {deployment.organization.members_stack_set} to the account and region again"
    return (
        f"aws cloudformation create-stack-instances --region {deployment.regions[0]} "
        f"--stack-set-name {deployment.forwarding.stack_set} --accounts {deployment.account.account_id} "
        f"--regions {region}"
    )
