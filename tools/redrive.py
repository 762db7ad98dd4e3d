"""``python -m tools.redrive``, as ``make redrive`` runs it: what lies in the dead-letter queues goes back to be done.

SQS moves the messages itself (StartMessageMoveTask), and goes on if this program is stopped. The destination is named,
for SQS does not know where a message came from that EventBridge put into the dead-letter queue by itself.
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
from log_keeper.events.hints import ApiNamed, DeliveryNamed, LogRoleNamed, Nothing, StageNamed, StagesTagged
from log_keeper.events.sweep_work import Work
from log_keeper.stages import ApiVersion
from tools.aws_session import ERROR, ToolError, complain, exit_with, open_session, printable, run

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import ListMessageMoveTasksResultEntryTypeDef, MessageTypeDef

DONE, WRONG_USE, SOMETHING_LIES_THERE = 0, 2, 3

#: Each dead-letter queue, and the queue that its messages go back to.
_QUEUES = {"StageDeadLetterQueue": "StageQueue", "SweepDeadLetterQueue": "SweepQueue"}

#: Seconds that a message shown by --look is kept from others, should this program be stopped before it gives it back.
_HELD_SECONDS = 60
#: Seconds between two looks at a task.
_PAUSE = 1.0

_EPILOG = """\
exit codes:
  0  everything was moved, or there is nothing to move
  1  an error: no credentials, no such stack, or SQS could not move everything
  2  wrong usage
  3  with --look: something lies there

It takes cloudformation:DescribeStacks; of both dead-letter queues
sqs:GetQueueAttributes, sqs:StartMessageMoveTask, sqs:ListMessageMoveTasks,
sqs:ReceiveMessage and sqs:DeleteMessage (with --look only the first and
sqs:ReceiveMessage, sqs:ChangeMessageVisibility); and of StageQueue and SweepQueue
sqs:GetQueueAttributes and sqs:SendMessage.
"""


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue and its way back.

    ``count``: messages that can be moved; ``held``: those that somebody has received a moment ago, which cannot.
    ``returns_after``: how long a message that fails again takes to be back here.
    """

    name: str
    url: str
    arn: str
    destination: str
    destination_arn: str
    count: int
    held: int
    returns_after: timedelta


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of a dead-letter queue: what it is about. ``remark``: what to know before it is moved."""

    message_id: str
    sent: datetime
    event: str
    about: str
    remark: str = ""


def read_queues(cloudformation: CloudFormationClient, sqs: SQSClient, stack_name: str) -> list[DeadLetterQueue]:
    """The stack's dead-letter queues as they are now. Raises ToolError, or what botocore raises."""
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
                f"the stack {stack_name} has no output {name}Url: it is not Log Keeper's, or older than this."
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
                held=int(here["ApproximateNumberOfMessagesNotVisible"]),
                returns_after=tries * timedelta(seconds=int(there["VisibilityTimeout"])),
            )
        )
    return found


def _attributes(sqs: SQSClient, url: str) -> Mapping[str, str]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


# ---- looking


def look(sqs: SQSClient, queue: DeadLetterQueue, most: int) -> list[Letter]:
    """What lies in the queue, the oldest first and ``most`` at most; all of it lies there afterwards.

    To read a message is to receive it, which hides it from others for a moment.
    """
    received: dict[str, MessageTypeDef] = {}
    try:
        while len(received) < most:
            # A second's wait asks all servers of the queue, where no wait asks some.
            answer = sqs.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(10, most - len(received)),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
                VisibilityTimeout=_HELD_SECONDS,
                WaitTimeSeconds=1,
            )
            new = {message["MessageId"]: message for message in answer.get("Messages", [])}
            if not new.keys() - received.keys():
                break
            received |= new
    finally:
        handles = [message["ReceiptHandle"] for message in received.values()]
        for some in batched(handles, 10, strict=False):
            # One that is given back too late comes back by itself: the answer's failures are none.
            sqs.change_message_visibility_batch(
                QueueUrl=queue.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(some)
                ],
            )
    return sorted((read_letter(message) for message in received.values()), key=lambda letter: letter.sent)


