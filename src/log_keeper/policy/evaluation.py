"""How a stage stands with the policy: what it and its log groups lack, and what is for somebody to look at. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from log_keeper.policy.execution_logs import Delivery, execution_log_groups, lost_deliveries
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_delivery import DeliveryFacts, DeliveryPermission
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, LogGroupStep, missing_step
from log_keeper.policy.log_role import LogRoleFacts, in_words
from log_keeper.policy.plan import Change, Plan, Setting, plan, uses_own_access_log_group
from log_keeper.settings import Settings
from log_keeper.stages import Protocol, Stage, StageRef, access_log_group, execution_log_group

#: The names of log groups that an account can make. *Source:* botocore's model of CreateLogGroup, and its refusal:
#: "Log groups starting with AWS/ are reserved for AWS."
_GROUP_NAME = re.compile(r"(?!(?i:aws)/)[.\-_/#A-Za-z0-9]{1,512}")
#: The names of streams that API Gateway takes. *Source:* API Gateway developer guide, "Set up access logging to Amazon
#: Data Firehose"; botocore's model of firehose.
_STREAM_NAME = re.compile(r"amazon-apigateway-[A-Za-z0-9_.-]{1,46}")


#: For an HTTP API whose log group lets no delivery in. API Gateway allows it when access logs are switched on, in a
#: resource policy of the group, which is deleted with the group.
_ALLOW_DELIVERY = Change(
    Setting.LOG_DELIVERY, None, "not allowed", "allowed", "no resource policy lets access logs into their log group"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of everything that a stage's logs depend on, besides the stage itself.

    ``log_groups``: those that exist, by name, of the groups that ``log_groups_of`` names.
    ``log_role``: the account's CloudWatch log role in the region; None where it is not known, or not valid.
    ``deliveries``: by name, of the groups that ``delivery_group_of`` names.
    ``execution_log_deliveries``: of the REST stages that have any; empty where they decide nothing, see ``FactReader``.
    """

    log_groups: Mapping[str, LogGroupFacts] = field(default_factory=dict)
    log_role: LogRoleFacts | None = None
    deliveries: Mapping[str, DeliveryFacts] = field(default_factory=dict)
    execution_log_deliveries: Mapping[StageRef, tuple[Delivery, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a stage lacks.

    ``log_groups``: what each group lacks that it logs to or, by its plan, will. ``is_silenced``: whether lines of the
    stage are lost for a reason that no change of the stage removes: see the findings.
    ``delivery``: of an HTTP API's access logs, to the log group that they go to; None if there is none, or it is not
    to be changed before the group exists.
    """

    stage: Stage
    plan: Plan
    log_groups: Mapping[LogGroup, LogGroupStep]
    findings: tuple[Finding, ...]
    is_silenced: bool = False
    delivery: DeliveryFacts | None = None

    @property
    def required_log_groups(self) -> dict[LogGroup, LogGroupStep]:
        """The groups to create, or to give a retention, with the step that each requires."""
        steps = (LogGroupStep.CREATE, LogGroupStep.SET_RETENTION)
        return {group: change for group, change in self.log_groups.items() if change in steps}

    @property
    def missing_destination(self) -> str | None:
        """The name of the log group that the owner chose for access logs, if it does not exist; None otherwise."""
        missing = [group.name for group, change in self.log_groups.items() if change is LogGroupStep.AWAIT_OWNER]
        return missing[0] if missing else None

    @property
    def requires_changes(self) -> bool:
        """Whether there is something that can be changed to make the stage compliant."""
        is_missing = self.missing_destination is not None
        return not self.plan.is_compliant or bool(self.required_log_groups) or is_missing

    @property
    def is_compliant(self) -> bool:
        return not self.requires_changes and not self.is_silenced


def evaluate(stage: Stage, settings: Settings, facts: Facts, now: datetime) -> Evaluation:
    """Evaluate the stage against the policy: return the changes it requires, and the findings about it."""
    missing = plan(stage, settings.policy, now)
    deliveries = facts.execution_log_deliveries.get(stage.ref, ())
    # While there is a delivery API Gateway writes to none of these, and does not create them.
    unwritten = execution_log_groups(stage) if deliveries else set()
    unneeded = unwritten - {delivery.log_group for delivery in deliveries} - facts.log_groups.keys()
    groups = [group for group in log_groups_of(stage, settings) if group.name not in unneeded]
    lacks = {group: missing_step(group, facts.log_groups.get(group.name), now) for group in groups}
    changes = {group: change for group, change in lacks.items() if change is not None}
    findings = [
        Finding(Problem.NO_RETENTION, group.name)
        for group, change in changes.items()
        if change is LogGroupStep.KEEP_UNEXPIRING
    ]
    findings += [
        Finding(Problem.DESTINATION_MISSING, group.name)
        for group, change in changes.items()
        if change is LogGroupStep.AWAIT_OWNER
    ]
    delivery = _delivery(stage, settings, facts, changes)
    is_delivery_denied = delivery is not None and delivery.permission is DeliveryPermission.DENIED
    if delivery is not None and is_delivery_denied:
        findings.append(Finding(Problem.DELIVERY_DENIED, delivery.log_group_arn))
    if delivery is not None and delivery.permission is DeliveryPermission.MISSING:
        missing = replace(missing, changes=(*missing.changes, _ALLOW_DELIVERY))
    if missing.opt_in.unreadable_tag is not None:
        findings.append(Finding(Problem.UNREADABLE_TAG, missing.opt_in.unreadable_tag))
    denied = _denied(stage, [group for group in groups if group.name not in unwritten], facts.log_role)
    if denied and facts.log_role is not None:
        detail = in_words(facts.log_role.role_arn, denied, region=stage.ref.region)
        findings.append(Finding(Problem.LIMITED_LOG_ROLE, detail))
    created = {group.name for group, change in changes.items() if change is LogGroupStep.CREATE}
    lost = lost_deliveries(deliveries, created | facts.log_groups.keys())
    for each in deliveries:
        problem = Problem.DELIVERY_LOST if each in lost else Problem.DELIVERED_ELSEWHERE
        findings.append(Finding(problem, each.receiver))
    is_silenced = bool(denied) or is_delivery_denied or (bool(deliveries) and len(lost) == len(deliveries))
    return Evaluation(stage, missing, changes, tuple(findings), is_silenced=is_silenced, delivery=delivery)


def _delivery(
    stage: Stage, settings: Settings, facts: Facts, changes: Mapping[LogGroup, LogGroupStep]
) -> DeliveryFacts | None:
    awaited = [group.name for group, change in changes.items() if change is LogGroupStep.AWAIT_OWNER]
    name = delivery_group_of(stage, settings)
    return None if name is None or name in awaited else facts.deliveries.get(name)


def delivery_group_of(stage: Stage, settings: Settings) -> str | None:
    """Return the name of the log group that access logs of an HTTP API are delivered to; None for any other stage."""
    return _destination_group(stage, settings) if stage.protocol is Protocol.HTTP else None


def _denied(stage: Stage, groups: Iterable[LogGroup], role: LogRoleFacts | None) -> dict[str, tuple[str, ...]]:
    """Return what the log role may not do on which log groups of the stage. HTTP APIs write without the role."""
    if role is None or not stage.needs_account_role:
        return {}
    return {group.name: role.denied[group.name] for group in groups if group.name in role.denied}


def log_groups_of(stage: Stage, settings: Settings) -> list[LogGroup]:
    """The groups that the stage logs to, or by its plan will; of those that its owner chose, only what can be one."""
    key, ref = settings.log_group_key(stage.ref.region), stage.ref
    groups = []
    if stage.has_execution_logs:
        groups.append(LogGroup(execution_log_group(ref), settings.execution_log_retention, key))
    if uses_own_access_log_group(stage, settings.policy):
        groups.append(LogGroup(access_log_group(ref), settings.access_log_retention, key))
    if stage.has_canary:
        groups += [LogGroup(f"{group.name}/Canary", group.retention, key) for group in groups]
    name = _destination_group(stage, settings)
    if name is not None and name not in [group.name for group in groups]:
        groups.append(LogGroup(name, settings.access_log_retention, key, is_owners=True))
    return groups


def _destination_group(stage: Stage, settings: Settings) -> str | None:
    """Return the name of the log group of this account and region that access logs go to; None if they go elsewhere."""
    if stage.access_log.is_lost:
        return None
    arn = (stage.access_log.destination_arn or "").removesuffix(":*")
    # API Gateway keeps a destination that does not exist, and is silent about it.
    prefix = f"arn:{settings.partition}:logs:{stage.ref.region}:{settings.account}:log-group:"
    name = arn.removeprefix(prefix) if arn.startswith(prefix) else ""
    return name if _GROUP_NAME.fullmatch(name) else None


def firehose_stream_of(stage: Stage) -> str | None:
    """The name of the Firehose stream of this account that the stage's access logs go to; None if they go elsewhere."""
    place, _, stream = (stage.access_log.destination_arn or "").partition(":deliverystream/")
    is_ours = place.endswith(f":firehose:{stage.ref.region}:{stage.ref.account}")
    return stream if is_ours and _STREAM_NAME.fullmatch(stream) else None
