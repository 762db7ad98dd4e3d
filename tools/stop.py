"""``python -m tools.stop``, which ``make stop`` and ``make resume`` run: stop all changes now, and allow them again.

Only the Enforce function changes anything. Its reserved concurrency of 0 stops new invocations at once; and its event
source mapping is disabled, so that no message is received in vain and ends in the dead-letter queue.
*Source:* AWS Lambda developer guide, "Configuring reserved concurrency for a function" and "Configuring scaling
behavior for SQS event source mappings"
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console

from tools.aws_session import ToolError, exit_with, open_session, run
from tools.output import say
from tools.stack import add_stack_options, read_outputs
from tools.version import add_version

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda.client import LambdaClient

#: Exit codes; ``ERROR`` of aws_session is another.
DONE, WRONG_USAGE, STOPPED = 0, 2, 3
#: Seconds between two calls that read the state of the event source mapping, and after which it is not awaited longer.
_PAUSE, _LONGEST = 1.0, 120.0

#: For a function whose reserved concurrency somebody else chose.
_RESERVED = (
    "Its reserved concurrency was {before}. Set it again after you resume: aws lambda put-function-concurrency "
    "--function-name {function} --reserved-concurrent-executions {before}"
)
_EPILOG = """\
exit codes:
  0  done; with --status: changes are made
  1  an error: no credentials, no such stack, or a call was refused
  2  wrong usage of the command
  3  with --status: changes are stopped

permissions:
  cloudformation:DescribeStacks
  sqs:GetQueueAttributes on StageQueue
  lambda:ListEventSourceMappings
  on the Enforce function
    lambda:GetFunctionConcurrency, lambda:PutFunctionConcurrency, lambda:DeleteFunctionConcurrency
  on its event source mapping
    lambda:GetEventSourceMapping, lambda:UpdateEventSourceMapping

While changes are stopped, sweeps go on and report. Messages wait in StageQueue for
four days. A deployment of the stack does not resume.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.stop",
        description="Stop all changes by Log Keeper now: in its account, and in all accounts of its organization.\n"
        "--resume allows them again, and the messages that wait are then processed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--resume", action="store_true", help="allow changes again")
    what.add_argument("--status", action="store_true", help="show whether changes are stopped, and change nothing")
    add_stack_options(parser)
    return parser


@dataclass(frozen=True)
class Switch:
    """What stops the Enforce function. ``queue``: the name of the queue from which it gets messages."""

    client: LambdaClient
    function: str
    queue: str

    @cached_property
    def mapping(self) -> str:
        """Return the ID of the mapping from the queue. Raises ToolError if somebody has deleted it."""
        found = self.client.list_event_source_mappings(FunctionName=self.function)["EventSourceMappings"]
        of_queue = [each["UUID"] for each in found if each["EventSourceArn"].endswith(f":{self.queue}")]
        if not of_queue:
            raise ToolError(f"the function {self.function} has no event source mapping of {self.queue}: deploy again.")
        return of_queue[0]

    @property
    def concurrency(self) -> int | None:
        """Return the function's reserved concurrency; None if it has none."""
        return self.client.get_function_concurrency(FunctionName=self.function).get("ReservedConcurrentExecutions")

    @property
    def state(self) -> str:
        """Return the state of the mapping, such as ``Enabled``, ``Disabling``, ``Disabled``."""
        return self.client.get_event_source_mapping(UUID=self.mapping)["State"]

    def stop(self) -> int | None:
        """Stop new invocations. Return the reserved concurrency that the function had before."""
        before = self.concurrency
        if before != 0:
            self.client.put_function_concurrency(FunctionName=self.function, ReservedConcurrentExecutions=0)
        return before

    def resume(self) -> None:
        """Allow invocations. A reserved concurrency that somebody else chose stays."""
        if self.concurrency == 0:
            self.client.delete_function_concurrency(FunctionName=self.function)

    def poll(self, pause: Callable[[float], None], *, enabled: bool) -> None:
        """Enable or disable the mapping, and wait until it is. Raises ToolError if that takes more than two minutes.

        Lambda refuses to change a mapping that is being changed, so that is awaited first.
        """
        if self._settled(pause) != (wanted := "Enabled" if enabled else "Disabled"):
            self.client.update_event_source_mapping(UUID=self.mapping, Enabled=enabled)
            if (now := self._settled(pause)) != wanted:
                raise ToolError(f"the event source mapping {self.mapping} is {now}, not {wanted}: run this again.")

    def _settled(self, pause: Callable[[float], None]) -> str:
        for _ in range(int(_LONGEST / _PAUSE)):
            if not (now := self.state).endswith("ing"):
                return now
            pause(_PAUSE)
        raise ToolError(
            f"the event source mapping {self.mapping} is still {now} after two minutes: run the command again."
        )


def main(argv: Sequence[str] | None = None, pause: Callable[[float], None] = time.sleep) -> int:
    """Stop or resume. Return the exit code that ``--help`` describes."""
    arguments = parser().parse_args(argv)
    out = Console(highlight=False, markup=False, emoji=False)

    def work() -> int:
        session = open_session(arguments.profile, arguments.region)
        name = arguments.stack_name
        outputs = read_outputs(session.client("cloudformation"), name, "EnforceFunction", "StageQueueUrl")
        switch = Switch(session.client("lambda"), outputs["EnforceFunction"], outputs["StageQueueUrl"].split("/")[-1])
        if arguments.status:
            state = switch.state
            is_stopped = switch.concurrency == 0 or state in ("Disabling", "Disabled")
            text = f"Changes by {name} are {'stopped' if is_stopped else 'made'}; polling is {state.lower()}"
            say(out, f"{text}; {_waiting(session, outputs)}.", "yellow" if is_stopped else "green")
            return STOPPED if is_stopped else DONE
        if arguments.resume:
            switch.resume()
            switch.poll(pause, enabled=True)
            say(out, f"Changes by {name} are made again; {_waiting(session, outputs)}.", "green")
            return DONE
        before = switch.stop()  # first of all: nothing else can prevent it
        say(out, f"Changes by {name} are stopped: no new invocation begins, and those that run end in 75 seconds.")
        if before:
            say(out, _RESERVED.format(before=before, function=switch.function), "yellow")
        switch.poll(pause, enabled=False)
        say(out, f"Messages wait, four days at most; {_waiting(session, outputs)}. --resume (make resume) goes on.")
        return DONE

    return run("stop", work, "interrupted. Run the command again: it continues where it was.")


def _waiting(session: boto3.Session, outputs: dict[str, str]) -> str:
    """Return the number of messages in StageQueue, in words."""
    sqs = session.client("sqs")
    found = sqs.get_queue_attributes(
        QueueUrl=outputs["StageQueueUrl"],
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )["Attributes"]
    count = sum(map(int, found.values()))
    return "1 message is in StageQueue" if count == 1 else f"{count} messages are in StageQueue"


if __name__ == "__main__":
    exit_with("stop", main)
