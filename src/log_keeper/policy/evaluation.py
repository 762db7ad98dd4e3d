"""How a stage compares with the policy: the changes that it and its log groups require, and findings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from log_keeper.policy.execution_logs import Delivery, execution_log_groups, lost_deliveries
from log_keeper.policy.findings import (
    Finding,
    Problem,
    delivery_findings,
    execution_log_findings,
    exemption_findings,
    log_group_findings,
    opt_in_findings,
)
from log_keeper.policy.log_delivery import DeliveryFacts, DeliveryPermission
from log_keeper.policy.log_groups import (
    LogGroup,
    LogGroupFacts,
    LogGroupStep,
    Subscription,
    delivery_group_of,
    log_groups_of,
    missing_step,
)
from log_keeper.policy.log_role import LogRoleFacts, in_words
from log_keeper.policy.plan import Change, Plan, Setting, own_access_log_group, plan
from log_keeper.policy.policy import Policy
from log_keeper.policy.subscriptions import required_filters
from log_keeper.stages import LoggingLevel, Stage, StageRef

#: For an HTTP API whose log group does not allow log delivery. API Gateway allows it when access logs are switched on,
#: in the resource policy of the log group, which is deleted with the log group.
_ALLOW_DELIVERY = Change(
    Setting.LOG_DELIVERY, None, "not allowed", "allowed", "no resource policy allows log delivery to the log group"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of everything that the stage's logs depend on, besides the stage itself.

    ``log_groups``: by name, those that exist of the groups that ``log_groups_of`` names.
    ``log_role``: the account's CloudWatch log role in the region; None if it is not known, or invalid.
    ``deliveries``: by name, of the groups that ``delivery_group_of`` names.
    ``execution_log_deliveries``: of the REST stages that have any; empty where they decide nothing, see ``FactReader``.
    ``filters``: by log group, the subscription filters of Log Keeper; empty if lines are not forwarded.
    """

    log_groups: Mapping[str, LogGroupFacts] = field(default_factory=dict)
    log_role: LogRoleFacts | None = None
    deliveries: Mapping[str, DeliveryFacts] = field(default_factory=dict)
    execution_log_deliveries: Mapping[StageRef, tuple[Delivery, ...]] = field(default_factory=dict)
    filters: Mapping[str, Subscription] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a stage requires in order to be compliant.

    ``log_groups``: the step of each log group that requires one, of those that the stage writes to now or will write
    to after its plan. ``is_silenced``: whether log lines are lost, or not forwarded, for a reason that no change of the
    stage removes; a finding says why.
    ``delivery``: of an HTTP API's access logs, to their log group; None if there is none, or if it must not be changed
    before the log group exists.
    ``owner``: of the stage, as the policy finds it.
    ``own_access_log_group``: the name of Log Keeper's log group that it logs to now, or will log to; None: an owner's.
    ``infrequent_access``: the names of those of its log groups that have the class Infrequent Access, or will have it.
    ``subscriptions``: by log group, the subscription filters that changes of the plan require.
    """

    stage: Stage
    plan: Plan
    log_groups: Mapping[LogGroup, LogGroupStep]
    findings: tuple[Finding, ...]
    is_silenced: bool = False
    delivery: DeliveryFacts | None = None
    owner: str | None = None
    infrequent_access: frozenset[str] = frozenset()
    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    own_access_log_group: str | None = None

    @property
    def required_log_groups(self) -> dict[LogGroup, LogGroupStep]:
        """Return the log groups to create, or to give a retention, with the step of each."""
        steps = (LogGroupStep.CREATE, LogGroupStep.SET_RETENTION)
        return {group: step for group, step in self.log_groups.items() if step in steps}

    @property
    def missing_destination(self) -> str | None:
        """Return the name of the access log destination that the owner chose and that does not exist, or None."""
        missing = [group.name for group, step in self.log_groups.items() if step is LogGroupStep.AWAIT_OWNER]
        return missing[0] if missing else None

    @property
    def requires_changes(self) -> bool:
        """Return whether Log Keeper can change something to make the stage compliant."""
        is_missing = self.missing_destination is not None
        return not self.plan.is_compliant or bool(self.required_log_groups) or is_missing

    @property
    def is_opted_in(self) -> bool:
        """Return whether tags of the stage ask for execution logs at INFO, now."""
        return self.plan.opt_in.level is LoggingLevel.INFO

    @property
    def is_compliant(self) -> bool:
        """Return whether the stage follows the policy and its log lines arrive."""
        return not self.requires_changes and not self.is_silenced


def evaluate(stage: Stage, policy: Policy, facts: Facts, now: datetime) -> Evaluation:
    """Compare the stage with the policy; return the changes that it requires, and findings about it."""
    planned = plan(stage, policy, now)
    deliveries = facts.execution_log_deliveries.get(stage.ref, ())
    # While a stage has a delivery, API Gateway writes to none of these log groups, and creates none of them.
    unwritten = execution_log_groups(stage) if deliveries else set()
    groups = _required_groups(stage, policy, facts, unwritten)
    steps = _steps(groups, facts, now)
    delivery = _access_log_delivery(stage, policy, facts, steps)
    if delivery is not None and delivery.permission is DeliveryPermission.MISSING:
        planned = replace(planned, changes=(*planned.changes, _ALLOW_DELIVERY))
    forwarding = required_filters(groups, facts.log_groups, facts.filters)
    planned = replace(planned, changes=(*planned.changes, *forwarding.changes))
    denied = _denied(stage, [group for group in groups if group.name not in unwritten], facts.log_role)
    created = {group.name for group, step in steps.items() if step is LogGroupStep.CREATE}
    lost = lost_deliveries(deliveries, created | facts.log_groups.keys())
    denied_delivery = delivery_findings(delivery)
    findings = [
        *log_group_findings(steps),
        *denied_delivery,
        *opt_in_findings(planned.opt_in),
        *exemption_findings(planned.exemption),
        *_role_findings(facts.log_role, denied, stage.ref.region),
        *execution_log_findings(deliveries, lost),
        *forwarding.findings,
    ]
    loses_all = bool(deliveries) and len(lost) == len(deliveries)
    return Evaluation(
        stage,
        planned,
        steps,
        tuple(findings),
        is_silenced=bool(denied or denied_delivery or forwarding.findings) or loses_all,
        delivery=delivery,
        owner=policy.owner_of(stage),
        infrequent_access=_infrequent_access(groups, facts),
        subscriptions=forwarding.subscriptions,
        own_access_log_group=own_access_log_group(stage, policy),
    )


def _infrequent_access(groups: Iterable[LogGroup], facts: Facts) -> frozenset[str]:
    """Return the names of the log groups that have the class Infrequent Access, or get it when they are created."""
    found = ((group.name, facts.log_groups.get(group.name, group).log_class) for group in groups)
    return frozenset(name for name, log_class in found if log_class == "INFREQUENT_ACCESS")


def _required_groups(stage: Stage, policy: Policy, facts: Facts, unwritten: Set[str]) -> list[LogGroup]:
    """Return the stage's log groups without those that nothing writes to and that do not exist."""
    receivers = {delivery.log_group for delivery in facts.execution_log_deliveries.get(stage.ref, ())}
    unneeded = unwritten - receivers - facts.log_groups.keys()
    return [group for group in log_groups_of(stage, policy) if group.name not in unneeded]


def _steps(groups: Iterable[LogGroup], facts: Facts, now: datetime) -> dict[LogGroup, LogGroupStep]:
    """Return the step of each log group that requires one."""
    steps = {group: missing_step(group, facts.log_groups.get(group.name), now) for group in groups}
    return {group: step for group, step in steps.items() if step is not None}


def _access_log_delivery(
    stage: Stage, policy: Policy, facts: Facts, steps: Mapping[LogGroup, LogGroupStep]
) -> DeliveryFacts | None:
    awaited = [group.name for group, step in steps.items() if step is LogGroupStep.AWAIT_OWNER]
    name = delivery_group_of(stage, policy)
    return None if name is None or name in awaited else facts.deliveries.get(name)


def _denied(stage: Stage, groups: Iterable[LogGroup], role: LogRoleFacts | None) -> dict[str, tuple[str, ...]]:
    """Return the write actions that the log role is denied, by log group. HTTP APIs write without the role."""
    if role is None or not stage.needs_account_role:
        return {}
    return {group.name: role.denied[group.name] for group in groups if group.name in role.denied}


def _role_findings(role: LogRoleFacts | None, denied: Mapping[str, tuple[str, ...]], region: str) -> list[Finding]:
    if role is None or not denied:
        return []
    return [Finding(Problem.LIMITED_LOG_ROLE, in_words(role.role_arn, denied, region=region))]
