"""The two functions of an organization's hub in simulated time: queues and environments as the template sets them."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.organization_aws import OrganizationAws, Size
from handlers.enforce import _BURST, EnforceHandler
from handlers.runtime import Time
from handlers.sweep import SweepHandler
from log_keeper.settings import Settings
from sandbox.simulation import Context, VirtualTime
from testing.builders import DEPLOYMENT, ENVIRONMENT, SWEEP_ROLE_ID
from testing.templates import RESOURCES, TEMPLATE

#: Simulated seconds that a call takes.
LATENCY = 0.05
#: Calls to API Gateway per second in each account and region: the default of parameter SweepRate.
RATE: int = TEMPLATE["Parameters"]["SweepRate"]["Default"]
#: API Gateway's quotas of control-plane calls of one account: per second, and at once.
#: *Source:* Amazon API Gateway quotas.
QUOTA, QUOTA_BURST = 10, 40
#: Calls that all environments of Enforce together make at once after a pause.
BURST = _BURST
#: Simulated seconds after which a poller reads an empty queue again: at least, and at most.
_POLL = 0.1, 1.0


def _number(value: Any) -> int:
    """Return a number of the template as it is for an organization, with the defaults of all parameters."""
    match value:
        case {"Ref": str(name)}:
            return _number(TEMPLATE["Parameters"][name]["Default"])
        case {"Fn::If": ["GovernsOrganization", then, _]}:
            return _number(then)
    return int(value)


class Shape(NamedTuple):
    """How the template sets a queue and the function that processes its messages.

    ``environments``: the most that run at once. ``delay``, ``visibility``, ``timeout``: in seconds.
    """

    environments: int
    batch: int
    timeout: int
    delay: int
    visibility: int
    receives: int

    @classmethod
    def of(cls, function: str, event: str, queue: str) -> Shape:
        """Return the shape of a function, of its event of type SQS, and of its queue: logical ids of the template."""
        properties = RESOURCES[function]["Properties"]
        source, of_queue = properties["Events"][event]["Properties"], RESOURCES[queue]["Properties"]
        return cls(
            environments=_number(source["ScalingConfig"]["MaximumConcurrency"]),
            batch=_number(source["BatchSize"]),
            timeout=_number(properties["Timeout"]),
            delay=_number(of_queue.get("DelaySeconds", 0)),
            visibility=_number(of_queue["VisibilityTimeout"]),
            receives=_number(of_queue["RedrivePolicy"]["maxReceiveCount"]),
        )


ENFORCE = Shape.of("EnforceFunction", "StageChanged", "StageQueue")
SWEEP = Shape.of("SweepFunction", "SweepQueue", "SweepQueue")


def settings_of(size: Size) -> Settings:
    """Return the settings of the functions in the hub of an organization, as the template sets them."""
    return Settings.from_environment(
        ENVIRONMENT
        | {
            "REGIONS": ",".join(size.regions),
            "SWEEP_RATE": str(RATE),
            "ENVIRONMENTS": str(ENFORCE.environments),
            "FORWARDING_RULES": ",".join(f"log-keeper-{name}" for name in ("stages", "role", "groups", "policy")),
            "ORGANIZATION_ID": "o-a1b2c3d4e5",
            "MEMBER_OUS": "ou-ab12-11111111",
            "EXCLUDED_ACCOUNTS": "",
            "MEMBER_READ_ROLE": "/log-keeper-member-read",
            "MEMBER_REMEDIATE_ROLE": "/log-keeper-member-remediate",
            "MEMBERS_STACK_SET": "log-keeper-members",
            "ENFORCE_STACK_SET": "log-keeper-enforce",
        }
    )


@dataclass(slots=True)
class Message:
    """A message of a queue, with its attributes as SQS receives them. ``receives``: how often it was delivered."""

    body: str
    attributes: dict[str, Any]
    sent: float
    receives: int = 0


@dataclass(slots=True)
class Queue:
    """A standard queue of SQS. Messages are received in the order in which they became visible.

    ``sends``: by body, how often a message was sent.
    """

    shape: Shape
    seconds: Callable[[], float]
    sends: dict[str, int] = field(default_factory=dict)
    receive_calls: int = 0
    dead_letters: list[Message] = field(default_factory=list)
    _waiting: list[tuple[float, int, Message]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _processed: int = 0

    def send(self, request: dict[str, Any]) -> None:
        """Put a message on the queue. ``request``: of SendMessage, or one entry of SendMessageBatch."""
        body, now = request["MessageBody"], self.seconds()
        self.sends[body] = self.sends.get(body, 0) + 1
        message = Message(body, request.get("MessageAttributes", {}), now)
        self._put(now + request.get("DelaySeconds", self.shape.delay), message)

    def receive(self) -> list[Message]:
        """Return a batch of messages that are visible. They belong to the caller until it calls ``settle``."""
        self.receive_calls += 1
        batch: list[Message] = []
        while len(batch) < self.shape.batch and self._waiting and self._waiting[0][0] <= self.seconds():
            message = heapq.heappop(self._waiting)[2]
            if message.receives == self.shape.receives:
                self.dead_letters.append(message)
                continue
            message.receives += 1
            batch.append(message)
        self._processed += len(batch)
        return batch

    def settle(self, batch: list[Message], failed: set[int], received: float) -> None:
        """Delete the messages of a batch, except those that failed: they are visible again when their time ends."""
        self._processed -= len(batch)
        for number, message in enumerate(batch):
            if number in failed:
                self._put(received + self.shape.visibility, message)

    @property
    def is_empty(self) -> bool:
        """Return whether no message waits, and none is being processed."""
        return not self._waiting and not self._processed

    @property
    def seconds_to_wait(self) -> float:
        """Return in how many seconds the queue should be read again."""
        least, most = _POLL
        return max(least, min(most, self._waiting[0][0] - self.seconds())) if self._waiting else most

    def _put(self, visible: float, message: Message) -> None:
        heapq.heappush(self._waiting, (visible, next(self._order), message))


@dataclass(slots=True)
class Environment:
    """An execution environment of a function: processes batches of its queue, one after another.

    ``busy``: seconds of all invocations.
    """

    queue: Queue
    time: VirtualTime
    handle: Callable[[dict[str, Any], Any], Any]
    invocations: int = 0
    timeouts: int = 0
    busy: float = 0.0
    errors: list[Exception] = field(default_factory=list)

    def live(self) -> None:
        """Process batches until the simulation ends."""
        while True:
            if not self.take():
                self.time.sleep(self.queue.seconds_to_wait)

    def take(self) -> bool:
        """Process one batch. Return False if the queue has no visible message."""
        received = self.time.monotonic()
        batch = self.queue.receive()
        if not batch:
            return False
        self.queue.settle(batch, self._failed(batch), received)
        self.busy += self.time.monotonic() - received
        return True

    def _failed(self, batch: list[Message]) -> set[int]:
        """Invoke the function with the batch. Return the numbers of the messages that failed."""
        self.invocations += 1
        context = Context(self.time, self.time.monotonic() + self.queue.shape.timeout)
        everything = set(range(len(batch)))
        try:
            answer = self.handle({"Records": [_record(*each) for each in enumerate(batch)]}, context)
        except Exception as error:  # noqa: BLE001 - Lambda's runtime catches whatever a handler raises
            self.errors.append(error)
            return everything
        if self.time.monotonic() > context.deadline:
            self.timeouts += 1
            return everything
        return {int(each["itemIdentifier"]) for each in (answer or {}).get("batchItemFailures", [])}


def _record(number: int, message: Message) -> dict[str, Any]:
    """Return the message as Lambda passes it on."""
    return {
        "messageId": str(number),
        "receiptHandle": "AQEB",
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": f"{message.sent * 1000:.0f}",
            # The Enforce function sends messages with attributes, the Sweep function without.
            "SenderId": f"{'AROAENFORCE' if message.attributes else SWEEP_ROLE_ID}:session",
        },
        "messageAttributes": {
            name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
            for name, each in message.attributes.items()
        },
    }


@dataclass(slots=True)
class Hub:
    """The hub of an organization in memory, with its queues and the environments of its functions."""

    aws: OrganizationAws
    time: VirtualTime
    stage_queue: Queue
    sweep_queue: Queue
    settings: Settings

    def enforce(self) -> Environment:
        """Return a new environment of the Enforce function."""
        return Environment(
            self.stage_queue, self.time, EnforceHandler(self.settings, self.aws.session(), self._timing).handle
        )

    def sweep(self) -> Environment:
        """Return a new environment of the Sweep function."""
        handle = SweepHandler(self.settings, self.aws.session(), self._timing).handle_message
        return Environment(
            self.sweep_queue, self.time, lambda event, context: handle(event["Records"][0]["body"], context)
        )

    def begin_sweep(self) -> None:
        """Send the message that starts a sweep."""
        self.sweep_queue.send({"MessageBody": json.dumps({"detail-type": "Scheduled Event", "detail": {}})})

    @property
    def _timing(self) -> Time:
        return Time(self.time, self.time.monotonic, self.time.sleep)


@contextmanager
def hub(size: Size, *, are_compliant: bool, seed: int = 0) -> Iterator[Hub]:
    """Start an organization in simulated time. ``seed``: of the random numbers, so that each run is the same."""
    with _random_numbers_of(seed), VirtualTime() as time:
        queues = {
            DEPLOYMENT.queues.stage_queue_url.rpartition("/")[2]: Queue(ENFORCE, time.monotonic),
            DEPLOYMENT.queues.sweep_queue_url.rpartition("/")[2]: Queue(SWEEP, time.monotonic),
        }
        aws = OrganizationAws(
            size, time, lambda: time.sleep(LATENCY), are_compliant, lambda name, request: queues[name].send(request)
        )
        stage_queue, sweep_queue = queues.values()
        yield Hub(aws, time, stage_queue, sweep_queue, settings_of(size))


@contextmanager
def _random_numbers_of(seed: int) -> Iterator[None]:
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def most_calls(times: list[float], seconds: float) -> int:
    """Return the greatest number of calls in any window of so many seconds. ``times``: in seconds, ascending."""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Quota(NamedTuple):
    """What calls leave of API Gateway's quota in their account. ``above``: how many it would throttle.

    ``least``: the calls that the owner of the account can make at once, at the worst moment.
    """

    above: int
    least: float

    @classmethod
    def of(cls, times: list[float], since: float = 0.0) -> Quota:
        """Return the quota with these calls. ``times``: in seconds, ascending. ``since``: of ``least``."""
        tokens = least = float(QUOTA_BURST)
        before, above = times[0], 0
        for time in times:
            tokens, before = min(float(QUOTA_BURST), tokens + (time - before) * QUOTA), time
            if tokens >= 1:
                tokens -= 1
            else:
                above += 1
            if time > since:
                least = min(least, tokens)
        return cls(above, least)
