"""Log Keeper's deployed stack, and what tests read from it through AWS's APIs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.lambda_.event_sources import EventSources
from testing.accounts import get_stage, levels, log_role

FURTHER_REGION = "eu-west-1"
#: Parameters of a stack that has every optional part. It waits and limits its calls as little as possible.
ALL_PARTS = {
    "SettleSeconds": "0",
    "SweepRate": "10",
    "Regions": FURTHER_REGION,
    "AlarmEmail": "ops@example.com",
    "CreateTrail": "Yes",
}


def pass_time_until_idle(sandbox: Sandbox) -> None:
    """Advance the clock until no function runs and no queue has a message. Log Keeper's pace needs that time.

    It advances by a second, and while no function runs, to the next message that becomes visible.
    """
    clock = sandbox.clock
    assert isinstance(clock, MovableClock)
    sources = sandbox.service(EventSources)

    def is_idle() -> bool:
        clock.advance(timedelta(seconds=max(1.0, sources.seconds_without_work() or 0.0)))
        return sources.is_idle()

    sandbox.wait_until(is_idle, timeout=120)


@dataclass(frozen=True)
class Deployed:
    """A deployed stack: its account and its outputs."""

    sandbox: Sandbox
    outputs: dict[str, str]

    def is_compliant(self, api_id: str, stage_name: str = "prod", level: str = "ERROR") -> bool:
        """Tell whether the REST stage is compliant at this logging level."""
        stage = get_stage(self.sandbox, api_id, stage_name)
        return (
            "destinationArn" in stage.get("accessLogSettings", {})
            and set(levels(stage).values()) == {level}
            and not any(settings["dataTraceEnabled"] for settings in stage["methodSettings"].values())
            and log_role(self.sandbox) is not None
        )

    def wait_until_compliant(
        self, api_id: str, stage_name: str = "prod", level: str = "ERROR", timeout: float = 30
    ) -> None:
        """Wait until the REST stage is compliant. ``timeout``: in seconds."""
        self.sandbox.wait_until(lambda: self.is_compliant(api_id, stage_name, level), timeout)

    def begin_first_sweep(self) -> None:
        """Start the first sweep by the schedule, in a sandbox where the event of the deployment is lost."""
        if not self.sandbox.behaviour.rules_see_their_stack_created:
            self.pass_second_sweep()

    def pass_second_sweep(self) -> None:
        """Advance the clock by a quarter of an hour, after which the schedule starts a sweep."""
        clock = self.sandbox.clock
        assert isinstance(clock, MovableClock)
        clock.advance(timedelta(minutes=15))

    def wait_until_quiet(self) -> int:
        """Wait until StageQueue has no message and no batch of it runs. Return the number of its dead letters.

        SQS's numbers of messages are not enough: they are counted one after the other, while a message changes from
        one number to another, and a message that two invocations have is deleted by the first of them.
        """
        sources, name = self.sandbox.service(EventSources), self.outputs["StageQueueUrl"].rsplit("/", 1)[-1]
        self.sandbox.wait_until(lambda: sources.is_idle(name), timeout=60)
        return self.count_dead_letters()["StageDeadLetterQueue"]

    def log(self, function: str = "enforce") -> list[str]:
        """Return the lines of a function's own log. ``function``: ``enforce`` or ``sweep``."""
        pages = self.sandbox.client("logs").get_paginator("filter_log_events")
        return [
            event["message"]
            for page in pages.paginate(logGroupName=self.outputs[f"{function.title()}LogGroup"])
            for event in page["events"]
        ]

    def wait_until_logged(self, outcome: str, *words: str) -> str:
        """Wait for a line of the Enforce function's log with this outcome and these words. Return the first one."""

        def found() -> list[str]:
            return [
                line for line in self.log() if f'"outcome":"{outcome}"' in line and all(word in line for word in words)
            ]

        return self.sandbox.wait_until(found)[0]

    def invocations(self, function: str = "enforce") -> int:
        """Return how often the function has been invoked."""
        return sum(line.startswith("REPORT ") for line in self.log(function))

    def set_queue(self, **attributes: str) -> None:
        """Set attributes of StageQueue."""
        self.sandbox.client("sqs").set_queue_attributes(QueueUrl=self.outputs["StageQueueUrl"], Attributes=attributes)

    def count_dead_letters(self) -> dict[str, int]:
        """Return the number of messages in each dead-letter queue."""
        sqs, name = self.sandbox.client("sqs"), "ApproximateNumberOfMessages"
        return {
            queue: int(
                sqs.get_queue_attributes(QueueUrl=self.outputs[f"{queue}Url"], AttributeNames=[name])["Attributes"][
                    name
                ]
            )
            for queue in ("StageDeadLetterQueue", "SweepDeadLetterQueue")
        }

    def dead_letters(self) -> list[str]:
        """Return the messages of StageQueue's dead-letter queue, and delete them."""
        sqs, url = self.sandbox.client("sqs"), self.outputs["StageDeadLetterQueueUrl"]
        texts = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                texts.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return texts
