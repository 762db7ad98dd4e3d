"""The changes to a stage's own settings that make it compliant. Pure: a stage goes in, a plan comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from log_keeper.policy.exemption import Exemption, read_exemption
from log_keeper.policy.opt_in import OptIn, read_opt_in
from log_keeper.policy.own_format import has_request_id
from log_keeper.policy.policy import Policy
from log_keeper.stages import LoggingLevel, MethodSettings, Stage, log_group_arn


class Setting(StrEnum):
    """The settings of a stage that the policy is about. Log Keeper changes no other setting of a stage."""

    ACCESS_LOG_DESTINATION = "access log destination"
    ACCESS_LOG_FORMAT = "access log format"
    LOGGING_LEVEL = "execution logging level"
    DATA_TRACE = "data trace"
    DETAILED_METRICS = "detailed metrics"
    #: Not a setting of the stage but of its log group: whether access logs of an HTTP API can be delivered to it.
    LOG_DELIVERY = "log delivery"
    #: Not a setting of the stage but of one of its log groups: where its lines are forwarded to.
    LOG_FORWARDING = "log forwarding"


class Change(NamedTuple):
    """One setting of one stage, with its value now and the value that the policy requires.

    ``override``: the key of the method or route whose own setting it is; None for the stage's setting.
    ``before``: None where API Gateway has no value. ``log_group``: the log group that a setting of log groups is for;
    None for a setting of the stage.
    """

    setting: Setting
    override: str | None
    before: bool | str | None
    after: bool | str
    reason: str
    log_group: str | None = None

    def to_dict(self) -> dict[str, bool | str | None]:
        """Return the change as log lines, events and the preview show it."""
        of_group = {} if self.log_group is None else {"logGroup": self.log_group}
        return {
            "setting": self.setting,
            "override": self.override,
            "from": self.before,
            "to": self.after,
            "reason": self.reason,
            **of_group,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that a stage requires, in an order in which each can be the last one that succeeds."""

    changes: tuple[Change, ...]
    opt_in: OptIn
    exemption: Exemption

    @property
    def is_exempt(self) -> bool:
        """Return whether the tags of the stage say that it is not changed."""
        return self.exemption.is_valid

    @property
    def is_compliant(self) -> bool:
        """Return whether no setting of the stage has to change."""
        return not self.changes


class Applied(NamedTuple):
    """What UpdateStage did with a plan.

    ``made``: the changes that were made. ``left_out``: changes to settings of routes that could not be made because of
    ``stale_routes``: routes that do not exist, but whose settings still do. ``lost``: settings of routes that API
    Gateway dropped and that could not be restored, one text each.
    """

    made: tuple[Change, ...]
    left_out: tuple[Change, ...] = ()
    stale_routes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def plan(stage: Stage, policy: Policy, now: datetime) -> Plan:
    """Return the changes to the stage's settings that make it compliant.

    Data tracing is switched off before a level is raised: otherwise a level raised from OFF would start to write
    request and response bodies. A stage without execution logs is never opted in to INFO, whatever its tags say.
    """
    opt_in = read_opt_in(stage.tags, policy, now) if stage.has_execution_logs else OptIn(LoggingLevel.ERROR)
    settings: dict[str | None, MethodSettings] = {None: stage.settings} | dict(stage.overrides)
    changes = _access_log_changes(stage, policy)
    if stage.has_execution_logs:
        changes = [*_data_trace_changes(stage, settings, policy, opt_in), *changes]
        changes += _level_changes(settings, policy, opt_in)
    if policy.wants_detailed_metrics:
        changes += [
            Change(Setting.DETAILED_METRICS, override, False, True, "the policy requires detailed metrics")
            for override, now_set in settings.items()
            if not now_set.detailed_metrics and (override is None or stage.methods_decide_on_metrics)
        ]
    return Plan(tuple(changes), opt_in, read_exemption(stage.tags, policy, now))


def at_error(plan: Plan) -> Plan:
    """Return the plan of an opted-in stage with ERROR in place of INFO, for an opt-in that cannot begin yet."""
    level, wanted = Setting.LOGGING_LEVEL, LoggingLevel.ERROR
    at_most = [change._replace(after=wanted) if change.setting is level else change for change in plan.changes]
    return replace(plan, changes=tuple(change for change in at_most if change.before != change.after))


def own_access_log_group(stage: Stage, policy: Policy) -> str | None:
    """Return the name of Log Keeper's log group that the stage logs to, or will log to after its plan.

    None if the stage logs to a destination that its owner chose, or if the name needs that of the API and this is not
    known.
    """
    names, destination = policy.access_log_names, stage.access_log.destination_arn
    if destination is None or stage.access_log.is_lost:
        return None if names.needs_api_name(stage.api_name) else names.name_of(stage.ref, stage.api_name)
    prefix = log_group_arn(stage.ref, "", policy.partition)
    name = destination.removeprefix(prefix)
    return name if destination.startswith(prefix) and names.is_own(name, stage.ref) else None


def _data_trace_changes(
    stage: Stage, settings: Mapping[str | None, MethodSettings], policy: Policy, opt_in: OptIn
) -> list[Change]:
    """Return the changes that switch data tracing off.

    Data tracing stays on only where the policy allows it, the stage is opted in to INFO, and a tag asks for it.
    """
    is_tagged = stage.tags.get(policy.data_trace_tag_key, "").strip().lower() == "true"
    if policy.allows_data_trace and is_tagged and opt_in.level is LoggingLevel.INFO:
        return []
    reason = "request and response bodies do not belong in a log"
    return [
        Change(Setting.DATA_TRACE, override, True, False, reason)
        for override, now_set in settings.items()
        if now_set.data_trace
    ]


def _level_changes(settings: Mapping[str | None, MethodSettings], policy: Policy, opt_in: OptIn) -> list[Change]:
    if opt_in.level is LoggingLevel.INFO:
        reason = f"the stage is tagged {policy.info_tag_key}"
    else:
        # Security Hub's control APIGateway.1 fails for a stage if one entry of its method settings is OFF.
        reason = f"ERROR unless the stage is tagged {policy.info_tag_key} (APIGateway.1)"
    return [
        Change(Setting.LOGGING_LEVEL, override, now_set.level, opt_in.level, reason)
        for override, now_set in settings.items()
        if now_set.level != opt_in.level
    ]


def _access_log_changes(stage: Stage, policy: Policy) -> list[Change]:
    changes = []
    now_set = stage.access_log
    if now_set.needs_destination:
        reason = "access logs are always on (APIGateway.9)"
        if now_set.is_lost:
            reason = "the log group of the access logs was deleted and not created again: access logs are lost"
        name = policy.access_log_names.name_of(stage.ref, stage.api_name)
        own = log_group_arn(stage.ref, name, policy.partition)
        changes.append(Change(Setting.ACCESS_LOG_DESTINATION, None, now_set.destination_arn, own, reason))
    if now_set.format is None or not has_request_id(now_set.format):
        reason, wanted = "each line must contain the id of its request", policy.access_log_formats[stage.protocol]
        changes.append(Change(Setting.ACCESS_LOG_FORMAT, None, now_set.format, wanted, reason))
    return changes
