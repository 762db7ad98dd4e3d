"""The required changes of one stage, made one by one: what cannot be made does not keep the rest from being made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.aws.errors import CALL_ERRORS, is_concurrent_change, is_log_role_missing, is_transient
from log_keeper.aws.log_groups import create_log_group, set_retention
from log_keeper.aws.resource_policies import allow_delivery
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroupStep
from log_keeper.policy.plan import Change, Plan, Setting
from log_keeper.policy.results import Outcome, Result, by_name, required
from log_keeper.stages import Stage, StageRef, access_log_group

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

    from log_keeper.aws.http_websocket import V2Stage
    from log_keeper.aws.rest import RestStage
    from log_keeper.policy.evaluation import Evaluation

_CREATED = LogGroupStep.CREATE
#: Without a CloudWatch log role API Gateway takes none of these for a REST or WebSocket API.
NEED_LOG_ROLE = (Setting.LOGGING_LEVEL, Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT)
_ACCESS_LOG = (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT, Setting.LOG_DELIVERY)
#: What API Gateway refuses together, it may take apart. Data trace first: request and response bodies are being logged.
_PARTS = ((Setting.DATA_TRACE,), (Setting.LOGGING_LEVEL,), _ACCESS_LOG, (Setting.DETAILED_METRICS,))


@dataclass(frozen=True, slots=True)
class Failure:
    """A required change that could not be made. ``what``: the change, in words; where in the code, is not told."""

    what: str
    error: Exception

    def __post_init__(self) -> None:
        self.error.__traceback__ = self.error.__context__ = None


@dataclass(slots=True)
class Remediation:
    """What was made of a stage's required changes, and what could not be, over all tries of one event.

    ``log_groups``: by name. ``left_out``: changes that other settings of the stage stand in the way of: see the
    findings. ``stage``: as it was read last. ``role``: the account's log role, if it was checked for this event.
    """

    changes: list[Change] = field(default_factory=list)
    log_groups: dict[str, LogGroupStep] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    stale_routes: dict[str, None] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    left_out: list[Change] = field(default_factory=list)
    stage: Stage | None = None
    role: AccountRole | None = None

    def begin_try(self, stage: Stage) -> None:
        """Start the work on the stage, or start it again: what failed before is tried again."""
        self.stage = stage
        self.failures.clear()
        self.left_out.clear()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A finding for each failure, and for what became of the settings of routes."""
        return (
            *(Finding(Problem.STALE_ROUTE, route) for route in self.stale_routes),
            *(Finding(Problem.ROUTE_SETTINGS_LOST, settings) for settings in self.lost),
            *(Finding(Problem.CHANGE_FAILED, f"{failure.what}: {failure.error}") for failure in self.failures),
        )

    @property
    def has_changed(self) -> bool:
        return bool(self.changes or self.log_groups)

    def create_log_groups(self, client: CloudWatchLogsClient, evaluation: Evaluation, *, is_last_try: bool) -> None:
        """Create each required log group, and set each required retention.

        Raises ClientError where another program changes the same log group at this moment, unless ``is_last_try``.
        """
        for group, change in evaluation.required_log_groups.items():
            what = f"log group {group.name} could not be created"
            try:
                if change is _CREATED:
                    create_log_group(client, group)
                    self.log_groups[group.name] = change
                what = f"log group {group.name} could not be given a retention"
                set_retention(client, group)
            except CALL_ERRORS as error:
                if is_concurrent_change(error) and not is_last_try:
                    raise
                self.failures.append(Failure(what, error))
            else:
                self.log_groups.setdefault(group.name, change)

    def allow_delivery(self, client: CloudWatchLogsClient, evaluation: Evaluation, *, is_last_try: bool) -> bool:
        """Allow log delivery to the access log group if that is required; return whether it may go on from there.

        Raises ClientError where another program changes the same policy or log group, unless ``is_last_try``.
        """
        required = any(change.setting is Setting.LOG_DELIVERY for change in evaluation.plan.changes)
        if evaluation.delivery is None or not required:
            return True
        if self._lacks_access_log_group(evaluation):
            return False
        try:
            allow_delivery(client, evaluation.delivery)
        except (*CALL_ERRORS, ValueError) as error:
            if is_concurrent_change(error) and not is_last_try:
                raise
            what = f"log delivery to {evaluation.delivery.log_group_arn} could not be allowed"
            self.failures.append(Failure(what, error))
            return False
        return True

    def attempt[Made](self, what: str, make: Callable[[], Made]) -> Made | None:
        """Return what ``make`` returns; None if an API call in it failed, which ``what`` then describes."""
        try:
            return make()
        except CALL_ERRORS as error:
            self.failures.append(Failure(what, error))
            return None

    def change_stage(
        self, reading: RestStage | V2Stage, evaluation: Evaluation, excluded: Collection[Setting], *, is_last_try: bool
    ) -> None:
        """Make the required changes of the stage's settings: all by one call if API Gateway takes that.

        ``excluded``: settings that something else does not allow to change at this moment.

        Raises ManagedStageError; and, unless ``is_last_try``, the ClientError that another look at the stage settles.
        """
        changes = [change for change in evaluation.plan.changes if change.setting not in excluded]
        if self._lacks_access_log_group(evaluation):
            # API Gateway would log to a group that does not exist, and say nothing about it.
            changes = [change for change in changes if change.setting not in _ACCESS_LOG]
        if not changes:
            return
        try:
            self._apply(reading, evaluation.plan, changes)
        except CALL_ERRORS as error:
            if (is_concurrent_change(error) or is_log_role_missing(error)) and not is_last_try:
                raise
            left = [change for change in changes if change not in self.changes]
            if is_transient(error):
                self.failures.append(Failure(_in_words(left), error))
                return
            self._change_in_parts(reading, evaluation.plan, left, error)

    def _lacks_access_log_group(self, evaluation: Evaluation) -> bool:
        """Return whether the log group that is created for the stage's access logs could not be created."""
        required = {group.name for group, change in evaluation.required_log_groups.items() if change is _CREATED}
        return access_log_group(evaluation.stage.ref) in required - set(self.log_groups)

    def _change_in_parts(
        self, reading: RestStage | V2Stage, plan: Plan, changes: Sequence[Change], refusal: Exception
    ) -> None:
        parts = [[change for change in changes if change.setting in settings] for settings in _PARTS]
        parts = [part for part in parts if part]
        if len(parts) == 1:
            self.failures.append(Failure(_in_words(changes), refusal))
            return
        for part in parts:
            self.attempt(_in_words(part), partial(self._apply, reading, plan, part))

    def _apply(self, reading: RestStage | V2Stage, plan: Plan, changes: Sequence[Change]) -> None:
        for part in reading.split(changes):
            applied = reading.apply(replace(plan, changes=part))
            self.changes += applied.made
            self.left_out += applied.left_out
            self.stale_routes |= dict.fromkeys(applied.stale_routes)
            self.lost |= dict.fromkeys(applied.lost)

    def remediated(
        self,
        evaluation: Evaluation,
        findings: tuple[Finding, ...],
        role_error: Exception | None,
        *,
        is_refused: bool = False,
    ) -> Result:
        """Return what came of a stage of which each required change was tried."""
        errors, has_changed = self._errors(role_error), self.has_changed
        if is_refused:
            outcome = Outcome.REFUSED
        elif errors or self.left_out or evaluation.is_silenced or evaluation.missing_destination is not None:
            outcome = Outcome.PARTLY_REMEDIATED if has_changed else Outcome.NON_COMPLIANT
        else:
            outcome = Outcome.REMEDIATED if has_changed else Outcome.COMPLIANT
        left = {
            group: change
            for group, change in evaluation.log_groups.items()
            if group not in evaluation.required_log_groups
        }
        return replace(
            required(evaluation),
            outcome=outcome,
            changes=tuple(self.changes),
            log_groups=by_name(left) | self.log_groups,
            findings=findings + self.findings,
            errors=errors,
        )

    def only_evaluated(
        self, evaluation: Evaluation, findings: tuple[Finding, ...], role_error: Exception | None
    ) -> Result:
        """Return what was found of a stage that is not to be changed."""
        found = required(evaluation)
        outcome = Outcome.EXEMPT if evaluation.plan.is_exempt else found.outcome
        return replace(found, outcome=outcome, findings=findings + self.findings, errors=self._errors(role_error))

    def gone(self, ref: StageRef) -> Result:
        """Return what came of a stage that does not exist, or not any more."""
        return self._unfinished(ref, Outcome.DELETED)

    def interrupted(self, ref: StageRef, error: Exception) -> Result | None:
        """Return what had been changed when the error ended the work on the stage; None if nothing had."""
        is_repaired = self.role is not None and self.role.status is RoleStatus.REPAIRED
        if not (self.has_changed or is_repaired):
            return None
        self.failures.append(Failure("the work on the stage ended", error))
        outcome = Outcome.PARTLY_REMEDIATED if self.has_changed else Outcome.NON_COMPLIANT
        return replace(self._unfinished(ref, outcome), findings=self.findings, errors=self._errors(None))

    def _unfinished(self, ref: StageRef, outcome: Outcome) -> Result:
        protocol, owner = (None, None) if self.stage is None else (self.stage.protocol, self.stage.owner)
        return Result(ref, outcome, protocol, owner, tuple(self.changes), dict(self.log_groups))

    def _errors(self, role_error: Exception | None) -> tuple[Exception, ...]:
        errors = tuple(failure.error for failure in self.failures)
        return errors if role_error is None else (*errors, role_error)


def _in_words(changes: Sequence[Change]) -> str:
    names = dict.fromkeys(change.setting.value for change in changes)
    return f"{', '.join(names)} could not be changed"
