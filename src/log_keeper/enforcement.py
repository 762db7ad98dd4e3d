"""One stage: read as it is now, held against the policy, put in line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from botocore.exceptions import ClientError

from log_keeper import destinations
from log_keeper.aws import http_websocket, rest, schedules
from log_keeper.aws.account_role import AccountRole, AccountRoleError, RoleStatus, ensure_live, look
from log_keeper.aws.clients import Clients
from log_keeper.aws.deliveries import DeliveryReader
from log_keeper.aws.errors import CALL_ERRORS, is_concurrent_change, is_log_role_missing
from log_keeper.aws.role_reading import LogRole
from log_keeper.destinations import about_log_groups
from log_keeper.events.hints import DeliveryNamed, StageNamed
from log_keeper.facts import FactReader
from log_keeper.policy.evaluation import Evaluation, evaluate
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.plan import Setting, at_error, plan
from log_keeper.policy.results import Result
from log_keeper.remediation import NEED_LOG_ROLE, Failure, Remediation
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, Protocol, Stage, StageRef

#: How long a live role is believed to stay so, and how long a failed mend is not tried again: UpdateAccount takes one
#: call in 20 s, so that the other messages of a batch need not try.
_LIVE_FOR = timedelta(minutes=5)
_FAILED_FOR = timedelta(seconds=20)

#: Seconds between the tries to change a stage that somebody else is changing.
_PAUSES = (1, 2, 4)


@dataclass(slots=True)
class _Known:
    """What is believed of a region's account role, and until when."""

    until: datetime
    failure: AccountRoleError | None
    role: LogRole | None = None


type _Reading = rest.RestStage | http_websocket.V2Stage


