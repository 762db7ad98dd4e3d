"""The policy, and what a stage lacks to be in line with it. Pure: a stage goes in, a plan comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from log_keeper.policy.opt_in import OptIn, read_opt_in
from log_keeper.policy.policy import Policy
from log_keeper.stages import LoggingLevel, MethodSettings, Stage, access_log_group, log_group_arn

#: A line without either cannot be matched to a request. The client can choose ``requestId``, never the other.
_REQUEST_IDS = ("$context.requestId", "$context.extendedRequestId")


class Setting(StrEnum):
    """The settings of a stage that the policy speaks of. Nothing else of a stage is ever changed."""

    ACCESS_LOG_DESTINATION = "access log destination"
    ACCESS_LOG_FORMAT = "access log format"
    LOGGING_LEVEL = "execution logging level"
    DATA_TRACE = "data trace"
    DETAILED_METRICS = "detailed metrics"
    #: Not of the stage but of its log group: whether access logs of an HTTP API may be delivered to it.
    LOG_DELIVERY = "log delivery"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of one stage, from what it is to what the policy wants.

    ``override``: the method or route whose own settings it belongs to; None for those of the stage.
    ``before``: None where API Gateway has no value.
    """

    setting: Setting
    override: str | None
    before: str | None
    after: str
    reason: str

    def to_dict(self) -> dict[str, str | None]:
        """The change as the log and the events tell it."""
        return {
            "setting": self.setting,
            "override": self.override,
            "from": self.before,
            "to": self.after,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that a stage lacks, in an order that is safe to apply one by one; none: it is in line."""

    changes: tuple[Change, ...]
    opt_in: OptIn
    is_exempt: bool

    @property
    def is_compliant(self) -> bool:
        return not self.changes


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan.

    ``made``: the changes that were made. ``left_out``: those of routes that could not be, because of ``stale_routes``:
    routes that do not exist, but whose settings are still there. ``lost``: settings of routes that API Gateway dropped
    and that could not be put back, each as one text.
    """

    made: tuple[Change, ...]
    left_out: tuple[Change, ...] = ()
    stale_routes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def plan(stage: Stage, policy: Policy, now: datetime) -> Plan:
    """Return the changes that make the stage compliant.

    Data traces are ended before a level is raised: a level raised from OFF would otherwise start to write bodies. A
    stage without execution logs is never opted in to INFO, whatever its tags say.
    """
    opt_in = read_opt_in(stage.tags, policy, now) if stage.has_execution_logs else OptIn(LoggingLevel.ERROR)
    settings: dict[str | None, MethodSettings] = {None: stage.settings} | dict(stage.overrides)
    changes = _access_log_changes(stage, policy)
    if stage.has_execution_logs:
        changes = [*_data_trace_changes(stage, settings, policy, opt_in), *changes]
        changes += _level_changes(settings, policy, opt_in)
    if policy.wants_detailed_metrics:
        changes += [
            Change(Setting.DETAILED_METRICS, override, "false", "true", "detailed metrics are wanted of every stage")
            for override, now_set in settings.items()
            if not now_set.detailed_metrics and (override is None or stage.methods_decide_on_metrics)
        ]
    return Plan(tuple(changes), opt_in, is_exempt=policy.exempt_tag_key in stage.tags)


def at_error(plan: Plan) -> Plan:
    """Return the plan of an opted-in stage with ERROR in place of INFO, for one whose opt-in cannot begin yet."""
    level, wanted = Setting.LOGGING_LEVEL, LoggingLevel.ERROR
    at_most = [replace(change, after=wanted) if change.setting is level else change for change in plan.changes]
    return replace(plan, changes=tuple(change for change in at_most if change.before != change.after))


def uses_own_access_log_group(stage: Stage, policy: Policy) -> bool:
    """Whether the stage logs, or by its plan will log, to the group that is made for it."""
    access_log = stage.access_log
    return access_log.is_lost or access_log.destination_arn in (None, _own_destination(stage, policy))


def _own_destination(stage: Stage, policy: Policy) -> str:
    return log_group_arn(stage.ref, access_log_group(stage.ref), policy.partition)


def _data_trace_changes(
    stage: Stage, settings: Mapping[str | None, MethodSettings], policy: Policy, opt_in: OptIn
) -> list[Change]:
    """Bodies are written on purpose only: by a tag of an opted-in stage, where the owner of the account allows it."""
    is_tagged = stage.tags.get(policy.data_trace_tag_key, "").strip().lower() == "true"
    if policy.allows_data_trace and is_tagged and opt_in.level is LoggingLevel.INFO:
        return []
    reason = "whole requests and responses, bodies included, do not belong in a log"
    return [
        Change(Setting.DATA_TRACE, override, "true", "false", reason)
        for override, now_set in settings.items()
        if now_set.data_trace
    ]


def _level_changes(settings: Mapping[str | None, MethodSettings], policy: Policy, opt_in: OptIn) -> list[Change]:
    if opt_in.level is LoggingLevel.INFO:
        reason = f"the stage is tagged {policy.info_tag_key}"
    else:
        # Security Hub's APIGateway.1 fails a stage when one entry of its method settings is OFF.
        reason = f"ERROR unless the stage is tagged {policy.info_tag_key} (APIGateway.1)"
    return [
        Change(Setting.LOGGING_LEVEL, override, now_set.level, opt_in.level, reason)
        for override, now_set in settings.items()
        if now_set.level != opt_in.level
    ]


def _access_log_changes(stage: Stage, policy: Policy) -> list[Change]:
    changes = []
    now_set = stage.access_log
    if now_set.destination_arn is None or now_set.is_lost:
        reason = "access logs are always on (APIGateway.9)"
        if now_set.is_lost:
            reason = "the log group of the access logs was deleted and not created again: no access log was kept since"
        before, after = now_set.destination_arn, _own_destination(stage, policy)
        changes.append(Change(Setting.ACCESS_LOG_DESTINATION, None, before, after, reason))
    if now_set.format is None or not any(request_id in now_set.format for request_id in _REQUEST_IDS):
        reason, wanted = "a line must name its request", policy.access_log_formats[stage.protocol]
        changes.append(Change(Setting.ACCESS_LOG_FORMAT, None, now_set.format, wanted, reason))
    return changes
