"""One stage: read as it is now, held against the policy, put in line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import ClientError

from log_keeper import rest
from log_keeper.access_log_format import json_format
from log_keeper.account_role import AccountRole, AccountRoleError, ensure_live
from log_keeper.aws import Clients, error_code, is_conflict
from log_keeper.log_groups import LogGroup, LogGroupChange, ensure_log_groups
from log_keeper.policy import Change, Policy, plan, uses_own_access_log_group
from log_keeper.settings import Settings
from log_keeper.stages import Stage, StageRef, access_log_group, execution_log_group

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
    #: The stage or its API was deleted meanwhile: there is nothing left to do.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one stage: the changes made to it and to its log groups (by name)."""

    ref: StageRef
    outcome: Outcome
    changes: tuple[Change, ...] = ()
    log_groups: dict[str, LogGroupChange] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What is believed of a region's account role, and until when."""

    until: datetime
    failure: AccountRoleError | None


class Enforcer:
    """Puts stages in line, one at a time.

    ``clock``: the time now, with its zone. ``wait``: lets so many seconds pass, or raises if there is no time for that.
    Both, and the clients, are handed in. The verdicts on the account's log role are kept here between events, as long
    as the function stays warm.
    """

    def __init__(
        self, clients: Clients, settings: Settings, clock: Callable[[], datetime], wait: Callable[[float], None]
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._clock = clock
        self._wait = wait
        self._roles: dict[str, _Known] = {}

    def enforce(self, ref: StageRef) -> tuple[Result, AccountRole | None]:
        """The stage is in line, or gone; and, if a look was due, what came of the account's log role before.

        Raises AccountRoleError or ClientError where that could not be reached.
        """
        role = self._role_if_due(ref.region)
        for pause in (*_PAUSES, None):
            try:
                return self._put_in_line(ref), role
            except ClientError as error:
                # What is left to do is known only after another look.
                if pause is None or not is_conflict(error):
                    raise
            self._wait(pause)
        raise AssertionError("the last try returns or raises")

    def mend_account_role(self, region: str) -> AccountRole:
        """The region's account settings name a live log role, whatever was believed before.

        Raises AccountRoleError or ClientError.
        """
        try:
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

    def _put_in_line(self, ref: StageRef) -> Result:
        client = self._clients.apigateway(ref.region)
        stage = rest.read_stage(client, ref)
        if stage is None:
            return Result(ref, Outcome.GONE)
        policy = Policy(self._settings.info_tag_key, json_format(ref.protocol), self._settings.partition)
        missing = plan(stage, policy)
        # Before the stage: API Gateway would make the execution log group itself, to be kept for ever.
        groups = ensure_log_groups(self._clients.logs(ref.region), self._log_groups(stage, policy), self._clock())
        if missing.is_in_line:
            return Result(ref, Outcome.IN_LINE, log_groups=groups)
        try:
            rest.apply(client, ref, missing)
        except ClientError as error:
            if error_code(error) == "NotFoundException":
                return Result(ref, Outcome.GONE, log_groups=groups)
            raise
        return Result(ref, Outcome.CHANGED, missing.changes, groups)

    def _log_groups(self, stage: Stage, policy: Policy) -> list[LogGroup]:
        """The groups that the stage will log to, less a destination of the owner's own."""
        settings, key = self._settings, self._settings.log_group_kms_key_arn
        groups = [LogGroup(execution_log_group(stage.ref), settings.execution_log_retention, key)]
        if uses_own_access_log_group(stage, policy):
            groups.append(LogGroup(access_log_group(stage.ref), settings.access_log_retention, key))
        if stage.has_canary:
            groups += [LogGroup(f"{group.name}/Canary", group.retention, group.kms_key_arn) for group in groups]
        return groups
