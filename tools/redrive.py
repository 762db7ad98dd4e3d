"""``python -m tools.redrive``, which ``make redrive`` runs: move the messages of the dead-letter queues back.

SQS moves the messages itself (StartMessageMoveTask), and continues if this program is stopped. The program names the
destination, because SQS does not know the source queue of a message that EventBridge sent to a dead-letter queue.
*Source:* Amazon SQS developer guide, "Troubleshoot Amazon SQS dead-letter queue and DLQ redrive issues"
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tools.aws_session import ERROR, ToolError, complain, exit_with, open_session, printable, run
from tools.dead_letters import DeadLetterQueue, read_messages, read_queues
from tools.output import say
from tools.stack import add_stack_options
from tools.version import add_version

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import ListMessageMoveTasksResultEntryTypeDef

#: Exit codes; ``ERROR`` is another.
DONE, WRONG_USAGE, NOT_EMPTY = 0, 2, 3

#: Seconds between two calls that read the state of a task.
_PAUSE = 1.0

_EPILOG = """\
exit codes:
  0  all messages were moved, or there are none
  1  an error: no credentials, no such stack, or SQS could not move all messages
  2  wrong usage of the command
  3  with --list: a dead-letter queue has messages

permissions:
  cloudformation:DescribeStacks
  on StageDeadLetterQueue and SweepDeadLetterQueue, to move
    sqs:GetQueueAttributes, sqs:StartMessageMoveTask, sqs:ListMessageMoveTasks,
    sqs:ReceiveMessage, sqs:DeleteMessage
  on StageDeadLetterQueue and SweepDeadLetterQueue, with --list
    sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:ChangeMessageVisibility
  on StageQueue and SweepQueue
    sqs:GetQueueAttributes, and to move sqs:SendMessage