def read_letter(message: MessageTypeDef) -> Letter:
    """What the message is about, whatever it holds."""
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    event, about, remark = _in_words(message["Body"])
    if (told := message.get("MessageAttributes", {}).get("ERROR_MESSAGE")) is not None:
        remark = f"EventBridge could not deliver it: {told.get('StringValue')}"
    return Letter(message["MessageId"], sent, printable(event), printable(about), printable(remark))


def _in_words(body: str) -> tuple[str, str, str]:
    """The name of the event, what it is about, and a remark."""
    try:
        match json.loads(body):
            case {"region": str() as region, "apis": _}:
                work = Work.from_message(body, (region,))
                left = "" if work is None or work.apis is None else f", the last {len(work.apis)} APIs"
                return "sweep", region + left, ""
            case {"detail-type": "Scheduled Event" | "CloudFormation Stack Status Change" as kind}:
                return kind, "begins a sweep", ""
            case {"account": str() as account, "region": str() as region} as event:
                hint = read_event(event, account=account, regions=(region,), own_role_arn="")
                name = cause_of(event).event_name
            case _:
                return _unreadable(body, "not an event of EventBridge")
    except (RecursionError, ValueError) as error:
        return _unreadable(body, str(error))
    match hint:
        case StageNamed(ref):
            kind = "REST" if ref.version is ApiVersion.V1 else "HTTP or WebSocket"
            return name, f"{ref.region}: {kind} API {ref.api_id}, stage {ref.stage_name}", ""
        case StagesTagged(refs):
            stages = ", ".join(f"{ref.api_id}/{ref.stage_name}" for ref in refs)
            return name, f"{refs[0].region}: tags of {stages}", ""
        case ApiNamed(in_region, api_id):
            return name, f"{in_region}: HTTP or WebSocket API {api_id}", ""
        case DeliveryNamed(in_region):
            return name, f"{in_region}: a delivery of logs", ""
        case LogRoleNamed(regions):
            return name, f"{', '.join(regions)}: the account's log role", ""
        case Nothing(why):
            return name, f"nothing of Log Keeper's ({why})", ""
    assert_never(hint)


def _unreadable(body: str, why: str) -> tuple[str, str, str]:
    return "?", body[:60], f"It cannot be read ({why[:200]}) and would be back: delete it instead."


# ---- moving

#: Told how many messages were moved, of how many.
type Tell = Callable[[int, int], None]


