"""The door: messages of StageQueue, or one bare event of EventBridge, lead to the stages they name."""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from aws_lambda_powertools import Logger, Metrics
from botocore.exceptions import BotoCoreError, ClientError

from handlers import has_started
from log_keeper.aws import event_bus as change_events
from log_keeper.aws.clients import TRY_SECONDS, Clients
from log_keeper.aws.errors import is_region_disabled
from log_keeper.aws.pace import ENVIRONMENTS, Pace
from log_keeper.enforcement import Enforcer
from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import (
    ApiNamed,
    Cause,
    DeliveryNamed,
    Hint,
    Ignored,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
    UnreadableEventError,
)
from log_keeper.policy.results import Outcome, Result
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.stages import with_other_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import boto3
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Without the place in the code: all lines are written in reporting.py.
logger = Logger(service="log-keeper", location=None)
metrics = Metrics(namespace="LogKeeper", service="log-keeper")

#: Seconds of an invocation that are kept: for one try of a call, and to report.
_RESERVE = TRY_SECONDS + 1

#: Calls of API Gateway that an environment makes at once after a pause: most changes are dealt with without a wait,
#: and half of the 40 that the account has are left to its owner.
_BURST = 10

#: What Lambda's SQS event source is told: the messages that are to come again.
#: Powertools' batch processor would do the same, but brings asyncio and every kind of event along: a tenth of the
#: whole cold start.
type BatchAnswer = dict[str, list[dict[str, str]]]


class OutOfTimeError(Exception):
    """The invocation ends before what was waited for can have come about; the queue brings the message again."""


class Waiting:
    """Lets time pass, but not beyond the end of the invocation."""

    context: LambdaContext

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __call__(self, seconds: float) -> None:
        self.require(seconds)
        self._sleep(seconds)

    def require(self, seconds: float = 0) -> None:
        """So many seconds can pass, and a call be made then. Raises OutOfTimeError.

        The messages that are left go back to the queue one by one; an invocation that is cut off takes all of them
        along, those that were dealt with too.
        """
        if self.context.get_remaining_time_in_millis() < (seconds + _RESERVE) * 1000:
            raise OutOfTimeError("no time is left in this invocation for another try")


class Door:
    """What one warm function keeps between its invocations. The last three parameters: for whoever moves the time."""

    def __init__(
        self,
        settings: Settings,
        session: boto3.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._waiting = Waiting(sleep)
        self._reporter = Reporter(logger, metrics)
        self._clients = Clients(self._pace, session, before_each_try=self._waiting.require)
        self._enforcer = Enforcer(self._clients, settings, clock=clock, wait=self._waiting)

    def _pace(self) -> Pace:
        return Pace(
            self._settings.sweep_rate / ENVIRONMENTS,
            burst=_BURST,
            clock=self._monotonic,
            sleep=self._waiting,
        )

    def open(self, event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
        """Every stage that the event names is in line; the answer names the messages of which that is not so.

        A bare event has no queue to go back to: what is wrong with it is raised.
        """
        self._waiting.context = context
        try:
            if "Records" not in event:
                self._follow(*self._read(event))
                return None
            return {"batchItemFailures": [{"itemIdentifier": name} for name in self._failed(event["Records"])]}
        finally:
            self._reporter.flush()

    def _failed(self, records: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Each message of the batch is dealt with; gives the ids of those that failed, which take no others along."""
        followed: set[Hint] = set()
        for record in records:
            try:
                hint, cause = self._read(_json(record["body"]))
                # The whole batch was sent before this moment: a stage read once is read late enough for all of it.
                if hint not in followed:
                    self._follow(hint, cause)
                    followed.add(hint)
            except Exception as error:  # noqa: BLE001 - reported, and told to Lambda, which brings the message again
                self._reporter.failed(error, message_id=record["messageId"])
                yield record["messageId"]

    def _read(self, event: Any) -> tuple[Hint, Cause]:
        settings = self._settings
        hint = read_event(event, account=settings.account, regions=settings.regions, own_role_arn=settings.own_role_arn)
        return hint, cause_of(event)

    def _follow(self, hint: Hint, cause: Cause) -> None:
        match hint:
            case StageNamed():
                self._enforce(hint, cause)
            case StagesTagged(refs):
                if errors := _errors_of(lambda ref: self._enforce(StageNamed(ref, tags_changed=True), cause), refs):
                    raise ExceptionGroup(f"{len(errors)} tagged stages could not be brought into compliance", errors)
            case ApiNamed(region, api_id):
                stages = self._enforcer.stages_of(region, api_id)
                if errors := _errors_of(lambda ref: self._follow(StageNamed(ref), cause), stages):
                    raise ExceptionGroup(f"{len(errors)} stages of {api_id} could not be put in line", errors)
            case DeliveryNamed():
                named = [StageNamed(ref, is_about_delivery=True) for ref in self._enforcer.stages_with_delivery(hint)]
                if errors := _errors_of(lambda stage: self._enforce(stage, cause), named):
                    raise ExceptionGroup(f"{len(errors)} stages with a log delivery are not compliant yet", errors)
            case LogRoleNamed(regions):
                if errors := _errors_of(self._mend_log_role, regions):
                    raise ExceptionGroup(f"the log role could not be looked after in {len(errors)} regions", errors)
            case Ignored():
                self._reporter.ignored(hint)
            case _:
                assert_never(hint)

    def _enforce(self, hint: StageNamed, cause: Cause) -> None:
        ref = hint.ref
        try:
            result, role = self._enforcer.enforce(hint)
            if result.outcome is Outcome.DELETED and hint.is_about_log_group and (other := with_other_version(ref)):
                # The name of a log group does not tell for sure which API's stage it belongs to.
                result, role = self._enforcer.enforce(replace(hint, ref=other))
        except Exception:
            self._reporter.stage_failed(ref)
            raise
        if role is not None:
            self._reporter.account_role(ref.region, role)
        self._reporter.stage(result, cause, self._clock())
        self._tell(result, cause)
        if result.errors:
            self._reporter.stage_failed(ref)
            if len(result.errors) == 1:
                raise result.errors[0]
            raise ExceptionGroup(f"{ref.api_id}/{ref.stage_name} is not compliant yet", result.errors)

    def _mend_log_role(self, region: str) -> None:
        try:
            self._reporter.account_role(region, self._enforcer.mend_account_role(region))
        except ClientError as error:
            # A disabled region has no stages to log; the sweep reports it.
            if not is_region_disabled(error):
                raise

    def _tell(self, result: Result, cause: Cause) -> None:
        """Other programs have heard of it; a failure is reported only, for the stage is in line and stays so."""
        try:
            change_events.put_events(self._clients.events, result, cause)
        except (BotoCoreError, ClientError, OutOfTimeError, change_events.EventsLostError) as error:
            self._reporter.untold(error)


def _errors_of[Thing](deal_with: Callable[[Thing], None], things: Iterable[Thing]) -> list[Exception]:
    """Each thing is dealt with; gives what was raised, for the caller to raise: one must not hide the others."""
    errors = []
    for thing in things:
        try:
            deal_with(thing)
        except Exception as error:  # noqa: BLE001 - as above
            errors.append(error)
    return errors


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except (RecursionError, ValueError) as error:
        raise UnreadableEventError(f"not JSON: {error}") from error


@functools.cache
def door() -> Door:
    """The one door of this function; made by its first invocation, so that a wrong setting is that one's error."""
    return Door(Settings.from_environment(os.environ))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
    """Lambda's entry point: a batch of SQS messages, or one event of EventBridge."""
    try:
        return door().open(event, context)
    finally:
        has_started()
