"""The required changes of one stage, made one by one: a change that fails does not prevent the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.aws.errors import (
    CALL_ERRORS,
    is_concurrent_change,
    is_log_role_missing,
    is_transient,
    may_refuse_destination,
)
from log_keeper.aws.log_groups import create_log_group, set_retention
from log_keeper.aws.parallel import Parallel
from log_keeper.aws.resource_policies import allow_delivery
from log_keeper.aws.stage_api import Reading, apply_changes
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroup, LogGroupStep
from log_keeper.policy.plan import Change, Plan, Setting
from log_keeper.policy.results import Done
from log_keeper.stages import Stage

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

    from log_keeper.aws.clients import Clients

#: Without a CloudWatch log role API Gateway accepts none of these settings for a REST or WebSocket API.
NEED_LOG_ROLE = (Setting.LOGGING_LEVEL, Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT)
_ACCESS_LOG = (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT, Setting.LOG_DELIVERY)
#: Settings that API Gateway refuses together it may accept one after the other. Data tracing is first, because request
#: and response bodies are being logged.
_PARTS = ((Setting.DATA_TRACE,), (Setting.LOGGING_LEVEL,), _ACCESS_LOG, (Setting.DETAILED_METRICS,))


@dataclass(frozen=True, slots=True)
class Failure:
    """A required change that could not be made. ``what``: the change, in words. The error loses its traceback."""

    what: str
    error: Exception
    problem: Problem = Problem.CHANGE_FAILED

    def __post_init__(self) -> None:
        self.error.__traceback__ = self.error.__context__ = None


@dataclass(slots=True)
class Remediation:
    """What was done about a stage's required changes, and what could not be done, over all tries of one event.

    ``log_groups``: by name. ``untagged``: the refusal of the tags of a log group, by its name. ``left_out``: changes
    that other settings of the stage prevent: see the findings.
    ``stage``: as it was read last. ``role``: the account's log role, if it was checked for this event.
    ``refusals``: why lines cannot be forwarded, in findings. Only a person can help, so they are no failures.
    """

    changes: list[Change] = field(default_factory=list)
    log_groups: dict[str, LogGroupStep] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    stale_routes: dict[str, None] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    untagged: dict[str, str] = field(default_factory=dict)
    left_out: list[Change] = field(default_factory=list)
    refusals: list[Finding] = field(default_factory=list)
    stage: Stage | None = None
    role: AccountRole | None = None

    def begin_try(self, stage: Stage) -> None:
        """Start the work on the stage, or start it again: what has failed before is tried again."""
        self.stage = stage
        self.failures.clear()
        self.left_out.clear()
        self.refusals.clear()

    @property
    def has_changed(self) -> bool:
        """Return whether something was changed: of the stage, its log groups or the account's log role."""
        is_repaired = self.role is not None and self.role.status is RoleStatus.REPAIRED
        return bool(self.changes or self.log_groups or is_repaired)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return a finding for each failure and refusal, and for settings of routes that were not changed or lost."""
        return (
            *(Finding(Problem.STALE_ROUTE, route) for route in self.stale_routes),
            *(Finding(Problem.ROUTE_SETTINGS_LOST, settings) for settings in self.lost),
            *(Finding(Problem.TAGS_REFUSED, f"{name}: {refusal}") for name, refusal in self.untagged.items()),
            *self.refusals,
            *(Finding(failure.problem, f"{failure.what}: {failure.error}") for failure in self.failures),
        )

    def errors(self, role_error: Exception | None = None) -> tuple[Exception, ...]:
        """Return why required changes could not be made. ``role_error``: why the log role could not be repaired."""
        return (*(failure.error for failure in self.failures), *(() if role_error is None else (role_error,)))

    def done(self, role_error: Exception | None = None, *, is_refused: bool = False) -> Done:
        """Return what was done, as a value."""
        return Done(
            tuple(self.changes),
            dict(self.log_groups),
            self.findings,
            self.errors(role_error),
            is_complete=not self.left_out,
            is_refused=is_refused,
        )

    def create_log_groups(
        self, client: CloudWatchLogsClient, evaluation: Evaluation, parallel: Parallel, *, is_last_try: bool
    ) -> None:
        """Create each required log group, and set each required retention.

        Raises ClientError if somebody else changes the same log group at this moment, unless ``is_last_try``.
        """
        create = partial(self._create_log_group, client, is_last_try)
        parallel.run([partial(create, *required) for required in evaluation.required_log_groups.items()])

    def _create_log_group(
        self, client: CloudWatchLogsClient, is_last_try: bool, group: LogGroup, step: LogGroupStep
    ) -> None:
        """Take the step of one log group, perhaps at the same time as those of the stage's others."""
        what = f"log group {group.name} could not be created"
        try:
            if step is LogGroupStep.CREATE:
                if (refusal := create_log_group(client, group)) is not None:
                    self.untagged[group.name] = refusal
                self.log_groups[group.name] = step
            what = f"the retention of log group {group.name} could not be set"
            set_retention(client, group)
        except CALL_ERRORS as error:
            if is_concurrent_change(error) and not is_last_try:
                raise
            self.failures.append(Failure(what, error))
        else:
            self.log_groups.setdefault(group.name, step)

    def allow_delivery(self, client: CloudWatchLogsClient, evaluation: Evaluation, *, is_last_try: bool) -> bool:
        """Allow log delivery to the access log group if that is required. Return False if that failed.

        Raises ClientError if somebody else changes the same policy or log group, unless ``is_last_try``.
        """
        is_required = any(change.setting is Setting.LOG_DELIVERY for change in evaluation.plan.changes)
        if evaluation.delivery is None or not is_required:
            return True
        if self._needs_access_log_group(evaluation):
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
        """Return what ``make`` returns; None if an API call in it failed, and then ``what`` describes the failure."""
        try:
            return make()
        except CALL_ERRORS as error:
            self.failures.append(Failure(what, error))
            return None

    def change_stage(
        self,
        clients: Clients,
        reading: Reading,
        evaluation: Evaluation,
        excluded: Collection[Setting],
        *,
        is_last_try: bool,
    ) -> None:
        """Make the required changes of the stage's settings: all by one call if API Gateway accepts that.

        ``excluded``: settings that cannot be changed at this moment for another reason.

        Raises ManagedStageError; and, unless ``is_last_try``, ClientError if the stage must be read again.
        """
        apply = partial(self._apply, clients, reading, evaluation.plan)
        excluded = {Setting.LOG_FORWARDING, *excluded}  # no setting of the stage
        changes = [change for change in evaluation.plan.changes if change.setting not in excluded]
        if self._needs_access_log_group(evaluation):
            # API Gateway would log to a log group that does not exist, and report no error.
            changes = [change for change in changes if change.setting not in _ACCESS_LOG]
        if not changes:
            return
        try:
            apply(changes)
        except CALL_ERRORS as error:
            if (is_concurrent_change(error) or is_log_role_missing(error)) and not is_last_try:
                raise
            left = [change for change in changes if change not in self.changes]
            if is_transient(error):
                self.failures.append(Failure(_in_words(left), error))
                return
            self._change_in_parts(apply, left, error, evaluation)

    def _needs_access_log_group(self, evaluation: Evaluation) -> bool:
        """Return whether the log group for the stage's access logs was required and could not be created."""
        return evaluation.own_access_log_group in self.missing_log_groups(evaluation)

    def missing_log_groups(self, evaluation: Evaluation) -> set[str]:
        """Return the names of the log groups that were required and could not be created."""
        steps = evaluation.required_log_groups.items()
        return {group.name for group, step in steps if step is LogGroupStep.CREATE} - set(self.log_groups)

    def _change_in_parts(
        self,
        apply: Callable[[Sequence[Change]], None],
        changes: Sequence[Change],
        refusal: Exception,
        evaluation: Evaluation,
    ) -> None:
        parts = [[change for change in changes if change.setting in settings] for settings in _PARTS]
        parts = [part for part in parts if part]
        if len(parts) == 1:
            self.failures.append(_failure(changes, refusal, evaluation))
            return
        for part in parts:
            try:
                apply(part)
            except CALL_ERRORS as error:
                self.failures.append(_failure(part, error, evaluation))

    def _apply(self, clients: Clients, reading: Reading, plan: Plan, changes: Sequence[Change]) -> None:
        for applied in apply_changes(clients, reading, plan, changes):
            self.changes += applied.made
            self.left_out += applied.left_out
            self.stale_routes |= dict.fromkeys(applied.stale_routes)
            self.lost |= dict.fromkeys(applied.lost)


def _failure(changes: Sequence[Change], error: Exception, evaluation: Evaluation) -> Failure:
    """Return the failure of the changes; whether API Gateway accepts every class of log groups is not known."""
    places = tuple(f":log-group:{name}" for name in evaluation.infrequent_access)
    destinations = [str(change.after) for change in changes if change.setting is Setting.ACCESS_LOG_DESTINATION]
    is_class = any(each.endswith(places) for each in destinations) and may_refuse_destination(error)
    return Failure(_in_words(changes), error, Problem.CLASS_REFUSED if is_class else Problem.CHANGE_FAILED)


def _in_words(changes: Sequence[Change]) -> str:
    names = dict.fromkeys(change.setting.value for change in changes)
    return f"{', '.join(names)} could not be changed"
