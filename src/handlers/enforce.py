"""The Enforce function: messages of StageQueue, or one event of EventBridge, lead to stages and their remediation."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from handlers.runtime import Time, entry_point, logger, metrics
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import ENVIRONMENTS, Pace
from log_keeper.enforcement import Enforcer
from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import Cause, Hint, UnreadableEventError
from log_keeper.following import Follower
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.time_budget import TimeBudget

if TYPE_CHECKING:
    import boto3
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Calls to API Gateway that an execution environment can make at once after a pause. Most changes are processed without
#: waiting, and half of the account's burst of 40 calls remains for its owner.
_BURST = 10

#: The answer to Lambda's SQS event source: the messages to deliver again. Powertools' batch processor does it too, but
#: imports asyncio and all types of events: a tenth of the whole cold start.
type BatchAnswer = dict[str, list[dict[str, str]]]


class EnforceHandler:
    """Handles the invocations of one execution environment, and keeps what they share."""

    def __init__(self, settings: Settings, session: boto3.Session | None = None, time: Time | None = None) -> None:
        time = time or Time()
        self._deployment = settings.deployment
        self._budget = TimeBudget(time.sleep)
        self._reporter = Reporter(logger, metrics)
        rate = self._deployment.sweep_rate / ENVIRONMENTS
        new_pace = functools.partial(Pace, rate, burst=_BURST, clock=time.monotonic, sleep=self._budget)
        clients = Clients(new_pace, session, before_each_try=self._budget.require)
        enforcer = Enforcer(clients, settings, time.now, self._budget)
        self._follower = Follower(clients, enforcer, self._reporter, time.now)

    def handle(self, event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
        """Process one batch: evaluate and remediate each stage it names. Return the messages to deliver again.

        An event without a queue returns None, and its error is raised.
        """
        self._budget.begin(context.get_remaining_time_in_millis)
        try:
            if "Records" not in event:
                self._follower.follow(*self._read(event))
                return None
            return {"batchItemFailures": [{"itemIdentifier": name} for name in self._failed(event["Records"])]}
        finally:
            self._reporter.flush()

    def _failed(self, records: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Process each message of the batch; yield the ids of those that failed."""
        followed: set[Hint] = set()
        for record in records:
            try:
                hint, cause = self._read(_json(record["body"]))
                # All messages of the batch are older than this moment: one reading of a stage is enough for all.
                if hint not in followed:
                    self._follower.follow(hint, cause)
                    followed.add(hint)
            except Exception as error:  # noqa: BLE001 - reported, and answered to Lambda, which delivers it again
                self._reporter.message_failed(error, record["messageId"])
                yield record["messageId"]

    def _read(self, event: Any) -> tuple[Hint, Cause]:
        own, account = self._deployment.own_role_arn, self._deployment.account.account_id
        hint = read_event(event, account=account, regions=self._deployment.regions, own_role_arn=own)
        return hint, cause_of(event)


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except (RecursionError, ValueError) as error:
        raise UnreadableEventError(f"the message is not JSON: {error}") from error


@functools.cache
def enforce_handler() -> EnforceHandler:
    """Return the handler of this environment. The first invocation makes it, so that a wrong setting is its error."""
    return EnforceHandler(Settings.from_environment(os.environ))


@entry_point
def handler(event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
    """Handle a batch of SQS messages, or one event of EventBridge."""
    return enforce_handler().handle(event, context)