def move(sqs: SQSClient, queue: DeadLetterQueue, rate: int | None, tell: Tell, pause: Callable[[float], None]) -> int:
    """How many messages are back in the queue that they belong to. Raises ToolError or ClientError.

    A task that runs already is followed, and no other is begun.
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
            tell(moved, task.get("ApproximateNumberOfMessagesToMove", queue.count))
            match task["Status"]:
                case "COMPLETED":
                    return moved
                case "FAILED" | "CANCELLED":
                    why = task.get("FailureReason", "somebody cancelled it")
                    raise ToolError(f"SQS moved {_messages(moved)} of {queue.name} and then stopped: {printable(why)}.")
        pause(_PAUSE)


def _last_task(sqs: SQSClient, queue: DeadLetterQueue) -> ListMessageMoveTasksResultEntryTypeDef | None:
    tasks = sqs.list_message_move_tasks(SourceArn=queue.arn, MaxResults=1).get("Results", [])
    return tasks[0] if tasks else None


# ---- the command line


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.redrive",
        description="Moves what lies in Log Keeper's dead-letter queues back, to be done after a mend.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--look", action="store_true", help="show what lies there, and move nothing")
    parser.add_argument("--stack-name", default="log-keeper", metavar="NAME", help="default: log-keeper")
    parser.add_argument("--region", help="the stack's region; default: AWS_REGION, or your configuration's")
    parser.add_argument("--profile", help="profile of your AWS configuration; default: boto3's usual chain")
    parser.add_argument(
        "--most",
        type=_whole(10_000),
        default=100,
        metavar="N",
        help="messages of a queue that --look shows; default: 100",
    )
    parser.add_argument(
        "--rate", type=_whole(500), metavar="N", help="messages a second, 1 to 500; default: SQS chooses"
    )
    return parser


def _whole(highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {highest}")
        return int(text)

    return read


def main(argv: Sequence[str] | None = None, pause: Callable[[float], None] = time.sleep) -> int:
    """What was asked for is done; gives the exit code."""
    arguments = parser().parse_args(argv)
    out = Console(highlight=False, markup=False, emoji=False)

    def redrive() -> int:
        session = open_session(arguments.profile, arguments.region)
        sqs = session.client("sqs")
        queues = read_queues(session.client("cloudformation"), sqs, arguments.stack_name)
        if arguments.look:
            return _show(out, sqs, queues, arguments.most)
        return _move_all(out, sqs, queues, arguments.rate, pause)

    return run("redrive", redrive, "stopped looking; a move that has begun goes on in SQS.")


def _show(out: Console, sqs: SQSClient, queues: list[DeadLetterQueue], most: int) -> int:
    lies_there = False
    for queue in queues:
        letters = look(sqs, queue, most)
        if not letters:
            _say(out, f"{queue.name} is empty{_held(queue)}.", "green")
            continue
        lies_there, count = True, max(queue.count, len(letters))
        _say(out, f"{queue.name}: {_messages(count)}, the oldest of {letters[0].sent:%Y-%m-%d %H:%M} UTC", "bold")
        for letter in letters:
            _say(out, f"  {letter.sent:%Y-%m-%d %H:%M:%S}  {letter.message_id}  {letter.event}, {letter.about}")
            if letter.remark:
                _say(out, f"{' ' * 23}{letter.remark}", "yellow")
        if count > len(letters):
            _say(out, f"  ... and {count - len(letters)} more: --most shows them")
    if lies_there:
        _say(
            out,
            "Nothing was moved. Why they failed is in the log: Enforce's by the message id, Sweep's among its errors.",
        )
    return SOMETHING_LIES_THERE if lies_there else DONE


def _say(out: Console, text: str, style: str = "") -> None:
    """One line, not broken: it may be searched for."""
    out.print(Text(text, style=style), soft_wrap=True)


def _move_all(
    out: Console, sqs: SQSClient, queues: list[DeadLetterQueue], rate: int | None, pause: Callable[[float], None]
) -> int:
    """One queue's trouble does not stop the other's move."""
    code = DONE
    for queue in queues:
        if not queue.count:
            _say(out, f"{queue.name} is empty{_held(queue)}.", "green")
            continue
        try:
            with _progress(queue) as tell:
                moved = move(sqs, queue, rate, tell, pause)
        except (ToolError, ClientError) as error:
            complain("redrive", error)
            code = ERROR
            continue
        _say(out, f"{queue.name}: {_messages(moved)} moved to {queue.destination}{_held(queue)}.", "green")
        _say(out, f"  What fails again is back after some {_duration(queue.returns_after)}: --look shows it then.")
    return code


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _duration(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.2g} hours"


def _held(queue: DeadLetterQueue) -> str:
    return f"; {_messages(queue.held)} that somebody looks at now cannot be moved" if queue.held else ""


@contextmanager
def _progress(queue: DeadLetterQueue) -> Iterator[Tell]:
    """A bar on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _moved, _of: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{queue.name} -> {queue.destination}", total=queue.count)
        yield lambda moved, of: bar.update(task, completed=moved, total=of)


if __name__ == "__main__":
    exit_with("redrive", main)