"""


# ---- move the messages

#: Called with the number of messages moved so far, and the number of all messages to move.
type ShowProgress = Callable[[int, int], None]


def move(
    sqs: SQSClient,
    queue: DeadLetterQueue,
    rate: int | None,
    show_progress: ShowProgress,
    pause: Callable[[float], None],
) -> int:
    """Move the messages of the queue to its destination. Return how many were moved.

    If a task of SQS already moves them, wait for that one and start no other. ``rate``: messages per second; None lets
    SQS choose. Raises ToolError if the task fails or is cancelled, and ClientError.
    """
    before = _last_task(sqs, queue)
    if before is None or before["Status"] != "RUNNING":
        if rate is None:
            sqs.start_message_move_task(SourceArn=queue.arn, DestinationArn=queue.destination_arn)
        else:
            sqs.start_message_move_task(
                SourceArn=queue.arn, DestinationArn=queue.destination_arn, MaxNumberOfMessagesPerSecond=rate
            )
    while True:
        task = _last_task(sqs, queue)
        is_new = task is not None and (before is None or task["StartedTimestamp"] > before["StartedTimestamp"])
        if task is not None and (is_new or (before is not None and before["Status"] == "RUNNING")):
            moved = task.get("ApproximateNumberOfMessagesMoved", 0)
            show_progress(moved, task.get("ApproximateNumberOfMessagesToMove", queue.count))
            match task["Status"]:
                case "COMPLETED":
                    return moved
                case "FAILED" | "CANCELLED":
                    why = task.get("FailureReason", "it was cancelled")
                    raise ToolError(
                        f"SQS moved {_messages(moved)} of {queue.name} and then stopped: {printable(why)}. "
                        "Run the command again."
                    )
        pause(_PAUSE)


def _last_task(sqs: SQSClient, queue: DeadLetterQueue) -> ListMessageMoveTasksResultEntryTypeDef | None:
    tasks = sqs.list_message_move_tasks(SourceArn=queue.arn, MaxResults=1).get("Results", [])
    return tasks[0] if tasks else None


# ---- the command line


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.redrive",
        description="Move the messages of Log Keeper's dead-letter queues back, so that they are processed again.\n"
        "Run it after the cause of their failure is fixed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    parser.add_argument("--list", action="store_true", help="show the messages, and move none")
    add_stack_options(parser)
    parser.add_argument(
        "--most",
        type=_whole(10_000),
        default=100,
        metavar="N",
        help="highest number of messages that --list shows of a queue; default: 100",
    )
    parser.add_argument(
        "--rate", type=_whole(500), metavar="N", help="messages to move per second, 1 to 500; default: SQS chooses"
    )
    return parser


def _whole(highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {highest}")
        return int(text)

    return read


def main(argv: Sequence[str] | None = None, pause: Callable[[float], None] = time.sleep) -> int:
    """List or move the messages. Return the exit code that ``--help`` describes."""
    arguments = parser().parse_args(argv)
    out = Console(highlight=False, markup=False, emoji=False)

    def redrive() -> int:
        session = open_session(arguments.profile, arguments.region)
        sqs = session.client("sqs")
        queues = read_queues(session.client("cloudformation"), sqs, arguments.stack_name)
        if arguments.list:
            return _list(out, sqs, queues, arguments.most)
        return _move_all(out, sqs, queues, arguments.rate, pause)

    return run("redrive", redrive, "stopped. SQS continues to move messages if it has started.")


def _list(out: Console, sqs: SQSClient, queues: list[DeadLetterQueue], most: int) -> int:
    is_empty = True
    for queue in queues:
        messages = read_messages(sqs, queue, most)
        if not messages:
            say(out, f"{queue.name} is empty{_hidden(queue)}.", "green")
            continue
        is_empty, count = False, max(queue.count, len(messages))
        say(out, f"{queue.name}: {_messages(count)}, the oldest of {messages[0].sent:%Y-%m-%d %H:%M} UTC", "bold")
        for message in messages:
            say(out, f"  {message.sent:%Y-%m-%d %H:%M:%S}  {message.message_id}  {message.event}, {message.about}")
            if message.remark:
                say(out, f"{' ' * 23}{message.remark}", "yellow")
        if count > len(messages):
            say(out, f"  ... and {count - len(messages)} more: use --most to show more")
    if not is_empty:
        say(
            out,
            "Nothing was moved. The functions' logs say why the messages failed: search the log of Enforce for the "
            "message id, and the log of Sweep for errors.",
        )
    return DONE if is_empty else NOT_EMPTY


def _move_all(
    out: Console, sqs: SQSClient, queues: list[DeadLetterQueue], rate: int | None, pause: Callable[[float], None]
) -> int:
    """Move the messages of each queue. An error with one queue does not stop the other."""
    code = DONE
    for queue in queues:
        if not queue.count:
            say(out, f"{queue.name} is empty{_hidden(queue)}.", "green")
            continue
        try:
            with _progress(queue) as show_progress:
                moved = move(sqs, queue, rate, show_progress, pause)
        except (ToolError, ClientError) as error:
            complain("redrive", error)
            code = ERROR
            continue
        say(out, f"{queue.name}: {_messages(moved)} moved to {queue.destination}{_hidden(queue)}.", "green")
        say(
            out,
            f"  A message that fails again returns after about {_duration(queue.returns_after)}: run --list then.",
        )
    return code


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _duration(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.2g} hours"


def _hidden(queue: DeadLetterQueue) -> str:
    if not queue.hidden:
        return ""
    return f"; {_messages(queue.hidden)} cannot be moved now: received by another program"


@contextmanager
def _progress(queue: DeadLetterQueue) -> Iterator[ShowProgress]:
    """Show a progress bar on stderr; show nothing if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _moved, _of: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{queue.name} -> {queue.destination}", total=queue.count)
        yield lambda moved, of: bar.update(task, completed=moved, total=of)


if __name__ == "__main__":
    exit_with("redrive", main)
