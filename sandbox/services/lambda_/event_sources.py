"""Event source mappings of SQS queues: their pollers, and the operations on them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import lambda_backends
from moto.sqs.models import Queue, sqs_backends

from sandbox.core import moto_patches
from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Need
from sandbox.core.clock import MovableClock
from sandbox.core.iam import authorization
from sandbox.core.registry import SERVICES, rule
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from sandbox.services.lambda_.pollers import RECEIVE_LIMIT, Poller, seconds_until_visible
from sandbox.services.sqs.queues import queue_by_arn

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed
    from sandbox.services.lambda_.functions import Function

_NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class EventSources:
    """The pollers of all event source mappings."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._pollers: dict[str, Poller] = {}
        self._ended: list[Poller] = []

    def start(self) -> None:
        """Start to follow new messages and the account's clock. There are no mappings yet."""
        moto_patches.on_message(self._message_added)
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.watch(self._wake_all)

    def stop(self) -> None:
        """End all pollers, together with the batches that still run."""
        moto_patches.no_longer_on_message(self._message_added)
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.unwatch(self._wake_all)
        with self._lock:
            pollers = [*self._pollers.values(), *self._ended]
            self._pollers.clear()
            self._ended.clear()
        for poller in pollers:
            poller.end()
        self.account.service(LambdaRuntime).halt()
        for poller in pollers:
            poller.join()

    def poll(self, region: str, mapping: str, queue_arn: str) -> None:
        """Start a poller for the mapping."""
        with self._lock:
            poller = self._pollers[mapping] = Poller(self.account, region, mapping, queue_arn)
        poller.start()

    def poller(self, mapping: str) -> Poller | None:
        """Return the poller of the mapping, or None."""
        return self._pollers.get(mapping)

    def end(self, mapping: str) -> None:
        """End the poller of the mapping. It takes no further messages; batches that run continue."""
        with self._lock:
            poller = self._pollers.pop(mapping, None)
            if poller is not None:
                self._ended.append(poller)
        if poller is not None:
            poller.end()

    def wake(self, queue_arn: str) -> None:
        """Make the pollers of the queue read it now."""
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            if poller.queue_arn == queue_arn:
                poller.wake()

    def _wake_all(self) -> None:
        """Wake every poller. The clock was moved, so messages may be visible."""
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.wake()

    def _message_added(self, queue: Queue, message: Any) -> None:
        """Wake the pollers of the queue. moto's own time of sending does not follow a moved clock."""
        vars(message).setdefault("sent_at", self.account.now())
        self.wake(queue.queue_arn)

    def is_idle(self, queue_name: str | None = None) -> bool:
        """Tell whether no batch runs and no mapped queue has a message (delayed, waiting or received).

        ``queue_name``: consider only the queue of this name, in any region.
        """
        with self.account.lock:
            pollers = [
                poller
                for poller in self._pollers.values()
                if queue_name is None or Arn.parse(poller.queue_arn).name == queue_name
            ]
            return all(poller.running == 0 and not poller.backlog() for poller in pollers)

    def seconds_without_work(self) -> float | None:
        """Return the seconds until a poller can take a message: 0 if a batch runs, None if no mapped queue has one."""
        with self.account.lock:
            pollers = list(self._pollers.values())
            if any(poller.running for poller in pollers):
                return 0.0
            found = (seconds_until_visible(self.account, poller.queue_arn) for poller in pollers)
            return min((seconds for seconds in found if seconds is not None), default=None)


SERVICES.append(EventSources)


@rule("lambda", "CreateEventSourceMapping")
def create_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the mapping and start to poll its queue. Refuse the mapping where AWS does.

    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (visibility timeout, permissions,
    batching window). CloudFormation users report the texts of the refusals.
    """
    params = call.params
    arn = params.get("EventSourceArn", "")
    unsupported = {"FilterCriteria"} & params.keys()
    if Arn.parse(arn).service != "sqs" or arn.endswith(".fifo") or unsupported:
        raise AwsError(
            "NotImplemented", "The sandbox maps functions to standard SQS queues, without FilterCriteria, only.", 501
        )
    function = account.service(LambdaRuntime).function(call.region, params["FunctionName"])
    queue = queue_by_arn(account, arn)
    if queue is not None:
        _check(account, function, queue, params)
    answer = proceed()
    if queue is not None:
        # moto would itself call the function during SendMessage.
        queue.lambda_event_source_mappings.clear()
    account.service(EventSources).poll(call.region, answer["UUID"], arn)
    return answer


def _check(account: Account, function: Function, queue: Any, params: dict[str, Any]) -> None:
    for other in lambda_backends[account.account_id][function.region].list_event_source_mappings("", ""):
        if (other.event_source_arn, other.function_arn) == (queue.queue_arn, function.arn):
            raise AwsError(
                "ResourceConflictException",
                f'An event source mapping with SQS arn (" {queue.queue_arn} ") and function (" {function.name} ") '
                f"already exists. Please update or delete the existing mapping with UUID {other.uuid}",
                409,
            )
    if int(queue.visibility_timeout) < function.timeout:
        _invalid(
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than "
            f"Function timeout: {function.timeout} seconds"
        )
    if int(params.get("BatchSize", 0)) > RECEIVE_LIMIT and not params.get("MaximumBatchingWindowInSeconds"):
        _invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    role = authorization.role_by_arn(account, function.role)
    needs = [Need(f"sqs:{action}", queue.queue_arn) for action in _NEEDED]
    operation, region = "lambda:CreateEventSourceMapping", function.region
    missing = (
        needs[0]
        if role is None
        else authorization.missing_permission(
            account, role, needs, service="lambda.amazonaws.com", operation=operation, region=region
        )
    )
    if missing is not None:
        action = missing.action.removeprefix("sqs:")
        _invalid(f"The provided execution role does not have permissions to call {action} on SQS")


def _invalid(message: str) -> None:
    raise AwsError("InvalidParameterValueException", message)


@rule("lambda", "UpdateEventSourceMapping")
def update_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Change the mapping. The new values apply from its next batch on."""
    answer = proceed()
    poller = account.service(EventSources).poller(call.params["UUID"])
    if poller is not None:
        poller.wake()
    return answer


@rule("lambda", "DeleteEventSourceMapping")
def delete_event_source_mapping(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Delete the mapping. A batch that runs continues to its end."""
    answer = proceed()
    account.service(EventSources).end(call.params["UUID"])
    return answer


@rule("sqs", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch")
def change_message_visibility(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Change the visibility as moto does. Wake the pollers, since the message may be visible at once."""
    answer = proceed()
    name = call.params["QueueUrl"].rsplit("/", 1)[-1]
    queue = sqs_backends[account.account_id][call.region].queues.get(name)
    if queue is not None:
        account.service(EventSources).wake(queue.queue_arn)
    return answer
