"""The policy, and what a stage lacks to be in line with it. Pure: a stage goes in, a plan comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from log_keeper.stages import ALL_METHODS, ExecutionLogSettings, LoggingLevel, Stage, access_log_group, log_group_arn

#: A line without either cannot be matched to a request. The client can choose ``requestId``, never the other.
_REQUEST_IDS = ("$context.requestId", "$context.extendedRequestId")


class Setting(StrEnum):
    """The settings of a stage that the policy speaks of. Nothing else of a stage is ever changed."""

    ACCESS_LOG_DESTINATION = "access log destination"
    ACCESS_LOG_FORMAT = "access log format"
    LOGGING_LEVEL = "execution logging level"
    DATA_TRACE = "data trace"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting of one stage, from what it is to what the policy wants.

    ``method``: the entry of the method settings it belongs to; None for a setting of the whole stage.
    ``before``: None where API Gateway has no value.
    """

    setting: Setting
    method: str | None
    before: str | None
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What every stage is held against.

    ``info_tag_key``: a stage whose tag of this key says INFO, in any case, is opted in to INFO.
    ``access_log_format``: for a stage that has none; one line.
    ``partition``: of the ARNs of log groups: ``aws``, ``aws-cn``, ``aws-us-gov``.
    """

    info_tag_key: str
    access_log_format: str
    partition: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that a stage lacks, in an order that is safe to apply one by one; none: it is in line."""

    changes: tuple[Change, ...]

    @property
    def is_in_line(self) -> bool:
        return not self.changes


def plan(stage: Stage, policy: Policy) -> Plan:
    """The stage is in line once each change of the plan is applied.

    Data traces are ended before a level is raised: a level raised from OFF would otherwise start to write bodies.
    """
    level, reason = wanted_level(stage, policy)
    methods = {ALL_METHODS: stage.execution_logs.get(ALL_METHODS, ExecutionLogSettings())} | dict(stage.execution_logs)
    return Plan(
        (
            *_data_trace_changes(methods),
            *_access_log_changes(stage, policy),
            *(
                Change(Setting.LOGGING_LEVEL, method, settings.level, level, reason)
                for method, settings in methods.items()
                if settings.level != level
            ),
        )
    )


def wanted_level(stage: Stage, policy: Policy) -> tuple[LoggingLevel, str]:
    """The execution logging level for the stage and each of its methods, and why."""
    if stage.tags.get(policy.info_tag_key, "").strip().upper() == LoggingLevel.INFO:
        return LoggingLevel.INFO, f"the stage is tagged {policy.info_tag_key}"
    # Security Hub's APIGateway.1 fails a stage when one entry of its method settings is OFF.
    return LoggingLevel.ERROR, f"ERROR unless the stage is tagged {policy.info_tag_key} (APIGateway.1)"


def uses_own_access_log_group(stage: Stage, policy: Policy) -> bool:
    """Whether the stage logs, or by its plan will log, to the group that is made for it."""
    return stage.access_log.destination_arn in (None, _own_destination(stage, policy))


def _own_destination(stage: Stage, policy: Policy) -> str:
    return log_group_arn(stage.ref, access_log_group(stage.ref), policy.partition)


def _data_trace_changes(methods: dict[str, ExecutionLogSettings]) -> list[Change]:
    reason = "whole requests and responses, bodies included, do not belong in a log"
    return [
        Change(Setting.DATA_TRACE, method, "true", "false", reason)
        for method, settings in methods.items()
        if settings.data_trace
    ]


def _access_log_changes(stage: Stage, policy: Policy) -> list[Change]:
    changes = []
    now = stage.access_log
    if now.destination_arn is None:
        reason = "access logs are always on"
        changes.append(
            Change(Setting.ACCESS_LOG_DESTINATION, None, None, _own_destination(stage, policy), reason),
        )
    if now.format is None or not any(request_id in now.format for request_id in _REQUEST_IDS):
        reason = "a line must name its request"
        changes.append(Change(Setting.ACCESS_LOG_FORMAT, None, now.format, policy.access_log_format, reason))
    return changes
