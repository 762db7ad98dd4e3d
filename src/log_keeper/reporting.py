"""Log lines and metrics. They contain the logging settings of stages, and no values of tags."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.events.hints import Cause, Ignored, UnreadableEventError
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding
from log_keeper.policy.results import Outcome, Result
from log_keeper.stages import Account, ApiVersion, StageRef

if TYPE_CHECKING:  # the Enforce function does not import it
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
    """Writes one structured log line and one metric for each thing that happened.

    ``own_account``: lines about another account have its ID. Metrics have no account: each one would cost extra.
    """

    def __init__(self, logger: Logger, metrics: Metrics, own_account: str = "") -> None:
        self._logger = logger
        self._metrics = metrics
        self._own_account = own_account
        self._known_accounts: dict[str, dict[str, str]] = {}
        self._counts: Counter[str] = Counter()

    def know(self, account: Account) -> None:
        """Keep the name and the unit of a member account for the lines about it."""
        self._known_accounts[account.account_id] = account.known()

    def stage(self, result: Result, cause: Cause | None = None, now: datetime | None = None) -> None:
        """Report the result of a stage.

        ``cause``: the event that led to the stage, ``now``: when the work on the stage ended; None in a sweep.
        """
        self._counts[_STAGE_METRICS[result.outcome]] += 1
        if result.outcome is Outcome.REMEDIATED and result.protocol is not None:
            self._put_by_protocol(result.ref.region, result.protocol, {"StagesRemediated": 1})
        seconds = None if cause is None or now is None else cause.seconds_until(now)
        if result.outcome is Outcome.REMEDIATED and seconds is not None:
            self._metrics.add_metric(name="SecondsToCompliance", unit=MetricUnit.Seconds, value=seconds)
        self._counts["Findings"] += len(result.findings)
        self._logger.info(
            f"Stage {result.outcome}",
            **result.to_dict(),
            cause=None if cause is None else cause.to_dict(),
            **self._other_account(result.ref.account),
        )

    def _other_account(self, account_id: str | None) -> dict[str, Any]:
        """Return the fields of a log line that name the account, if it is not the stack's own."""
        if account_id is None or account_id == self._own_account:
            return {}
        return {"accountId": account_id, **self._known_accounts.get(account_id, {})}

    def evaluated(self, evaluation: Evaluation, *, is_audit: bool) -> None:
        """Report an evaluation of a sweep: each finding and each exempt stage.

        In Audit mode also each stage that is not compliant.
        """
        if is_audit and not evaluation.is_compliant:
            self.stage(Result.evaluated(evaluation))
            return
        if evaluation.plan.is_exempt:
            self.stage(Result.evaluated(evaluation, findings=()))  # each has a line of its own
        if evaluation.findings:
            ref, stage = evaluation.stage.ref, Result.evaluated(evaluation).to_dict()["stage"]
            for finding in evaluation.findings:
                self._finding(ref.region, finding, ref.account, stage=stage)

    def sweep_finished(self, swept: Swept) -> None:
        """Report what a sweep has found: one line for each protocol, and findings about the region.

        A sweep of all APIs has metrics too, which are added up by day.
        """
        for protocol, count in sorted(swept.counts.items()):
            counts = {
                "StagesEvaluated": count.evaluated,
                "StagesFoundCompliant": count.compliant,
                "StagesFoundNonCompliant": count.evaluated - count.compliant,
                "StagesOptedIn": count.opted_in,
            }
            if swept.is_whole:
                self._put_by_protocol(swept.region, protocol, counts)
            account = self._other_account(swept.account)
            self._logger.info("Swept", region=swept.region, protocol=protocol, counts=counts, **account)
        if not swept.has_events:
            self._logger.info(
                "Only the sweep finds changes in this region: EventBridge has no cross-region event buses there",
                region=swept.region,
            )
        for finding in swept.findings:
            self._finding(swept.region, finding, swept.account)
        if swept.role is not None:
            self.log_role(swept.region, swept.role, swept.account)
        if swept.is_complete:
            self._counts["RegionsSwept"] += 1
        self.flush()

    def organization_finding(self, account_id: str, region: str, finding: Finding) -> None:
        """Report a finding about a member account that no sweep of the account can report."""
        self._finding(region, finding, account_id)

    def _finding(self, region: str, finding: Finding, account_id: str | None, **stage: Any) -> None:
        """Report a finding. ``stage``: the stage that it is about, if it is about one."""
        self._counts["Findings"] += 1
        self._logger.warning(
            "Finding",
            region=region,
            problem=finding.problem,
            detail=finding.detail,
            **stage,
            **self._other_account(account_id),
        )

    def stage_failed(self, ref: StageRef) -> None:
        """Count a stage whose remediation failed. ``message_failed`` writes the log line."""
        protocol = "REST" if ref.version is ApiVersion.V1 else "HTTP or WEBSOCKET"
        self._put_by_protocol(ref.region, protocol, {"StagesFailed": 1})

    @staticmethod
    def _put_by_protocol(region: str, protocol: str, counts: dict[str, int]) -> None:
        """Write metrics with the dimensions region and protocol at once."""
        metrics = EphemeralMetrics(namespace="LogKeeper", service="log-keeper")
        metrics.add_dimension("region", region)
        metrics.add_dimension("protocol", protocol)
        for name, count in counts.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        metrics.flush_metrics()

    def log_role(self, region: str, role: AccountRole, account_id: str | None = None) -> None:
        """Report the status of an account's log role in a region. ``account_id``: None for the stack's own account."""
        if role.status in _ROLE_METRICS:
            self._counts[_ROLE_METRICS[role.status]] += 1
        self._logger.info(
            f"Log role {role.status}",
            region=region,
            roleArn=role.role_arn,
            fault=role.fault,
            limits=role.limits,
            **self._other_account(account_id),
        )

    def ignored(self, ignored: Ignored) -> None:
        """Report an event that leads to no work."""
        self._counts["RecordsIgnored"] += 1
        self._logger.info(f"Record ignored: {ignored.reason}", reason=ignored.reason, eventName=ignored.event_name)

    def message_failed(self, error: Exception, message_id: str) -> None:
        """Report a message that returns to its queue. After the fifth time, SQS moves it to the dead-letter queue."""
        if isinstance(error, UnreadableEventError):
            self._counts["MessagesUnreadable"] += 1
            self._logger.error("Message unreadable", messageId=message_id, reason=str(error))
        else:
            self._counts["MessagesFailed"] += 1
            self._logger.error("Message failed, will be tried again", messageId=message_id, exc_info=error)

    def message_put_back(self, error: Exception, message_id: str) -> None:
        """Report a message that is tried again as a new one, since a role of a member account was refused."""
        self._logger.warning("Message put back, will be tried again", messageId=message_id, reason=str(error))

    def event_lost(self, error: Exception) -> None:
        """Report that an event about a change or a finding was not published. The stage's own log line has it all."""
        self._counts["EventsLost"] += 1
        self._logger.error("Event not published", exc_info=error)

    def flush(self) -> None:
        """Write the metrics of this invocation, if there are any."""
        if not self._counts:
            return
        for name, count in self._counts.items():
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        self._metrics.flush_metrics()
        self._counts.clear()
