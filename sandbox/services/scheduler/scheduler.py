"""Starts due schedules of EventBridge Scheduler and due EventBridge rules with a schedule, on the clock of the account.

moto stores schedules and rules, and never starts them. Not implemented: universal targets except SQS SendMessage, and
targets other than queues, functions and buses. With a flexible time window, the target is called at its start.

*Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html and the pages next to it.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.events.models import events_backends
from moto.scheduler.models import scheduler_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Dropped
from sandbox.core.clock import MovableClock
from sandbox.core.iam import authorization, identity, trust
from sandbox.core.registry import SERVICES
from sandbox.services.eventbridge import event_bus
from sandbox.services.eventbridge.timers import Attempt, Timer, TimerChanges
from sandbox.services.sqs.queues import queue_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.core.account import Account
    from sandbox.core.call import Caller

log = logging.getLogger(__name__)

_PRINCIPAL = "scheduler.amazonaws.com"
ROLE_REFUSED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
#: Time before the first retry, and the longest time. AWS documents no values: with these, a day has about 185 tries,
#: the default.
_FIRST_RETRY, _LONGEST_RETRY = timedelta(minutes=1), timedelta(minutes=8)
#: A target that is a call: the input of the schedule has its parameters. *Source:*
#: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
UNIVERSAL_TARGET = ":scheduler:::aws-sdk:sqs:sendMessage"
#: Seconds of the shortest wait, so that a clock that stands still just before a due time does not keep the CPU busy.
_SHORTEST_WAIT = 0.05


class Scheduler:
    """Starts what is due. Sleeps until the next due time, until the clock is moved, or until a schedule changes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._changed = threading.Condition()
        self._wakes = 0
        self._ending = False
        #: Held by the one thread that starts what is due: in order, and complete when ``start_due`` returns.
        self._starting = threading.Lock()
        self._sessions: dict[str, Caller] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._ending = False
        self._sessions.clear()
        self.account.service(TimerChanges).watch(self.wake)
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.watch(self._moved)
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.unwatch(self._moved)
        self._ending = True
        self.wake()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Let the scheduler check again what is due."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def _moved(self) -> None:
        self.start_due()
        self.wake()

    def _run(self) -> None:
        while not self._ending:
            with self._changed:
                seen = self._wakes
            self.start_due()
            with self.account.lock:
                dues = [due for each in self._timed() if (due := each.timer.due) is not None]
            wait: float | None = None
            if dues:
                wait = max(_SHORTEST_WAIT, (min(dues) - self.account.now()).total_seconds())
                wait = min(wait, threading.TIMEOUT_MAX)
            with self._changed:
                self._changed.wait_for(lambda: self._wakes != seen or self._ending, wait)  # noqa: B023

    # ---- what is due

    def start_due(self) -> None:
        """Start everything that is due, earliest first. Targets have received it at the return; functions run later."""
        with self._starting:
            while not self._ending:
                with self.account.lock:
                    due = [each for each in self._timed() if each.is_due(self.account.now())]
                    if not due:
                        return
                    earliest = min(due, key=lambda each: each.timer.due or datetime.max.replace(tzinfo=UTC))
                    attempt = earliest.timer.take()
                    if earliest.group is None:
                        self._send_event(earliest, attempt)
                if earliest.group is not None:
                    self._invoke_target(earliest, attempt)

    def _timed(self) -> Iterator[_Timed]:
        account_id = self.account.account_id
        for region, schedules in list(scheduler_backends[account_id].items()):
            for group in list(schedules.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    yield _Timed(region, schedule, vars(schedule)["timer"], group)
        for region, events in list(events_backends[account_id].items()):
            for bus in list(events.event_buses.values()):
                for each in list(bus.rules.values()):
                    if "timer" in vars(each):
                        yield _Timed(region, each, vars(each)["timer"])

    def _send_event(self, timed: _Timed, attempt: Attempt) -> None:
        """Send the event of a rule with a schedule.

        *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
        """
        event = self._default_event(timed, attempt, "aws.events")
        event_bus.send(self.account, timed.source, event | {"detail": {}})

    def _default_event(self, timed: _Timed, attempt: Attempt, source: str) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": source,
            "account": self.account.account_id,
            "time": _second(attempt.scheduled),
            "region": timed.region,
            "resources": [timed.source.arn],
            "detail": "{}",
        }

    def _invoke_target(self, timed: _Timed, attempt: Attempt) -> None:
        schedule, timer = timed.source, timed.timer
        target = dict(schedule.target)
        execution_id = uuid.uuid4().hex[:16]
        payload = self._payload(timed, target, attempt, execution_id)
        try:
            self._deliver(timed, target, payload)
        except (AwsError, ClientError) as error:
            code, message = _code_and_message(error)
            log.warning("%s: attempt %s failed: %s: %s", schedule.arn, attempt.number, code, message)
            retry = Attempt(attempt.scheduled, attempt.due + _pause(attempt.number), attempt.number + 1)
            exhausted = _exhausted(target["RetryPolicy"], retry)
            if exhausted is None:
                with self.account.lock:
                    timer.retries.append(retry)
                return
            attributes = {
                "ERROR_CODE": code,
                "ERROR_MESSAGE": message,
                "EXECUTION_ID": execution_id,
                "EXHAUSTED_RETRY_CONDITION": exhausted,
                "IS_PAYLOAD_TRUNCATED": "false",
                "RETRY_ATTEMPTS": str(attempt.number - 1),
                "SCHEDULED_TIME": _second(attempt.scheduled),
                "SCHEDULE_ARN": schedule.arn,
                "TARGET_ARN": target["Arn"],
            }
            self._send_to_dead_letter_queue(timed, target, payload, attributes)
        with self.account.lock:
            is_last = timer.due is None and vars(schedule)["timer"] is timer
            if is_last and schedule.action_after_completion == "DELETE":
                timed.group.schedules.pop(schedule.name, None)

    def _payload(self, timed: _Timed, target: dict[str, Any], attempt: Attempt, execution_id: str) -> str:
        """Return the schedule's input, with values in place of context attributes.

        *Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        if "Input" not in target:
            return json.dumps(self._default_event(timed, attempt, "aws.scheduler"))
        text = str(target["Input"])
        for name, value in {
            "schedule-arn": timed.source.arn,
            "scheduled-time": _second(attempt.scheduled),
            "execution-id": execution_id,
            "attempt-number": str(attempt.number),
        }.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def _deliver(self, timed: _Timed, target: dict[str, Any], payload: str) -> None:
        """Call the API of the target with the role of the schedule. Raise AwsError if it refuses."""
        arn = Arn.parse(target["Arn"])
        service, region = arn.service, arn.region
        if target["Arn"].endswith(UNIVERSAL_TARGET):
            service, region = "scheduler", timed.region
        called = "sqs" if service == "scheduler" else service
        client = self.account.client(called, region, caller=self._session(timed, target), invoked_by=_PRINCIPAL)
        match service:
            case "scheduler":
                client.send_message(**json.loads(payload))
            case "sqs":
                client.send_message(
                    QueueUrl=queue_url(self.account, target["Arn"]),
                    MessageBody=payload,
                    **target.get("SqsParameters", {}),
                )
            case "lambda":
                client.invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=payload)
            case "events":
                answer = client.put_events(
                    Entries=[{**target["EventBridgeParameters"], "Detail": payload, "EventBusName": target["Arn"]}]
                )
                if answer["FailedEntryCount"]:
                    entry = answer["Entries"][0]
                    raise AwsError(entry["ErrorCode"], entry["ErrorMessage"])
            case _:
                raise AwsError(
                    "NotImplemented", f"The sandbox's Scheduler reaches no targets like {target['Arn']}", 501
                )

    def _send_to_dead_letter_queue(
        self, timed: _Timed, target: dict[str, Any], payload: str, attributes: dict[str, str]
    ) -> None:
        """Send the payload to the dead-letter queue. It is lost without a queue, or if the queue refuses it.

        *Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
        """
        reason = f"{attributes['ERROR_CODE']}: {attributes['ERROR_MESSAGE']}"
        dropped = Dropped(timed.source.arn, target["Arn"], reason, {"Input": payload})
        self.account.dropped_events.append(dropped)
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
        if not dead_letters:
            return
        try:
            caller = self._session(timed, target)
            sqs = self.account.client("sqs", Arn.parse(dead_letters).region, caller=caller, invoked_by=_PRINCIPAL)
            sqs.send_message(
                QueueUrl=queue_url(self.account, dead_letters),
                MessageBody=payload,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (AwsError, ClientError) as error:
            log.warning("The dead-letter queue %s does not take it: %s", dead_letters, error)

    def _session(self, timed: _Timed, target: dict[str, Any]) -> Caller:
        with self.account.lock:
            role = role_of(self.account, timed.region, timed.group.name, target["RoleArn"])
            if role is None:
                raise AwsError("AccessDeniedException", ROLE_REFUSED, 403)
            caller = self._sessions.get(role.id)
            if caller is None:
                credentials = identity.credentials_of_role(self.account, role.arn, uuid.uuid4().hex)
                caller = self._sessions[role.id] = identity.caller_of_key(self.account, credentials["AccessKeyId"])
            return caller


@dataclass(frozen=True, slots=True)
class _Timed:
    """A schedule or rule of moto, with its timer."""

    region: str
    source: Any
    timer: Timer
    #: The group of a schedule; rules have none.
    group: Any = None

    def is_due(self, now: datetime) -> bool:
        due = self.timer.due
        return self.source.state == "ENABLED" and due is not None and due <= now


def _code_and_message(error: AwsError | ClientError) -> tuple[str, str]:
    if isinstance(error, AwsError):
        return error.code, error.message
    answer = error.response["Error"]
    return answer.get("Code", ""), answer.get("Message", "")


def _pause(number: int) -> timedelta:
    return min(_FIRST_RETRY * (1 << min(number - 1, 8)), _LONGEST_RETRY)


def _exhausted(policy: dict[str, int], retry: Attempt) -> str | None:
    """Return the condition of the retry policy that forbids this retry; None if it is allowed."""
    if retry.number - 1 > policy["MaximumRetryAttempts"]:
        return "MaximumRetryAttempts"
    if retry.due - retry.scheduled > timedelta(seconds=policy["MaximumEventAgeInSeconds"]):
        return "MaximumEventAgeInSeconds"
    return None


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def role_of(account: Account, region: str, group_name: str, arn: str) -> Any | None:
    """Return the role if Scheduler may assume it, else None. ``aws:SourceArn`` in its trust is the schedule's group.

    *Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    role = authorization.role_by_arn(account, arn)
    if role is None or not account.is_propagated(role.name):
        return None
    group = f"arn:aws:scheduler:{region}:{account.account_id}:schedule-group/{group_name}"
    context = {"aws:SourceAccount": account.account_id, "aws:SourceArn": group}
    return role if trust.trusts(role, _PRINCIPAL, context) else None


SERVICES.append(Scheduler)
