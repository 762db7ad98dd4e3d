"""The door: messages of StageQueue, or one bare event of EventBridge, lead to the stages they name."""

from __future__ import annotations

import functools
import json
import os
import time
from datetime import UTC, datetime
from typing import Any, assert_never

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from log_keeper import change_events
from log_keeper.aws import Clients
from log_keeper.cloudtrail import (
    ApiNamed,
    Cause,
    Hint,
    LogRoleNamed,
    Nothing,
    StageNamed,
    UnreadableEventError,
    cause_of,
    read_event,
)
from log_keeper.enforcement import Enforcer, Result
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings

logger = Logger(service="log-keeper")
metrics = Metrics(namespace="LogKeeper", service="log-keeper")

#: Milliseconds of an invocation that no wait may use up: enough to finish the call under way and to report.
_RESERVE = 10_000


class OutOfTimeError(Exception):
    """The invocation ends before what was waited for can have come about; the queue brings the message again."""


class Waiting:
    """Lets time pass, but not beyond the end of the invocation."""

    context: LambdaContext

    def __call__(self, seconds: float) -> None:
        if self.context.get_remaining_time_in_millis() < seconds * 1000 + _RESERVE:
            raise OutOfTimeError("no time is left in this invocation for another try")
        time.sleep(seconds)


class StageBatch(BatchProcessor):
    """A batch of StageQueue: a message that fails is reported, and does not take the others along."""

    def __init__(self, reporter: Reporter) -> None:
        # A batch of which all fail is an answer like another; an error would hide which failed, and ring the alarm.
        super().__init__(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self._reporter = reporter

    def failure_handler(self, record: Any, exception: Any) -> Any:
        self._reporter.failed(exception[1], message_id=record.message_id)
        return super().failure_handler(record, exception)


class Door:
    """What one warm function keeps between its invocations."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = Waiting()
        self._reporter = Reporter(logger, metrics)
        self._clients = Clients()
        self._enforcer = Enforcer(self._clients, settings, clock=lambda: datetime.now(UTC), wait=self._waiting)
        self._batch = StageBatch(self._reporter)

    def open(self, event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse | None:
        """Every stage that the event names is in line; the answer names the messages of which that is not so.

        A bare event has no queue to go back to: what is wrong with it is raised.
        """
        self._waiting.context = context
        try:
            if "Records" not in event:
                self._follow(*self._read(event))
                return None
            followed: set[Hint] = set()

            def follow_once(record: SQSRecord) -> None:
                hint, cause = self._read(_json(record.body))
                # The whole batch was sent before this moment: a stage read once is read late enough for all of it.
                if hint not in followed:
                    self._follow(hint, cause)
                    followed.add(hint)

            return process_partial_response(event, follow_once, self._batch, context)
        finally:
            self._reporter.flush()

    def _read(self, event: Any) -> tuple[Hint, Cause]:
        settings = self._settings
        hint = read_event(event, account=settings.account, regions=settings.regions, own_role_arn=settings.own_role_arn)
        return hint, cause_of(event, datetime.now(UTC))

    def _follow(self, hint: Hint, cause: Cause) -> None:
        match hint:
            case StageNamed(ref, tags_changed):
                try:
                    result, role = self._enforcer.enforce(ref, tags_changed=tags_changed)
                except Exception:
                    self._reporter.stage_failed(ref)
                    raise
                if role is not None:
                    self._reporter.account_role(ref.region, role)
                self._reporter.stage(result, cause)
                self._tell(result, cause)
            case ApiNamed(region, api_id):
                for ref in self._enforcer.stages_of(region, api_id):
                    self._follow(StageNamed(ref), cause)
            case LogRoleNamed(regions):
                for region in regions:
                    self._reporter.account_role(region, self._enforcer.mend_account_role(region))
            case Nothing():
                self._reporter.ignored(hint)
            case _:
                assert_never(hint)

    def _tell(self, result: Result, cause: Cause) -> None:
        """Other programs have heard of it; a failure is reported only, for the stage is in line and stays so."""
        try:
            change_events.put_events(self._clients.events(), result, cause)
        except (ClientError, change_events.EventsLostError) as error:
            self._reporter.untold(error)


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnreadableEventError(f"not JSON: {error}") from error


@functools.cache
def door() -> Door:
    """The one door of this function; made by its first invocation, so that a wrong setting is that one's error."""
    return Door(Settings.from_environment(os.environ))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse | None:
    """Lambda's entry point: a batch of SQS messages, or one event of EventBridge."""
    return door().open(event, context)
