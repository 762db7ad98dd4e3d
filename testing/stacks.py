"""The stack as deployed, and what tests see of it through AWS's APIs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.accounts import get_stage, levels, log_role


@dataclass(frozen=True)
class Deployed:
    """The account, and the outputs of the stack in it."""

    sandbox: Sandbox
    outputs: dict[str, str]

    def is_compliant(self, api_id: str, stage_name: str = "prod", level: str = "ERROR") -> bool:
        stage = get_stage(self.sandbox, api_id, stage_name)
        return (
            "destinationArn" in stage.get("accessLogSettings", {})
            and set(levels(stage).values()) == {level}
            and not any(settings["dataTraceEnabled"] for settings in stage["methodSettings"].values())
            and log_role(self.sandbox) is not None
        )

    def wait_until_in_line(
        self, api_id: str, stage_name: str = "prod", level: str = "ERROR", timeout: float = 30
    ) -> None:
        self.sandbox.wait_until(lambda: self.is_compliant(api_id, stage_name, level), timeout)

    def begin_first_sweep(self) -> None:
        """Where the event of the deployment is lost, let the time pass after which the schedule begins the sweep."""
        if not self.sandbox.behaviour.rules_see_their_stack_created:
            self.pass_second_sweep()

    def pass_second_sweep(self) -> None:
        """Let the quarter of an hour pass after which the schedule begins a sweep, beside that of the deployment."""
        clock = self.sandbox.clock
        assert isinstance(clock, MovableClock)
        clock.advance(timedelta(minutes=15))

    def wait_until_quiet(self) -> int:
        """How many messages lie in the dead-letter queue once nothing is on its way."""
        return deployment.wait_until_quiet(self.sandbox, self.outputs)

    def log(self, function: str = "enforce") -> list[str]:
        """The lines of a function's own log, ``enforce`` or ``sweep``."""
        pages = self.sandbox.client("logs").get_paginator("filter_log_events")
        return [
            event["message"]
            for page in pages.paginate(logGroupName=self.outputs[f"{function.title()}LogGroup"])
            for event in page["events"]
        ]

    def wait_until_logged(self, outcome: str, *words: str) -> str:
        """The first line of the function's log about a stage with this outcome and these words, once there is one."""

        def found() -> list[str]:
            return [
                line for line in self.log() if f'"outcome":"{outcome}"' in line and all(word in line for word in words)
            ]

        return self.sandbox.wait_until(found)[0]

    def invocations(self, function: str = "enforce") -> int:
        return sum(line.startswith("REPORT ") for line in self.log(function))

    def set_queue(self, **attributes: str) -> None:
        self.sandbox.client("sqs").set_queue_attributes(QueueUrl=self.outputs["StageQueueUrl"], Attributes=attributes)

    def dead_letters(self) -> list[str]:
        """The bodies in the dead-letter queue, which is empty afterwards."""
        sqs, url = self.sandbox.client("sqs"), self.outputs["StageDeadLetterQueueUrl"]
        bodies = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies
