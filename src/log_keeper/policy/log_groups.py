"""The log groups of a stage: which it has or should have, and what each requires. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from log_keeper.policy.plan import own_access_log_group
from log_keeper.policy.policy import LogGroupClass, Policy
from log_keeper.stages import Protocol, Stage, StageRef, execution_log_group

#: The names of log groups that an account can create. *Source:* botocore's model of CreateLogGroup, and its refusal:
#: "Log groups starting with AWS/ are reserved for AWS."
_GROUP_NAME = re.compile(r"(?!(?i:aws)/)[.\-_/#A-Za-z0-9]{1,512}")
#: The names of streams that API Gateway accepts. *Source:* API Gateway developer guide, "Set up access logging to
#: Amazon Data Firehose"; botocore's model of firehose.
_STREAM_NAME = re.compile(r"amazon-apigateway-[A-Za-z0-9_.-]{1,46}")


class Subscription(NamedTuple):
    """A subscription filter of Log Keeper. ``role_arn``: None if the destination needs no role.

    ``pattern``: selects lines; empty for all of them.
    """

    destination_arn: str
    role_arn: str | None = None
    pattern: str = ""

    def in_words(self) -> str:
        """Return the destination, with the role and the pattern if there are any."""
        role = "" if self.role_arn is None else f" as {self.role_arn}"
        return f"{self.destination_arn}{role}{f', lines that match {self.pattern}' if self.pattern else ''}"


class LogGroup(NamedTuple):
    """A log group as it should be.

    ``retention``: days. ``kms_key_arn``, ``tags``, ``log_class``, ``is_protected`` (against deletion): used only when
    Log Keeper creates the log group.
    ``is_owners``: the owner of the stage chose it as a destination; its retention is the owner's decision.
    ``subscription``: the subscription filter that Log Keeper keeps on it; None: it is not forwarded.
    """

    name: str
    retention: int
    kms_key_arn: str | None
    is_owners: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    log_class: LogGroupClass = "STANDARD"
    is_protected: bool = False
    subscription: Subscription | None = None


class LogGroupFacts(NamedTuple):
    """A log group as it is. ``expires``: by its own retention or by an account-level policy."""

    created: datetime
    expires: bool
    log_class: str = "STANDARD"


class LogGroupStep(StrEnum):
    """The step that a log group requires. The value is what log lines and events say once the step is done.

    ``planned``: what they and the preview say of a step that is not done, in Audit mode and for an exempt stage.
    """

    CREATE = "created"
    SET_RETENTION = "retention set"
    #: The group never expires and may contain lines older than the retention: a retention would delete them.
    KEEP_UNEXPIRING = "left without retention"
    #: The owner chose the group and it does not exist. A template may own the name, so only its owner creates it.
    AWAIT_OWNER = "missing"

    @property
    def planned(self) -> str:
        match self:
            case LogGroupStep.CREATE:
                return "would be created"
            case LogGroupStep.SET_RETENTION:
                return "retention would be set"
        return self.value


def missing_step(wanted: LogGroup, facts: LogGroupFacts | None, now: datetime) -> LogGroupStep | None:
    """Return the step that makes the log group compliant (create it, set its retention), or None.

    ``facts``: None if the log group does not exist. A retention that somebody set, or that an account-level policy
    sets, is never changed.
    """
    if facts is None:
        return LogGroupStep.AWAIT_OWNER if wanted.is_owners else LogGroupStep.CREATE
    if wanted.is_owners or facts.expires:
        return None
    is_old = now - facts.created > timedelta(days=wanted.retention)
    return LogGroupStep.KEEP_UNEXPIRING if is_old else LogGroupStep.SET_RETENTION


def log_groups_of(stage: Stage, policy: Policy) -> list[LogGroup]:
    """Return the log groups to which the stage writes now, or will write once it is compliant.

    A destination is left out if its name is not one that a log group of the account can have.
    """
    key, ref, tags = policy.log_group_key(stage.ref.region), stage.ref, policy.log_group_tags_of(stage)
    groups = []
    if stage.has_execution_logs:
        days, log_class = policy.execution_log_retention, policy.execution_log_class
        to = subscription_to(policy.forward_execution_logs_to, policy, ref)
        groups.append(LogGroup(execution_log_group(ref), days, key, tags=tags, log_class=log_class, subscription=to))
    if (own := own_access_log_group(stage, policy)) is not None:
        days, log_class = policy.access_log_retention, policy.access_log_class
        to = subscription_to(policy.forward_access_logs_to, policy, ref)
        groups.append(LogGroup(own, days, key, tags=tags, log_class=log_class, subscription=to))
    groups = [group._replace(is_protected=policy.protects_log_groups) for group in groups]
    if stage.has_canary:
        groups += [group._replace(name=f"{group.name}/Canary") for group in groups]
    name = _destination_group(stage, policy)
    if name is not None and name not in [group.name for group in groups]:
        groups.append(LogGroup(name, policy.access_log_retention, key, is_owners=True))
    return groups


def subscription_to(destination_arn: str | None, policy: Policy, ref: StageRef) -> Subscription | None:
    """Return the subscription filter for log groups of the stage; None if their lines are not forwarded.

    A destination must be in the log group's region, so the destination of the same name in that region is used. A
    function or a stream must also be in the log group's account: for the stages of member accounts only a destination
    of CloudWatch Logs is used, and the role of the same name in their account. In the stack's own account a function or
    stream of another one is used too, so that the refusal of CloudWatch Logs is a finding. A function is called without
    a role.
    *Source:* CloudWatch Logs API reference, PutSubscriptionFilter; its user guide, "Cross-account cross-Region
    subscriptions"; its refusals "destinationArn for vendor lambda cannot be used with roleArn" and "Role ARN is
    required when creating subscription filter against destination with Organization access policy"
    (cloud-custodian/cloud-custodian, pull request 8246).
    """
    if destination_arn is None:
        return None
    arn, partition, service, _, account, resource = destination_arn.split(":", 5)
    if service != "logs" and ref.account not in (account, policy.own_account):
        return None
    role_arn = None
    if policy.forward_role_arn is not None and service != "lambda":
        of_role = policy.forward_role_arn.split(":")
        role_arn = ":".join([*of_role[:4], ref.account, *of_role[5:]])
    return Subscription(":".join([arn, partition, service, ref.region, account, resource]), role_arn)


def delivery_group_of(stage: Stage, policy: Policy) -> str | None:
    """Return the name of the log group that access logs of an HTTP API are delivered to; None for any other stage."""
    return _destination_group(stage, policy) if stage.protocol is Protocol.HTTP else None


def _destination_group(stage: Stage, policy: Policy) -> str | None:
    """Return the name of the log group of this account and region that receives access logs; None for anything else.

    API Gateway keeps a destination that does not exist, and reports no error.
    """
    if stage.access_log.is_lost:
        return None
    arn = (stage.access_log.destination_arn or "").removesuffix(":*")
    prefix = f"arn:{policy.partition}:logs:{stage.ref.region}:{stage.ref.account}:log-group:"
    name = arn.removeprefix(prefix) if arn.startswith(prefix) else ""
    return name if _GROUP_NAME.fullmatch(name) else None


def firehose_stream_of(stage: Stage) -> str | None:
    """Return the name of the Firehose stream of this account that receives access logs; None for anything else."""
    place, _, stream = (stage.access_log.destination_arn or "").partition(":deliverystream/")
    is_ours = place.endswith(f":firehose:{stage.ref.region}:{stage.ref.account}")
    return stream if is_ours and _STREAM_NAME.fullmatch(stream) else None
