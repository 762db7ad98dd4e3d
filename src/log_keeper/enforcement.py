"""One stage: read as it is now, held against the policy, put in line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import ClientError

from log_keeper import http_websocket, rest, schedules
from log_keeper.account_role import AccountRole, AccountRoleError, Verdict, ensure_live, look
from log_keeper.aws import Clients, error_code, is_closed, is_moving, is_without_log_role
from log_keeper.facts import FactReader
from log_keeper.judgement import Finding, Problem, firehose_stream_of, judge
from log_keeper.log_groups import LogGroupChange, apply_log_groups
from log_keeper.policy import Change
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, Protocol, Stage, StageRef

#: How long a live role is believed to stay so, and how long a failed mend is not tried again: UpdateAccount takes one
#: call in 20 s, so that the other messages of a batch need not try.
_LIVE_FOR = timedelta(minutes=5)
_FAILED_FOR = timedelta(seconds=20)

#: Seconds between the tries to change a stage that somebody else is changing.
_PAUSES = (1, 2, 4)


class Outcome(StrEnum):
    """What came of looking at a stage."""

    IN_LINE = "in line"
    CHANGED = "changed"
    #: In audit mode: its changes are planned and not made.
    WOULD_CHANGE = "would change"
    #: It has the tag of parameter ExemptTagKey: its changes are planned and not made.
    EXEMPT = "exempt"
    #: API Gateway does not let it be changed: see the finding.
    REFUSED = "refused"
    #: The stage or its API was deleted meanwhile: there is nothing left to do.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one stage.

    ``changes``: made, or only planned, as the outcome says; so for ``log_groups``, by name.
    ``owner``: the CloudFormation stack that made the stage. ``info_until``: when its opt-in to INFO ends.
    """

    ref: StageRef
    outcome: Outcome
    protocol: Protocol | None = None
    owner: str | None = None
    changes: tuple[Change, ...] = ()
    log_groups: dict[str, LogGroupChange] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    info_until: datetime | None = None


@dataclass(slots=True)
class _Known:
    """What is believed of a region's account role, and until when."""

    until: datetime
    failure: AccountRoleError | None


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

    def enforce(self, ref: StageRef, *, tags_changed: bool = False) -> tuple[Result, AccountRole | None]:
        """The stage is in line, or gone; and, if a look was due, what came of the account's log role before.

        ``tags_changed``: a schedule that an earlier tag asked for may have to go.
        Raises AccountRoleError or ClientError where that could not be reached.
        """
        role = None
        for pause in (*_PAUSES, None):
            try:
                reading = self._read(ref)
                if reading is not None and reading.stage.needs_account_role:
                    role = self._role_if_due(ref.region) or role
                    if role is not None and role.verdict is Verdict.MENDED:
                        reading = self._read(ref)  # to mend a role takes a while
                return self._put_in_line(ref, reading, tags_changed=tags_changed), role
            except ClientError as error:
                # What is left to do is known only after another look.
                if pause is None or not (is_moving(error) or is_without_log_role(error)):
                    raise
                if is_without_log_role(error):
                    self._roles.pop(ref.region, None)  # it was believed live; nobody told that it went
            self._wait(pause)
        raise AssertionError("the last try returns or raises")

    def stages_of(self, region: str, api_id: str) -> list[StageRef]:
        """The stages that an HTTP or WebSocket API has now."""
        names = http_websocket.list_stage_names(self._clients.apigatewayv2(region), api_id)
        return [StageRef(self._settings.account, region, ApiVersion.V2, api_id, name) for name in names]

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
        self._roles[region] = _Known(self._clock() + _LIVE_FOR, None)
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

    def _put_in_line(self, ref: StageRef, reading: _Reading | None, *, tags_changed: bool) -> Result:
        if reading is None:
            return Result(ref, Outcome.GONE)
        stage, logs = reading.stage, self._clients.logs(ref.region)
        facts = FactReader(self._clients, self._settings, ref.region).read([stage])
        judgement = judge(stage, self._settings, facts, self._clock())
        changes, opt_in = judgement.plan.changes, judgement.plan.opt_in
        findings = list(judgement.findings)

        outcome = Outcome.IN_LINE if judgement.is_in_line else Outcome.CHANGED
        if judgement.plan.is_exempt:
            outcome = Outcome.EXEMPT
        elif self._settings.is_audit:
            outcome = Outcome.IN_LINE if judgement.is_in_line else Outcome.WOULD_CHANGE
        else:
            # Before the stage: API Gateway would make the execution log group itself, to be kept for ever.
            apply_log_groups(logs, judgement.log_groups)
            # Before the level: an opt-in whose end could not be scheduled must not begin.
            self._schedule(ref, opt_in.until, tags_changed=tags_changed and stage.has_execution_logs)
            try:
                applied = reading.apply(judgement.plan)
                changes = applied.made
                if not changes and not judgement.lacks_log_group:
                    outcome = Outcome.IN_LINE  # as far as it can be: see the findings
                findings += [Finding(Problem.STALE_ROUTE, route) for route in applied.stale_routes]
                findings += [Finding(Problem.ROUTE_SETTINGS_LOST, settings) for settings in applied.lost]
            except http_websocket.ManagedStageError as error:
                outcome = Outcome.REFUSED
                findings.append(Finding(Problem.MANAGED_STAGE, str(error)))
        findings += self._firehose_findings(stage)  # last: it keeps nothing from being put in line
        return Result(
            ref,
            outcome,
            stage.protocol,
            stage.owner,
            changes,
            {group.name: change for group, change in judgement.log_groups.items()},
            tuple(findings),
            opt_in.until,
        )

    def _schedule(self, ref: StageRef, until: datetime | None, *, tags_changed: bool) -> None:
        """An opt-in that ends is looked at again when it does. A schedule that outlived its tag would do no harm."""
        if until is not None:
            schedules.ensure_schedule(self._clients.scheduler(), self._settings, ref, until)
        elif tags_changed:
            schedules.remove_schedule(self._clients.scheduler(), self._settings, ref)

    def _firehose_findings(self, stage: Stage) -> list[Finding]:
        """A Firehose stream that is gone is the owner's to make again; one that we may not look at is left."""
        stream = firehose_stream_of(stage)
        if stream is None:
            return []
        try:
            self._clients.firehose(stage.ref.region).describe_delivery_stream(DeliveryStreamName=stream)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return [Finding(Problem.FIREHOSE_GONE, stream)]
            if not is_closed(error):
                raise
        return []
