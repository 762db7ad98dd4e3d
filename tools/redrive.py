"""``python -m tools.redrive``, which ``make redrive`` runs: move the messages of the dead-letter queues back.

SQS moves the messages itself (StartMessageMoveTask), and continues if this program is stopped. The program names the
destination, because SQS does not know the source queue of a message that EventBridge sent to a dead-letter queue.
*Source:* Amazon SQS developer guide, "Troubleshoot Amazon SQS dead-letter queue and DLQ redrive issues"
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, assert_never

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from log_keeper.aws.errors import error_code
from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import ApiNamed, DeliveryNamed, Ignored, LogRoleNamed, StageNamed, StagesTagged
from log_keeper.events.sweep_work import Work
from log_keeper.stages import ApiVersion
from tools.aws_session import ERROR, ToolError, complain, exit_with, open_session, printable, run
from tools.version import add_version

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import ListMessageMoveTasksResultEntryTypeDef, MessageTypeDef

#: Exit codes; ``ERROR`` is another.
DONE, WRONG_USAGE, NOT_EMPTY = 0, 2, 3

#: Each dead-letter queue, and the queue to which its messages return. Both are names of the template's resources.
_QUEUES = {"StageDeadLetterQueue": "StageQueue", "SweepDeadLetterQueue": "SweepQueue"}

#: Seconds for which --list hides a message from other receivers, if the program is stopped before it returns it.
_HIDDEN_SECONDS = 60
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


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue, and the queue to which its messages return.

    ``count``: number of messages that can be moved. ``hidden``: number of messages that another receiver has at this
    moment, which cannot be moved. ``returns_after``: time after which a message that fails again is back in the queue.
    """

    name: str
    url: str
    arn: str
    destination: str
    destination_arn: str
    count: int
    hidden: int
    returns_after: timedelta


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a dead-letter queue, in words.

    ``event``: name of the event. ``about``: what it names, for example a stage. ``remark``: what to know before the
    message is moved; can be empty.
    """

    message_id: str
    sent: datetime
    event: str
    about: str
    remark: str = ""


def read_queues(cloudformation: CloudFormationClient, sqs: SQSClient, stack_name: str) -> list[DeadLetterQueue]:
    """Return the stack's dead-letter queues with their current numbers of messages.

    Raises ToolError if the stack does not exist or is not Log Keeper's, and errors of botocore.
    """
    try:
        [stack] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if error_code(error) != "ValidationError":
            raise
        raise ToolError(
            f"there is no stack {stack_name} in {cloudformation.meta.region_name} of this account: "
            "name it with --stack-name, --region or --profile."
        ) from error
    urls = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    found = []
    for name, destination in _QUEUES.items():
        if not {f"{name}Url", f"{destination}Url"} <= urls.keys():
            raise ToolError(
                f"the stack {stack_name} has no output {name}Url: it is not Log Keeper's, or an older version of it."
            )
        here = _attributes(sqs, urls[f"{name}Url"])
        there = _attributes(sqs, urls[f"{destination}Url"])
        tries = int(json.loads(there["RedrivePolicy"])["maxReceiveCount"])
        found.append(
            DeadLetterQueue(
                name=name,
                url=urls[f"{name}Url"],
                arn=here["QueueArn"],
                destination=destination,
                destination_arn=there["QueueArn"],
                count=int(here["ApproximateNumberOfMessages"]),
                hidden=int(here["ApproximateNumberOfMessagesNotVisible"]),
                returns_after=tries * timedelta(seconds=int(there["VisibilityTimeout"])),
            )
        )
    return found


def _attributes(sqs: SQSClient, url: str) -> Mapping[str, str]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


# ---- list the messages


def read_messages(sqs: SQSClient, queue: DeadLetterQueue, most: int) -> list[Message]:
    """Return at most ``most`` messages of the queue, oldest first. All messages stay in the queue.

    To read a message is to receive it, which hides it from other receivers for a moment.
    """
    received: dict[str, MessageTypeDef] = {}
    try:
        while len(received) < most:
            # With a wait, SQS asks all servers of the queue; without, only some of them.
            answer = sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(10, most - len(received)),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
            )
            new = {message["MessageId"]: message for message in answer.get("Messages", [])}
            if not new.keys() - received.keys():
                break
            received |= new
    finally:
        handles = [message["ReceiptHandle"] for message in received.values()]
        for some in batched(handles, 10, strict=False):
            # Failures in the answer do not matter: a message that is not returned here is visible again by itself.
            sqs.change_message_visibility_batch(
                QueueUrl=queue.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(some)
                ],
            )
    return sorted((describe(message) for message in received.values()), key=lambda message: message.sent)


def describe(message: MessageTypeDef) -> Message:
    """Return the message in words. Any body is accepted; the remark says why one cannot be read."""
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    event, about, remark = _in_words(message["Body"])
    if (reason := message.get("MessageAttributes", {}).get("ERROR_MESSAGE")) is not None:
        remark = f"EventBridge could not deliver it: {reason.get('StringValue')}"
    return Message(message["MessageId"], sent, printable(event), printable(about), printable(remark))


def _in_words(body: str) -> tuple[str, str, str]:
    """Return the name of the event, what it is about, and a remark."""
    try:
        match json.loads(body):
            case {"region": str() as region, "apis": _}:
                work = Work.from_message(body, (region,))
                left = "" if work is None or work.apis is None else f", the last {len(work.apis)} APIs"
                return "sweep", region + left, ""
            case {"detail-type": "Scheduled Event" | "CloudFormation Stack Status Change" as detail_type}:
                return detail_type, "starts a sweep", ""
            case {"account": str() as account, "region": str() as region} as event:
                hint = read_event(event, account=account, regions=(region,), own_role_arn="")
                name = cause_of(event).event_name
            case _:
                return _unreadable(body, "not an event of EventBridge")
    except (RecursionError, ValueError) as error:
        return _unreadable(body, str(error))
    match hint:
        case StageNamed(ref):
            protocol = "REST" if ref.version is ApiVersion.V1 else "HTTP or WebSocket"
            return name, f"{ref.region}: {protocol} API {ref.api_id}, stage {ref.stage_name}", ""
        case StagesTagged(refs):
            stages = ", ".join(f"{ref.api_id}/{ref.stage_name}" for ref in refs)
            return name, f"{refs[0].region}: tags of {stages}", ""
        case ApiNamed(in_region, api_id):
            return name, f"{in_region}: HTTP or WebSocket API {api_id}", ""
        case DeliveryNamed(in_region):
            return name, f"{in_region}: a log delivery", ""
        case LogRoleNamed(regions):
            return name, f"{', '.join(regions)}: the account's log role", ""
        case Ignored(reason):
            return name, f"nothing to do ({reason})", ""
    assert_never(hint)


def _unreadable(body: str, why: str) -> tuple[str, str, str]:
    return "?", body[:60], f"It cannot be read ({why[:200]}). It would fail again: delete it instead of moving it."


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
    parser.add_argument(
        "--stack-name", default="log-keeper", metavar="NAME", help="name of Log Keeper's stack; default: log-keeper"
    )
    parser.add_argument(
        "--region", help="region of the stack; default: AWS_REGION, or the region of your configuration"
    )
    parser.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
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
            _print(out, f"{queue.name} is empty{_hidden(queue)}.", "green")
            continue
        is_empty, count = False, max(queue.count, len(messages))
        _print(out, f"{queue.name}: {_messages(count)}, the oldest of {messages[0].sent:%Y-%m-%d %H:%M} UTC", "bold")
        for message in messages:
            _print(out, f"  {message.sent:%Y-%m-%d %H:%M:%S}  {message.message_id}  {message.event}, {message.about}")
            if message.remark:
                _print(out, f"{' ' * 23}{message.remark}", "yellow")
        if count > len(messages):
            _print(out, f"  ... and {count - len(messages)} more: use --most to show more")
    if not is_empty:
        _print(
            out,
            "Nothing was moved. The functions' logs say why the messages failed: search the log of Enforce for the "
            "message id, and the log of Sweep for errors.",
        )
    return DONE if is_empty else NOT_EMPTY


def _print(out: Console, text: str, style: str = "") -> None:
    """Print one line without breaking it, so that it can be searched."""
    out.print(Text(text, style=style), soft_wrap=True)


def _move_all(
    out: Console, sqs: SQSClient, queues: list[DeadLetterQueue], rate: int | None, pause: Callable[[float], None]
) -> int:
    """Move the messages of each queue. An error with one queue does not stop the other."""
    code = DONE
    for queue in queues:
        if not queue.count:
            _print(out, f"{queue.name} is empty{_hidden(queue)}.", "green")
            continue
        try:
            with _progress(queue) as show_progress:
                moved = move(sqs, queue, rate, show_progress, pause)
        except (ToolError, ClientError) as error:
            complain("redrive", error)
            code = ERROR
            continue
        _print(out, f"{queue.name}: {_messages(moved)} moved to {queue.destination}{_hidden(queue)}.", "green")
        _print(
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
