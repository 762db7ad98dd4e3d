"""The Enforce function: messages of StageQueue, or one event of EventBridge, lead to stages and their remediation."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from handlers.runtime import Time, entry_point, logger, metrics
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.aws.parallel import THREADS
from log_keeper.events.hints import Hint
from log_keeper.governed_accounts import GovernedAccounts, Message
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.time_budget import TimeBudget

if TYPE_CHECKING:
    import boto3
    from aws_lambda_powertools.utilities.typing import LambdaContext

#: Calls to API Gateway that all environments together make at once after a pause: most changes are processed without
#: waiting, and half of the account's burst of 40 calls remains for its owner.
_BURST = 20
#: The answer to Lambda's SQS event source: the messages to deliver again. Powertools' batch processor does it too, but
#: imports asyncio and all types of events: a tenth of the whole cold start.
type BatchAnswer = dict[str, list[dict[str, str]]]


class EnforceHandler:
    """Handles the invocations of one execution environment, and keeps what they share."""

    def __init__(self, settings: Settings, session: boto3.Session | None = None, time: Time | None = None) -> None:
        threads, time = (THREADS, Time()) if time is None else (0, time)
        deployment, share = settings.deployment, 1 / settings.deployment.environments
        self._budget = TimeBudget(time.sleep)
        self._reporter = Reporter(logger, metrics, deployment.account.account_id)
        rate, burst = deployment.sweep_rate * share, _BURST // deployment.environments
        new_pace = functools.partial(Pace, rate, burst=burst, clock=time.monotonic, sleep=self._budget)
        clients = Clients(new_pace, session, before_each_try=self._budget.require, share=share, threads=threads)
        self._accounts = GovernedAccounts(clients, settings, self._reporter, time.now, self._budget)

    def handle(self, event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
        """Process one batch: evaluate and remediate each stage it names. Return the messages to deliver again.

        An event without a queue returns None, and its error is raised.
        """
        self._budget.begin(context.get_remaining_time_in_millis)
        try:
            if "Records" not in event:
                self._accounts.follow(self._accounts.read(event))
                return None
            return {"batchItemFailures": [{"itemIdentifier": name} for name in self._failed(event["Records"])]}
        finally:
            self._reporter.flush()

    def _failed(self, records: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Process each message of the batch; yield the ids of those that failed."""
        followed: set[tuple[str, Hint]] = set()
        for record, message in self._accounts.read_all(records):
            try:
                self._follow(record, message, followed)
            except Exception as error:  # noqa: BLE001 - reported, and answered to Lambda, which delivers it again
                if not self._accounts.tries_again(error, record):
                    yield self._report(record["messageId"], error)
        for message_id, refusal in self._accounts.put_back():
            yield self._report(message_id, refusal)

    def _follow(self, record: dict[str, Any], message: Message | Exception, followed: set[tuple[str, Hint]]) -> None:
        if isinstance(message, Exception):
            raise message
        # All messages of the batch are older than this moment: one reading of a stage is enough for all, now or when
        # the message has its turn.
        key = message.account_id, message.hint
        if key not in followed and not self._accounts.postpones(message, record):
            self._accounts.follow(message)
        followed.add(key)

    def _report(self, message_id: str, error: Exception) -> str:
        self._reporter.message_failed(error, message_id)
        return message_id


@functools.cache
def enforce_handler() -> EnforceHandler:
    """Return the handler of this environment. The first invocation makes it, so that a wrong setting is its error."""
    return EnforceHandler(Settings.from_environment(os.environ))


@entry_point
def handler(event: dict[str, Any], context: LambdaContext) -> BatchAnswer | None:
    """Handle a batch of SQS messages, or one event of EventBridge."""
    return enforce_handler().handle(event, context)
