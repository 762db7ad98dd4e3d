"""An access log destination that its owner chose and that does not exist: waited for, then replaced.

A deployment may delete such a log group and create it again under the same name, and fails if somebody else was faster.
So nobody creates it here. When it has been missing for longer than a deployment takes, the stage gets the log group
that Log Keeper creates for it, under a name that no template owns.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from log_keeper.aws import schedules
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code, is_region_unavailable
from log_keeper.events.hints import MissingLogGroup, StageNamed
from log_keeper.policy.evaluation import Evaluation, Facts, firehose_stream_of, log_groups_of
from log_keeper.policy.findings import Finding, Problem
from log_keeper.settings import Settings
from log_keeper.stages import Stage

#: How long a stack that is changing is given before it is asked again.
_CHECK_AGAIN = timedelta(minutes=15)


def is_lost(
    clients: Clients, settings: Settings, evaluation: Evaluation, missing: MissingLogGroup | None, now: datetime
) -> bool:
    """Return whether to replace the missing destination now; otherwise make sure that it is checked again later.

    ``evaluation``: of a stage with a missing destination. ``missing``: what the message says that led here, or None.
    Raises ClientError.
    """
    stage, name = evaluation.stage, evaluation.missing_destination
    if name is None:
        return False
    client, patience = clients.scheduler(), timedelta(minutes=settings.missing_log_group_minutes)
    if missing is None or missing.name != name or now - missing.since < patience:
        # In whole seconds, which is what schedules know: the check must not come a part of a second early.
        first = MissingLogGroup(name, now.replace(microsecond=0))
        schedules.ensure_check(client, settings, stage.ref, first, first.since + patience, now)
        return False
    if _is_stack_changing(clients, stage):
        again = replace(missing, attempt=missing.attempt + 1)
        schedules.ensure_check(client, settings, stage.ref, again, now + _CHECK_AGAIN, now)
        return False
    return True


def without_destination(stage: Stage) -> Stage:
    """Return the stage as the policy sees it once its destination is given up."""
    return replace(stage, access_log=replace(stage.access_log, is_lost=True))


def about_log_groups(hint: StageNamed, evaluation: Evaluation, facts: Facts, settings: Settings) -> tuple[Finding, ...]:
    """Return what the event tells about the stage's log groups: deleted, created again, or in a deployment's way.

    API Gateway itself is said to create a deleted access log group of a REST API again, without a retention.
    *Source:* serverless/serverless, issue 6906; aws/serverless-application-model, issue 2502.
    """
    findings, names = [], {group.name for group in log_groups_of(evaluation.stage, settings)}
    if hint.deleted_log_group is not None and hint.deleted_log_group in names:
        findings.append(Finding(Problem.LOG_GROUP_DELETED, hint.deleted_log_group))
    if hint.blocking_log_group is not None and hint.blocking_log_group in facts.log_groups:
        findings.append(Finding(Problem.LOG_GROUP_EXISTS, hint.blocking_log_group))
    missing = hint.missing
    if missing is not None and missing.name in names and missing.name in facts.log_groups:
        detail = (
            f"{missing.name}, missing at {missing.since:%Y-%m-%d %H:%M} UTC: check its retention, KMS key and filters"
        )
        findings.append(Finding(Problem.DESTINATION_RECREATED, detail))
    return tuple(findings)


def missing_stream(clients: Clients, stage: Stage) -> tuple[Finding, ...]:
    """Return the finding that the Firehose stream of the access logs does not exist, or nothing.

    It is the owner's to create again. A stream that may not be read is left out. Raises ClientError.
    """
    stream = firehose_stream_of(stage)
    if stream is None:
        return ()
    try:
        clients.firehose(stage.ref.region).describe_delivery_stream(DeliveryStreamName=stream)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return (Finding(Problem.FIREHOSE_MISSING, stream),)
        if not is_region_unavailable(error):
            raise
    return ()


def _is_stack_changing(clients: Clients, stage: Stage) -> bool:
    """Return whether the CloudFormation stack that created the stage, or its root stack, is being changed.

    False for a stage that no stack created, and for a stack that does not exist any more. Raises ClientError.
    """
    waiting, seen = [stage.tags.get("aws:cloudformation:stack-id")], set[str]()
    while waiting:
        stack_id = waiting.pop()
        if stack_id is None or stack_id in seen:
            continue
        seen.add(stack_id)
        try:
            [stack] = clients.cloudformation(stage.ref.region).describe_stacks(StackName=stack_id)["Stacks"]
        except ClientError as error:
            # "Stack with id ... does not exist". Source: CloudFormation API reference, DescribeStacks.
            if error_code(error) == "ValidationError":
                continue
            raise
        if stack["StackStatus"].endswith("_IN_PROGRESS"):
            return True
        waiting.append(stack.get("RootId"))
    return False
