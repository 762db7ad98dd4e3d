"""The required changes of one stage, made one by one: what cannot be made does not keep the rest from being made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError

from log_keeper.aws import is_moving, is_transient, is_without_log_role
from log_keeper.judgement import Finding, Problem
from log_keeper.log_groups import LogGroupChange, apply_log_group
from log_keeper.policy import Change, Plan, Setting
from log_keeper.resource_policies import allow_delivery
from log_keeper.stages import access_log_group

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

    from log_keeper.http_websocket import V2Stage
    from log_keeper.judgement import Judgement
    from log_keeper.rest import RestStage

_CREATED = LogGroupChange.MADE
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

    ``log_groups``: by name.
    """

    changes: list[Change] = field(default_factory=list)
    log_groups: dict[str, LogGroupChange] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    stale_routes: dict[str, None] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)

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

    def create_log_groups(self, client: CloudWatchLogsClient, judgement: Judgement) -> None:
        """Create each required log group, and set each required retention.

        Raises ClientError where another program changes the same log group at this moment (``aws.is_moving``).
        """
        for group, change in judgement.required_log_groups.items():
            try:
                apply_log_group(client, group, change)
            except (ClientError, HTTPClientError) as error:
                if isinstance(error, ClientError) and is_moving(error):
                    raise
                verb = "created" if change is _CREATED else "given a retention"
                self.failures.append(Failure(f"log group {group.name} could not be {verb}", error))
            else:
                self.log_groups[group.name] = change

    def allow_delivery(self, client: CloudWatchLogsClient, judgement: Judgement) -> bool:
        """Allow log delivery to the access log group if that is required; return whether it may go on from there.

        Raises ClientError where another program changes the same policy or log group (``aws.is_moving``).
        """
        required = any(change.setting is Setting.LOG_DELIVERY for change in judgement.plan.changes)
        if judgement.delivery is None or not required:
            return True
        try:
            allow_delivery(client, judgement.delivery)
        except (ClientError, HTTPClientError, ValueError) as error:
            if isinstance(error, ClientError) and is_moving(error):
                raise
            what = f"log delivery to {judgement.delivery.log_group_arn} could not be allowed"
            self.failures.append(Failure(what, error))
            return False
        return True

    def attempt[Made](self, what: str, make: Callable[[], Made]) -> Made | None:
        """Return what ``make`` returns; None if an API call in it failed, which ``what`` then describes."""
        try:
            return make()
        except (ClientError, HTTPClientError) as error:
            self.failures.append(Failure(what, error))
            return None

    def change_stage(
        self, reading: RestStage | V2Stage, judgement: Judgement, excluded: Collection[Setting], *, is_last_try: bool
    ) -> None:
        """Make the required changes of the stage's settings: all by one call if API Gateway takes that.

        ``excluded``: settings that something else does not allow to change at this moment.

        Raises ManagedStageError; and, unless ``is_last_try``, the ClientError that another look at the stage settles.
        """
        changes = [change for change in judgement.plan.changes if change.setting not in excluded]
        required = {group.name for group, change in judgement.required_log_groups.items() if change is _CREATED}
        if access_log_group(reading.stage.ref) in required - set(self.log_groups):
            # API Gateway would log to a group that does not exist, and say nothing about it.
            changes = [change for change in changes if change.setting not in _ACCESS_LOG]
        if not changes:
            return
        try:
            self._apply(reading, judgement.plan, changes)
        except (ClientError, HTTPClientError) as error:
            if isinstance(error, ClientError) and (is_moving(error) or is_without_log_role(error)) and not is_last_try:
                raise
            if is_transient(error):
                self.failures.append(Failure(_in_words(changes), error))
                return
            self._change_in_parts(reading, judgement.plan, changes, error)

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
        applied = reading.apply(replace(plan, changes=tuple(changes)))
        self.changes += applied.made
        self.stale_routes |= dict.fromkeys(applied.stale_routes)
        self.lost |= dict.fromkeys(applied.lost)


def _in_words(changes: Sequence[Change]) -> str:
    names = dict.fromkeys(change.setting.value for change in changes)
    return f"{', '.join(names)} could not be changed"
