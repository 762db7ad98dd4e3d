"""What people see of the work: log lines and metrics. No tag's value and no text of a customer's is among them."""

from __future__ import annotations

from collections import Counter

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from log_keeper.account_role import AccountRole, Verdict
from log_keeper.cloudtrail import Nothing, UnreadableEventError
from log_keeper.enforcement import Outcome, Result

_STAGE_METRICS = {
    Outcome.IN_LINE: "StagesInLine",
    Outcome.CHANGED: "StagesChanged",
    Outcome.WOULD_CHANGE: "StagesOutOfLine",
    Outcome.EXEMPT: "StagesExempt",
    Outcome.REFUSED: "StagesRefused",
    Outcome.GONE: "StagesGone",
}


class Reporter:
    """Writes one structured log line and one metric for each thing that happened."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._counts: Counter[str] = Counter()

    def stage(self, result: Result) -> None:
        self._counts[_STAGE_METRICS[result.outcome]] += 1
        self._counts["Findings"] += len(result.findings)
        ref = result.ref
        self._logger.info(
            f"Stage {result.outcome}",
            outcome=result.outcome,
            stage={
                "region": ref.region,
                "protocol": result.protocol,
                "api_id": ref.api_id,
                "stage_name": ref.stage_name,
                "owner": result.owner,
            },
            changes=[
                {
                    "setting": change.setting,
                    "override": change.override,
                    "from": change.before,
                    "to": change.after,
                    "reason": change.reason,
                }
                for change in result.changes
            ],
            log_groups=result.log_groups,
            findings=[{"problem": finding.problem, "detail": finding.detail} for finding in result.findings],
            info_until=result.info_until,
        )

    def account_role(self, region: str, role: AccountRole) -> None:
        if role.verdict is not Verdict.LIVE:
            self._counts["AccountRolesMended" if role.verdict is Verdict.MENDED else "AccountRolesDead"] += 1
        self._logger.info(f"Account log role {role.verdict}", region=region, role_arn=role.role_arn, fault=role.fault)

    def ignored(self, nothing: Nothing) -> None:
        self._counts["RecordsIgnored"] += 1
        self._logger.info(f"Record ignored: {nothing.why}", reason=nothing.why, event_name=nothing.event_name)

    def failed(self, error: Exception, message_id: str) -> None:
        """The message goes back to the queue, which brings it again, and keeps it apart after the fifth time."""
        if isinstance(error, UnreadableEventError):
            self._counts["MessagesUnreadable"] += 1
            self._logger.error("Message unreadable", message_id=message_id, reason=str(error))
        else:
            self._counts["MessagesFailed"] += 1
            self._logger.error("Message failed: to be tried again", message_id=message_id, exc_info=error)

    def flush(self) -> None:
        """The metrics of this invocation are written, if there are any."""
        if not self._counts:
            return
        for name, count in self._counts.items():
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        self._metrics.flush_metrics()
        self._counts.clear()
