"""One stage: read it, evaluate it, and make the changes that it requires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from botocore.exceptions import ClientError

from log_keeper import destinations
from log_keeper.aws import http_websocket
from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS, is_concurrent_change, is_log_role_missing
from log_keeper.aws.schedules import Schedules
from log_keeper.aws.stage_api import Reading, StageReader, stage_of
from log_keeper.events.hints import StageNamed
from log_keeper.events.read_stages import StagesAtMoment
from log_keeper.facts import FactReader
from log_keeper.known_stages import Known, KnownStages
from log_keeper.log_forwarding import forward_logs
from log_keeper.log_roles import LogRoles
from log_keeper.own_formats import with_format
from log_keeper.policy.evaluation import Evaluation, evaluate
from log_keeper.policy.findings import Finding, Problem, event_findings
from log_keeper.policy.log_groups import log_groups_of
from log_keeper.policy.plan import Setting, at_error, plan
from log_keeper.policy.results import Result
from log_keeper.remediation import NEED_LOG_ROLE, Failure, Remediation
from log_keeper.settings import Settings
from log_keeper.shared_facts import SharedFacts
from log_keeper.stages import ApiVersion, Stage, StageRef

#: Seconds between the tries to change a stage that somebody else is changing.
_PAUSES = (1, 2, 4)


class _Try(NamedTuple):
    """One try to remediate a stage.

    ``role_error``: why the account's log role could not be checked or repaired. ``known``: None if it reads the stage.
    """

    hint: StageNamed
    reading: Reading
    remediation: Remediation
    role_error: Exception | None
    is_last: bool
    known: Known | None

    @property
    def stage(self) -> Stage:
        return stage_of(self.reading)


class _TooLongAgoError(Exception):
    """The stage was read too long ago to be written to."""


class Enforcer:
    """Evaluates and remediates stages, one at a time.

    ``clock``: returns the time now, with its zone. ``wait``: waits for so many seconds, or raises an error. What is
    known about log roles and the protocols of APIs is kept between events.
    """

    def __init__(
        self, clients: Clients, settings: Settings, clock: Callable[[], datetime], wait: Callable[[float], None]
    ) -> None:
        self._clients = clients
        self._policy = settings.policy
        self._deployment = settings.deployment
        self._clock = clock
        self._wait = wait
        self._reader = StageReader(clients, settings.policy.access_log_names)
        self._new_facts = partial(FactReader, clients, settings.deployment.account, policy=settings.policy)
        self.log_roles = LogRoles(clients, settings.deployment, clock, wait)
        self.shared_facts = SharedFacts(self._new_facts, settings, self.log_roles, clock)

    def enforce(self, hint: StageNamed, known: Known | None = None) -> tuple[Result, AccountRole | None]:
        """Make the stage compliant. Return the result, and the account's log role if a check of it was due.

        ``known``: the stage as it was read a short while ago; None if it is to be read.

        Raises the error that prevented the read or ended the work, if nothing was changed. Others are in the result.
        """
        remediation = Remediation()
        try:
            result = self._enforce(hint, remediation, known)
        except Exception as error:
            if not remediation.has_changed:
                raise
            remediation.failures.append(Failure("the work on the stage ended", error))
            result = Result.interrupted(hint.ref, remediation.stage, self._owner(remediation), remediation.done())
        return result, remediation.role

    def known_stages(self, refs: Sequence[StageRef], read: StagesAtMoment | None) -> KnownStages:
        """Return stages of one API, to be read together. ``read``: as a sweep has read them, or None."""
        seconds = self._deployment.written_for
        return KnownStages(self.shared_facts, self._clients, self._clock, self._reader, refs, read, seconds)

    def _enforce(self, hint: StageNamed, remediation: Remediation, known: Known | None) -> Result:
        """Try to remediate the stage; read it again and try again as long as somebody else is changing it."""
        pauses = list(_PAUSES)
        while True:
            try:
                reading, role_error = self._read(hint.ref, remediation, known)
                if reading is None:
                    return Result.deleted(hint.ref, remediation.stage, self._owner(remediation), remediation.done())
                known = known if known is not None and reading is known.reading else None
                one = _Try(hint, reading, remediation, role_error, not pauses, known)
                return self._remediate(one)
            except _TooLongAgoError:
                known = None
                continue
            except ClientError as error:
                if not pauses or not (is_concurrent_change(error) or is_log_role_missing(error)):
                    raise
                if is_log_role_missing(error):
                    self.log_roles.forget(hint.ref.region)  # no event has reported that it was removed
            self._wait(pauses.pop(0))
            known = None

    def _read(
        self, ref: StageRef, remediation: Remediation, known: Known | None
    ) -> tuple[Reading | None, Exception | None]:
        """Return the stage, and the error of the check of the log role, if the stage needs one and the check failed."""
        reading = self._reader.read(ref) if known is None else known.reading
        if reading is None or not stage_of(reading).needs_account_role:
            return reading, None
        role, role_error = None, None
        try:
            role = self.log_roles.ensure_valid_if_due(ref.region)
        except Exception as error:  # noqa: BLE001 - in the result, whose errors the caller raises
            role_error = error
        remediation.role = role or remediation.role
        if role_error is not None or (role is not None and role.status is RoleStatus.REPAIRED):
            reading = self._reader.read(ref)  # a repair takes a while
        return reading, role_error

    def _owner(self, remediation: Remediation) -> str | None:
        return None if remediation.stage is None else self._policy.owner_of(remediation.stage)

    def _remediate(self, one: _Try) -> Result:
        remediation = one.remediation
        remediation.begin_try(one.stage)
        try:
            evaluation, findings = self._evaluate(one)
        except CALL_ERRORS as error:
            return self._remediate_unknown(one, error)
        if evaluation.plan.is_exempt or self._deployment.is_audit:
            evaluation, findings = self._check_stream(one, evaluation, findings)
            return Result.evaluated(evaluation, findings + remediation.findings, remediation.errors(one.role_error))
        evaluation, excluded = self._prepare(one, evaluation)
        if one.known is not None and self._clock() > one.known.until:
            raise _TooLongAgoError
        is_refused = False
        try:
            remediation.change_stage(self._clients, one.reading, evaluation, excluded, is_last_try=one.is_last)
        except http_websocket.ManagedStageError as error:
            is_refused = True
            findings += (Finding(Problem.MANAGED_STAGE, str(error)),)
        evaluation, findings = self._check_stream(one, evaluation, findings)  # last, because nothing depends on it
        return Result.remediated(evaluation, remediation.done(one.role_error, is_refused=is_refused), findings)

    def _prepare(self, one: _Try, evaluation: Evaluation) -> tuple[Evaluation, set[Setting]]:
        """Change what must be changed before the stage itself; return the settings that cannot be changed after that.

        The evaluation that is returned has ERROR in place of INFO if the end of the opt-in could not be scheduled.
        """
        remediation, ref = one.remediation, one.hint.ref
        logs = self._clients.logs(ref.region)
        # Before the stage: otherwise API Gateway creates the execution log group, and it never expires.
        remediation.create_log_groups(logs, evaluation, self._clients.parallel, is_last_try=one.is_last)
        if evaluation.subscriptions:
            # Before the stage, too: lines from before the filter are not forwarded.
            once, name = self._clients.logs_once(ref.region), self._policy.filter_name
            forward_logs(remediation, once, name, evaluation, is_last_try=one.is_last)
        excluded = set(NEED_LOG_ROLE if one.role_error is not None else ())
        if (formatted := with_format(self._clients, evaluation, remediation)) is None:
            # A destination without a format would be no access log.
            excluded |= {Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT}
        evaluation = formatted or evaluation
        if evaluation.missing_destination is not None and ref.version is ApiVersion.V2:
            # API Gateway may refuse the format until the log group exists. For a REST API it accepts it.
            excluded.add(Setting.ACCESS_LOG_FORMAT)
        if not remediation.allow_delivery(logs, evaluation, is_last_try=one.is_last):
            excluded.add(Setting.LOG_DELIVERY)
        # Before the level: an opt-in whose end could not be scheduled must not begin. A stage at OFF gets ERROR.
        until = evaluation.plan.opt_in.until
        may_end = one.hint.tags_changed and one.stage.has_execution_logs
        schedule = partial(self._schedule, ref, until, may_end=may_end)
        if not remediation.attempt("the end of the opt-in to INFO could not be scheduled", schedule) and until:
            evaluation = replace(evaluation, plan=at_error(evaluation.plan))
        return evaluation, excluded

    def _remediate_unknown(self, one: _Try, error: Exception) -> Result:
        """Switch data tracing off although the facts about the stage could not be read. ``error``: why not.

        Raises the error if the stage must not be changed.
        """
        evaluation = Evaluation(
            one.stage, plan(one.stage, self._policy, self._clock()), {}, (), owner=self._owner(one.remediation)
        )
        if evaluation.plan.is_exempt or self._deployment.is_audit:
            raise error
        failure = Failure("what the logs of the stage depend on could not be read", error)
        one.remediation.failures.append(failure)
        excluded = [setting for setting in Setting if setting is not Setting.DATA_TRACE]
        one.remediation.change_stage(self._clients, one.reading, evaluation, excluded, is_last_try=one.is_last)
        return Result.remediated(evaluation, one.remediation.done(one.role_error), ())

    def _evaluate(self, one: _Try) -> tuple[Evaluation, tuple[Finding, ...]]:
        """Evaluate the stage, and decide whether to replace an access log destination that does not exist."""
        now, stage, region = self._clock(), self._reader.with_api_name(one.stage), one.stage.ref.region
        role, is_about_delivery = self.log_roles.known(region), one.hint.is_about_delivery
        reader = self._new_facts(region=region, log_role=role, always_reads_deliveries=is_about_delivery)
        facts = (one.known and one.known.facts) or reader.read([stage])
        evaluation = evaluate(stage, self._policy, facts, now)
        names = {group.name for group in log_groups_of(stage, self._policy)}
        findings = (*evaluation.findings, *event_findings(one.hint, names, facts.log_groups))
        if evaluation.missing_destination is None or evaluation.plan.is_exempt or self._deployment.is_audit:
            return evaluation, findings
        is_lost = partial(destinations.is_lost, self._clients, self._deployment, evaluation, one.hint.missing, now)
        if one.remediation.attempt("the next check of the missing log group could not be scheduled", is_lost):
            lost = self._reader.with_api_name(destinations.without_destination(stage))
            evaluation = evaluate(lost, self._policy, reader.read([lost]), now)
        return evaluation, tuple(dict.fromkeys((*findings, *evaluation.findings)))

    def _check_stream(
        self, one: _Try, evaluation: Evaluation, findings: tuple[Finding, ...]
    ) -> tuple[Evaluation, tuple[Finding, ...]]:
        """Add the finding about a Firehose stream that does not exist: log lines of the stage are lost then."""
        find = partial(destinations.missing_stream, self._clients, evaluation.stage)
        lost = one.remediation.attempt("the Firehose stream of the access logs could not be read", find) or ()
        return replace(evaluation, is_silenced=evaluation.is_silenced or bool(lost)), findings + lost

    def _schedule(self, ref: StageRef, until: datetime | None, *, may_end: bool) -> bool:
        """Schedule an evaluation for the end of the opt-in. A schedule that is left over does no harm. Return True."""
        if until is not None:
            Schedules(self._clients.scheduler(), self._deployment).set_end_of_opt_in(ref, until)
        elif may_end:
            Schedules(self._clients.scheduler(), self._deployment).remove_end_of_opt_in(ref)
        return True