class Enforcer:
    """Puts stages in line, one at a time.

    ``clock``: the time now, with its zone. ``wait``: lets so many seconds pass, or raises if there is no time for that.
    Both, and the clients, are handed in. What is known of the account's log role and of the kinds of APIs is kept here
    between events, as long as the function stays warm.
    """

    def __init__(
        self, clients: Clients, settings: Settings, clock: Callable[[], datetime], wait: Callable[[float], None]
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._roles: dict[str, _Known] = {}
        self._protocols: dict[tuple[str, str], Protocol] = {}

    def enforce(self, hint: StageNamed) -> tuple[Result, AccountRole | None]:
        """Make the stage compliant; return what came of it, and of the account's log role if that was due for a check.

        Raises what kept the stage from being read or the work from its end, if nothing was changed before. What else
        keeps it from being compliant is in the errors of the result.
        """
        remediation = Remediation()
        try:
            result = self._enforce(hint, remediation)
        except Exception as error:
            interrupted = remediation.interrupted(hint.ref, error)
            if interrupted is None:
                raise
            result = interrupted
        return result, remediation.role

    def _enforce(self, hint: StageNamed, remediation: Remediation) -> Result:
        for pause in (*_PAUSES, None):
            try:
                reading, role_error = self._read(hint.ref), None
                if reading is not None and reading.stage.needs_account_role:
                    role = None
                    try:
                        role = self._role_if_due(hint.ref.region)
                        remediation.role = role or remediation.role
                    except Exception as error:  # noqa: BLE001 - in the result, whose errors the caller raises
                        role_error = error
                    if role_error is not None or (role is not None and role.status is RoleStatus.REPAIRED):
                        reading = self._read(hint.ref)  # to repair a role takes a while
                return self._remediate(hint, reading, remediation, role_error, is_last_try=pause is None)
            except ClientError as error:
                # What is left to do is known only after another look.
                if pause is None or not (is_concurrent_change(error) or is_log_role_missing(error)):
                    raise
                if is_log_role_missing(error):
                    self._roles.pop(hint.ref.region, None)  # it was believed live; nobody told that it went
            self._wait(pause)
        raise AssertionError("the last try returns or raises")

    def stages_of(self, region: str, api_id: str) -> list[StageRef]:
        """The stages that an HTTP or WebSocket API has now."""
        names = http_websocket.list_stage_names(self._clients.apigatewayv2(region), api_id)
        return [StageRef(self._settings.account, region, ApiVersion.V2, api_id, name) for name in names]

    def stages_with_delivery(self, named: DeliveryNamed) -> list[StageRef]:
        """Return the stages that an event about a log delivery may concern, from one or two lists of the region."""
        return DeliveryReader(self._clients, self._settings, named.region).stages_of(named)

    def mend_account_role(self, region: str) -> AccountRole:
        """The region's account settings name a live log role, whatever was believed before; in audit mode, a look.

        Raises AccountRoleError or ClientError.
        """
        try:
            if self._settings.is_audit:
                role = look(self._clients, self._settings, region)
            else:
                role = ensure_live(self._clients, self._settings, region, self._wait)
        except AccountRoleError as error:
            self._roles[region] = _Known(self._clock() + _FAILED_FOR, error)
            raise
        self._roles[region] = _Known(self._clock() + _LIVE_FOR, None, role.log_role)
        return role

    def _role_if_due(self, region: str) -> AccountRole | None:
        known = self._roles.get(region)
        if known is None or known.until <= self._clock():
            return self.mend_account_role(region)
        if known.failure is not None:
            raise AccountRoleError(*known.failure.args) from known.failure
        return None

    def _read(self, ref: StageRef) -> _Reading | None:
        if ref.version is ApiVersion.V1:
            return rest.read_stage(self._clients.apigateway(ref.region), ref)
        client, key = self._clients.apigatewayv2(ref.region), (ref.region, ref.api_id)
        protocol = self._protocols.get(key) or http_websocket.read_protocol(client, ref.api_id)
        if protocol is None:
            return None
        self._protocols[key] = protocol
        return http_websocket.read_stage(client, ref, protocol)

    def _remediate(
        self,
        hint: StageNamed,
        reading: _Reading | None,
        remediation: Remediation,
        role_error: Exception | None,
        *,
        is_last_try: bool,
    ) -> Result:
        if reading is None:
            return remediation.gone(hint.ref)
        remediation.begin_try(reading.stage)
        try:
            evaluation, findings = self._evaluate(hint, reading.stage, remediation)
        except CALL_ERRORS as error:
            return self._remediate_unknown(reading, remediation, role_error, error, is_last_try=is_last_try)
        if evaluation.plan.is_exempt or self._settings.is_audit:
            evaluation, findings = self._check_stream(evaluation, findings, remediation)
            return remediation.only_evaluated(evaluation, findings, role_error)
        # Before the stage: API Gateway would create the execution log group itself, and it would never expire.
        logs = self._clients.logs(hint.ref.region)
        remediation.create_log_groups(logs, evaluation, is_last_try=is_last_try)
        excluded = set(NEED_LOG_ROLE if role_error is not None else ())
        if evaluation.missing_destination is not None and hint.ref.version is ApiVersion.V2:
            # API Gateway may refuse it until the log group is there; of a REST API it takes it.
            excluded.add(Setting.ACCESS_LOG_FORMAT)
        if not remediation.allow_delivery(logs, evaluation, is_last_try=is_last_try):
            excluded.add(Setting.LOG_DELIVERY)
        # Before the level: an opt-in whose end could not be scheduled must not begin. A stage that is OFF logs errors.
        until, may_end = evaluation.plan.opt_in.until, hint.tags_changed and reading.stage.has_execution_logs
        schedule = partial(self._schedule, hint.ref, until, may_end=may_end)
        if not remediation.attempt("the end of the opt-in to INFO could not be scheduled", schedule) and until:
            evaluation = replace(evaluation, plan=at_error(evaluation.plan))
        is_refused = False
        try:
            remediation.change_stage(reading, evaluation, excluded, is_last_try=is_last_try)
        except http_websocket.ManagedStageError as error:
            is_refused = True
            findings += (Finding(Problem.MANAGED_STAGE, str(error)),)
        evaluation, findings = self._check_stream(evaluation, findings, remediation)  # last: it holds up nothing else
        return remediation.remediated(evaluation, findings, role_error, is_refused=is_refused)

    def _remediate_unknown(
        self,
        reading: _Reading,
        remediation: Remediation,
        role_error: Exception | None,
        error: Exception,
        *,
        is_last_try: bool,
    ) -> Result:
        """End the data traces of a stage although what its logs depend on could not be read; ``error``: why not.

        Raises the error where the stage is not to be changed.
        """
        stage, settings = reading.stage, self._settings
        evaluation = Evaluation(stage, plan(stage, settings.policy, self._clock()), {}, ())
        if evaluation.plan.is_exempt or settings.is_audit:
            raise error
        remediation.failures.append(Failure("what the logs of the stage depend on could not be read", error))
        excluded = [setting for setting in Setting if setting is not Setting.DATA_TRACE]
        remediation.change_stage(reading, evaluation, excluded, is_last_try=is_last_try)
        return remediation.remediated(evaluation, (), role_error)

    def _evaluate(
        self, hint: StageNamed, stage: Stage, remediation: Remediation
    ) -> tuple[Evaluation, tuple[Finding, ...]]:
        """Evaluate the stage, and decide what becomes of an access log destination that does not exist."""
        now, settings = self._clock(), self._settings
        known = self._roles.get(stage.ref.region)
        role, always = None if known is None else known.role, hint.is_about_delivery
        reader = FactReader(self._clients, settings, stage.ref.region, role, always_reads_deliveries=always)
        facts = reader.read([stage])
        evaluation = evaluate(stage, settings, facts, now)
        findings = evaluation.findings + about_log_groups(hint, evaluation, facts, settings)
        if evaluation.missing_destination is None or evaluation.plan.is_exempt or settings.is_audit:
            return evaluation, findings
        is_lost = partial(destinations.is_lost, self._clients, settings, evaluation, hint.missing, now)
        if remediation.attempt("the next check of the missing log group could not be planned", is_lost):
            lost = destinations.without_destination(stage)
            evaluation = evaluate(lost, settings, reader.read([lost]), now)
        return evaluation, tuple(dict.fromkeys((*findings, *evaluation.findings)))

    def _check_stream(
        self, evaluation: Evaluation, findings: tuple[Finding, ...], remediation: Remediation
    ) -> tuple[Evaluation, tuple[Finding, ...]]:
        """Add the finding about a Firehose stream that does not exist: the lines of the stage are lost then."""
        streams = partial(destinations.missing_stream, self._clients, evaluation.stage)
        lost = remediation.attempt("the Firehose stream of the access logs could not be read", streams) or ()
        return replace(evaluation, is_silenced=evaluation.is_silenced or bool(lost)), findings + lost

    def _schedule(self, ref: StageRef, until: datetime | None, *, may_end: bool) -> bool:
        """Have the stage checked again when its opt-in ends. A schedule that outlives its tag does no harm."""
        if until is not None:
            schedules.ensure_schedule(self._clients.scheduler(), self._settings, ref, until)
        elif may_end:
            schedules.remove_schedule(self._clients.scheduler(), self._settings, ref)
        return True
