"""What people see of the work: log lines and metrics. Of a stage they hold its logging settings, and no tag's value."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.events.hints import Cause, Ignored, UnreadableEventError
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding
from log_keeper.policy.results import Outcome, Result, required
from log_keeper.stages import ApiVersion, StageRef

if TYPE_CHECKING:  # the Enforce function does without
    from log_keeper.sweep import Swept

_STAGE_METRICS = {
    Outcome.COMPLIANT: "StagesCompliant",
    Outcome.REMEDIATED: "StagesRemediated",
    Outcome.PARTLY_REMEDIATED: "StagesPartlyRemediated",
    Outcome.NON_COMPLIANT: "StagesNonCompliant",
    Outcome.WOULD_BE_REMEDIATED: "StagesWouldBeRemediated",
    Outcome.EXEMPT: "StagesExempt",
    Outcome.REFUSED: "StagesRefused",
    Outcome.DELETED: "StagesDeleted",
}

_ROLE_METRICS = {
    RoleStatus.LIMITED: "LogRolesLimited",
    RoleStatus.REPAIRED: "LogRolesRepaired",
    RoleStatus.INVALID: "LogRolesInvalid",
}


class Reporter:
    """Writes one structured log line and one metric for each thing that happened."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._counts: Counter[str] = Counter()

    def stage(self, result: Result, cause: Cause | None = None, now: datetime | None = None) -> None:
        """Report what came of a stage.

        ``cause``: the event that led to the stage, ``now``: when the work on the stage ended; None in a sweep.
        """
        self._counts[_STAGE_METRICS[result.outcome]] += 1
        if result.outcome is Outcome.REMEDIATED and result.protocol is not None:
            self._put_by_protocol(result.ref.region, result.protocol, {"StagesRemediated": 1})
        seconds = None if cause is None or now is None else cause.seconds_until(now)
        if result.outcome is Outcome.REMEDIATED and seconds is not None:
            self._metrics.add_metric(name="SecondsToCompliance", unit=MetricUnit.Seconds, value=seconds)
        self._counts["Findings"] += len(result.findings)
        ref = result.ref
        self._logger.info(
            f"Stage {result.outcome}",
            outcome=result.outcome,
            stage={
                "region": ref.region,
                "protocol": result.protocol,
                "apiId": ref.api_id,
                "stageName": ref.stage_name,
                "owner": result.owner,
            },
            changes=[change.to_dict() for change in result.changes],
            logGroups=result.log_groups,
            findings=[{"problem": finding.problem, "detail": finding.detail} for finding in result.findings],
            infoUntil=None if result.info_until is None else result.info_until.isoformat(),
            cause=None if cause is None else {"eventName": cause.event_name, "eventId": cause.event_id},
        )

    def judged(self, evaluation: Evaluation, *, is_audit: bool) -> None:
        """Of a sweep: a line for each finding; in audit mode also one for each stage out of line."""
        if is_audit and not evaluation.is_compliant:
            result = required(evaluation)
            self.stage(replace(result, outcome=Outcome.EXEMPT) if evaluation.plan.is_exempt else result)
        else:
            for finding in evaluation.findings:
                self._finding(evaluation.stage.ref.region, finding)

    def swept(self, swept: Swept) -> None:
        """Write one line for each protocol; and, of a sweep of all APIs, its metrics, which are added up by day."""
        for protocol, count in sorted(swept.counts.items()):
            counts = {
                "StagesEvaluated": count.seen,
                "StagesFoundCompliant": count.in_line,
                "StagesFoundNonCompliant": count.seen - count.in_line,
                "StagesOptedIn": count.opted_in,
            }
            if swept.is_whole:
                self._put_by_protocol(swept.region, protocol, counts)
            self._logger.info("Swept", region=swept.region, protocol=protocol, counts=counts)
        if not swept.has_events:
            self._logger.info(
                "Changes are found by the sweep only: EventBridge has no cross-region event buses here",
                region=swept.region,
            )
        for finding in swept.findings:
            self._finding(swept.region, finding)
        if swept.role is not None:
            self.account_role(swept.region, swept.role)
        if swept.is_whole and swept.left is None and not swept.errors:
            self._counts["RegionsSwept"] += 1
        self.flush()

    def _finding(self, region: str, finding: Finding) -> None:
        self._counts["Findings"] += 1
        self._logger.warning("Finding", region=region, problem=finding.problem, detail=finding.detail)

    def stage_failed(self, ref: StageRef) -> None:
        """Counted where the stage is known; told of where the message is (``failed``)."""
        protocol = "REST" if ref.version is ApiVersion.V1 else "HTTP or WEBSOCKET"
        self._put_by_protocol(ref.region, protocol, {"StagesFailed": 1})

    @staticmethod
    def _put_by_protocol(region: str, protocol: str, counts: dict[str, int]) -> None:
        """Metrics with the dimensions region and protocol, written at once."""
        metrics = EphemeralMetrics(namespace="LogKeeper", service="log-keeper")
        metrics.add_dimension("region", region)
        metrics.add_dimension("protocol", protocol)
        for name, count in counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        metrics.flush_metrics()

    def account_role(self, region: str, role: AccountRole) -> None:
        if role.status in _ROLE_METRICS:
            self._counts[_ROLE_METRICS[role.status]] += 1
        self._logger.info(
            f"Log role {role.status}",
            region=region,
            roleArn=role.role_arn,
            fault=role.fault,
            limits=role.limits,
        )

    def ignored(self, nothing: Ignored) -> None:
        self._counts["RecordsIgnored"] += 1
        self._logger.info(f"Record ignored: {nothing.reason}", reason=nothing.reason, eventName=nothing.event_name)

    def failed(self, error: Exception, message_id: str) -> None:
        """The message goes back to the queue, which brings it again, and keeps it apart after the fifth time."""
        if isinstance(error, UnreadableEventError):
            self._counts["MessagesUnreadable"] += 1
            self._logger.error("Message unreadable", messageId=message_id, reason=str(error))
        else:
            self._counts["MessagesFailed"] += 1
            self._logger.error("Message failed: to be tried again", messageId=message_id, exc_info=error)

    def untold(self, error: Exception) -> None:
        """An event about a change or a finding is lost; the log line before has what it would have said."""
        self._counts["EventsLost"] += 1
        self._logger.error("Event not put on the bus", exc_info=error)

    def flush(self) -> None:
        """The metrics of this invocation are written, if there are any."""
        if not self._counts:
            return
        for name, count in self._counts.items():
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        self._metrics.flush_metrics()
        self._counts.clear()
