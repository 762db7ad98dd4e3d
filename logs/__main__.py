"""``python -m logs``: show the requests to an API Gateway stage with their log lines. See ``make logs``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from logs.explanations import Span, explanations
from logs.following import PAUSE, Follower
from logs.insights import Insights
from logs.locating import locate
from logs.model import Found, Request, Sources
from logs.options import limits_of, mistake, moment, parser
from logs.reading import Reader, ShowProgress
from logs.report_data import request_to_json, to_json
from logs.report_html import to_html
from logs.report_text import Line, heading, note_lines, report, request_lines
from logs.searching import search
from preview.reading import identify
from tools.aws_session import ToolError, check_writable, exit_with, one_line, open_session, run

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

#: Exit codes; that of an error is in ``tools.aws_session``.
COMPLETE, INCOMPLETE = 0, 3
#: Calls per second: of FilterLogEvents, of which the smallest regions allow 5, and to API Gateway, which allows 10.
#: *Source:* CloudWatch Logs user guide, "CloudWatch Logs quotas".
_RATE = 4.0


def main(
    argv: Sequence[str] | None = None,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Show the requests. Return the exit code that ``--help`` describes.

    ``clock``, ``sleep``: replaced in tests.
    """
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if (wrong := mistake(arguments)) is not None:
        command_line.error(wrong)
    now = clock()
    since = moment(arguments.since or ("1d" if arguments.request_id else "15m"), now)
    until = now if arguments.until is None else moment(arguments.until, now)
    if since >= until:
        command_line.error("--since must be before --until")

    def show() -> int:
        if arguments.html not in (None, "-"):
            check_writable(arguments.html)
        if arguments.follow:
            begin = now if arguments.since is None else since
            return _follow(arguments, begin, clock, sleep)
        return _search(arguments, since, until, now, sleep)

    return run("logs", show, "stopped.")


def _open(arguments: argparse.Namespace, show_progress: ShowProgress) -> tuple[Reader, Sources, CloudWatchLogsClient]:
    """Return a reader, the log groups of the stage, and a client. Raises BotoCoreError and ClientError."""
    session = open_session(arguments.profile, arguments.region)
    region = session.region_name
    if not region:
        raise ToolError("no region is set: name one with --region, or set AWS_REGION.")
    session.get_partition_for_region(region)
    clients = Clients(lambda: Pace(_RATE), session)
    account, _ = identify(clients, [region])
    sources = locate(clients, account, region, arguments.api, arguments.stage)
    pace = Pace(_RATE)
    client = clients.logs(region)
    return Reader(client, limits_of(arguments), pace.take, time.monotonic, show_progress), sources, client


def _agree(cost: str, *, is_agreed: bool) -> None:
    """Print the cost. Raise ToolError unless the user agrees."""
    print(f"logs: {cost}", file=sys.stderr)
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise ToolError("there is no terminal to ask for your agreement: use --yes to start the query without asking.")
    print("Start the query? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ToolError("no query was started.")


def _search(
    arguments: argparse.Namespace, since: datetime, until: datetime, now: datetime, sleep: Callable[[float], None]
) -> int:
    with _progress() as show_progress:
        reader, sources, client = _open(arguments, show_progress)
        if arguments.insights:
            agree = partial(_agree, is_agreed=arguments.yes)
            insights = Insights(client, agree, reader.take_turn, sleep, arguments.most_seconds)
            reader.read_otherwise = insights.read
        found = search(
            reader,
            sources,
            Span(_milliseconds(since), _milliseconds(until), _milliseconds(now)),
            limits_of(arguments),
            only_errors=arguments.errors,
            request_id=arguments.request_id,
            info_tag_key=arguments.info_tag_key,
        )
    _write(arguments, found)
    return COMPLETE if found.is_complete else INCOMPLETE


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _write(arguments: argparse.Namespace, found: Found) -> None:
    if arguments.html == "-":
        sys.stdout.write(to_html(found))
        return
    if arguments.html is not None:
        try:
            Path(arguments.html).write_text(to_html(found), encoding="utf-8")
        except OSError as error:
            raise ToolError(f"{arguments.html} could not be written: {error.strerror}.") from error
    if arguments.json:
        sys.stdout.write(to_json(found))
    else:
        _print(report(found))
    if arguments.html is not None:
        print(f"The page is {arguments.html}.", file=sys.stderr if arguments.json else sys.stdout)


def _follow(
    arguments: argparse.Namespace, since: datetime, clock: Callable[[], datetime], sleep: Callable[[float], None]
) -> int:
    """Show requests until Ctrl-C."""
    reader, sources, _ = _open(arguments, _show_no_progress)
    if not arguments.json:
        notes = explanations(sources, (), is_recent=False, info_tag_key=arguments.info_tag_key)
        _print([*heading(sources), *note_lines(notes), ()])
    follower = Follower(reader, sources, _milliseconds(since), lambda: _milliseconds(clock()))
    named: set[str] = set()
    try:
        while True:
            for request in follower.round():
                if request.is_failed or not arguments.errors:
                    _show(request, as_json=arguments.json)
            for name in sorted(reader.unreadable.keys() - named):
                print(
                    f"logs: {one_line(name)} cannot be followed: {one_line(reader.unreadable[name])}", file=sys.stderr
                )
            named |= reader.unreadable.keys()
            if follower.stopped_by is not None:
                print(f"logs: lines are missing: more arrive than {follower.stopped_by} allows", file=sys.stderr)
            sleep(PAUSE)
    except KeyboardInterrupt:
        return COMPLETE


def _show(request: Request, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(request_to_json(request))
    else:
        _print([*request_lines(request), ()])
    sys.stdout.flush()


def _print(lines: Iterable[Line]) -> None:
    if find_spec("rich") is None:
        for line in lines:
            print("".join(piece.text for piece in line))
        return
    from logs.report_terminal import print_lines

    print_lines(lines)


def _show_no_progress(group: str, pages: int, size: int, lines: int) -> None:
    """Do nothing: for a caller without a terminal."""


@contextmanager
def _progress() -> Iterator[ShowProgress]:
    if find_spec("rich") is None:
        yield _show_no_progress
        return
    from logs.report_terminal import progress

    with progress() as show_progress:
        yield show_progress or _show_no_progress


if __name__ == "__main__":
    exit_with("logs", main)
