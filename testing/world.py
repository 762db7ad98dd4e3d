"""Log Keeper in a sandbox account in simulated time: its two functions and their queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import replace
from dataclasses import dataclass
from typing import Any

from handlers import enforce, sweep
from handlers.runtime import Time
from log_keeper.settings import Organization
from sandbox.assembly import Sandbox
from sandbox.core.call import Caller, CallRecord
from sandbox.simulation import Function, VirtualTime, caller_of_new_role
from testing.accounts import (
    make_role,
)
from testing.builders import ACCOUNT, DEPLOYMENT, REGION, settings_with

ENFORCE_TIMEOUT, SWEEP_TIMEOUT = 75, 900


@dataclass(slots=True)
class World:
    """A sandbox account with Log Keeper's two functions, their queues and dead-letter queues."""

    sandbox: Sandbox
    time: VirtualTime
    program: Caller
    enforce: Function
    sweep: Function

    def another_enforce(self) -> Function:
        """Return a second execution environment of the Enforce function, as Lambda adds one under load."""
        return replace(self.enforce, _handler=None)

    def send(self, event: dict[str, Any]) -> None:
        """Send the event to StageQueue."""
        self.sandbox.client("sqs").send_message(QueueUrl=self.enforce.queue_url, MessageBody=json.dumps(event))

    def begin_sweep(self) -> None:
        """Send the message that starts a sweep to SweepQueue."""
        self.sandbox.client("sqs").send_message(
            QueueUrl=self.sweep.queue_url, MessageBody=json.dumps({"detail-type": "Scheduled Event", "detail": {}})
        )

    def settle(self) -> None:
        """Run both functions until every message is deleted or in a dead-letter queue."""
        self.sweep.drain()
        self.enforce.drain()

    def settle_together(self, limit: float = 3600) -> None:
        """Run both functions at the same time, Enforce in two environments, until no message is left.

        Messages in a dead-letter queue may be left. ``limit``: in seconds. Raises TimeoutError.
        """
        for environment in (self.sweep, self.enforce, self.another_enforce()):
            self.time.start(environment.live)
        self.time.run(lambda: self.sweep.is_idle() and self.enforce.is_idle(), limit)

    def dead_letters(self) -> int:
        """Return the number of messages in both dead-letter queues."""
        return sum(self._count(f"{name}Dead") for name in ("StageQueue", "SweepQueue"))

    def redrive(self) -> None:
        """Move all messages of the dead-letter queues back to their source queues."""
        sqs = self.sandbox.client("sqs")
        for function, name in ((self.enforce, "StageQueue"), (self.sweep, "SweepQueue")):
            url = sqs.get_queue_url(QueueName=f"{name}Dead")["QueueUrl"]
            while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in found:
                    sqs.send_message(QueueUrl=function.queue_url, MessageBody=message["Body"])
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def calls(self, since: int = 0) -> list[CallRecord]:
        """Return the calls that Log Keeper has made since the account's call number ``since``."""
        return [made for made in self.sandbox.calls[since:] if made.call.caller == self.program]

    def _count(self, name: str) -> int:
        sqs = self.sandbox.client("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        names = ["ApproximateNumberOfMessages"]
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])


@contextmanager
def world(
    organization: Organization | None = None, *, policy: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[World]:
    """Start a sandbox account with Log Keeper in it, in simulated time.

    ``organization``: that Log Keeper governs; None: the account alone. ``policy``: fields of the policy that have other
    values. ``options``: of the sandbox.
    """
    with VirtualTime() as time, Sandbox(clock=time, **{"iam_propagation_seconds": 10} | options) as sandbox:
        program = caller_of_new_role(sandbox, "log-keeper-EnforceRole")
        sandbox.client("scheduler").create_schedule_group(Name=DEPLOYMENT.schedules.group)
        schedule_role = make_role(sandbox, "log-keeper-OptInScheduleRole", policy=None, trust=trust_of("scheduler"))
        enforce_url, enforce_arn = _queue(sandbox, "StageQueue", 6 * ENFORCE_TIMEOUT, 5)
        sweep_url, sweep_arn = _queue(sandbox, "SweepQueue", 6 * SWEEP_TIMEOUT, 3)
        settings = settings_with(
            own_role_arn=program.role_arn or "",
            sweep_role_id=program.user_identity["sessionContext"]["sessionIssuer"]["principalId"],
            schedules=replace(DEPLOYMENT.schedules, role_arn=schedule_role),
            stage_queue_url=enforce_url,
            stage_queue_arn=enforce_arn,
            sweep_queue_url=sweep_url,
            organization=organization,
            **(policy or {}),
        )
        timing = Time(time, time.monotonic, time.sleep)

        def new_enforce() -> Callable[..., Any]:
            return enforce.EnforceHandler(settings, sandbox.session(program), timing).handle

        def new_sweep() -> Callable[..., Any]:
            handle = sweep.SweepHandler(settings, sandbox.session(program), timing).handle_message
            return lambda event, context: handle(event["Records"][0]["body"], context)

        yield World(
            sandbox,
            time,
            program,
            Function(sandbox, time, new_enforce, enforce_url, enforce_arn, ENFORCE_TIMEOUT),
            Function(sandbox, time, new_sweep, sweep_url, sweep_arn, SWEEP_TIMEOUT, batch_size=1, reports_items=False),
        )


def _queue(sandbox: Sandbox, name: str, visibility: int, receives: int) -> tuple[str, str]:
    sqs = sandbox.client("sqs")
    sqs.create_queue(QueueName=f"{name}Dead")
    dead_letters = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}Dead"
    redrive = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": receives})
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(visibility), "RedrivePolicy": redrive})[
        "QueueUrl"
    ]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def trust_of(service: str) -> dict[str, Any]:
    """Return the trust policy of a role for the service, for example ``scheduler``."""
    principal = {"Service": f"{service}.amazonaws.com"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }
