"""The command line of ``make logs``. Pure."""

from __future__ import annotations

import argparse
import re
import textwrap
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from logs.permissions import READING
from tools.version import add_version

_EXIT_CODES = """\
exit codes:
  0  the logs were read; also if no request was found
  1  an error: there are no credentials, no such API or stage, or a log group
     could not be read
  2  wrong usage of the command
  3  a limit ended the search early: what was found until then is shown

permissions (the AWS managed policy ReadOnlyAccess has them all):
"""
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZE = 1024 * 1024
#: The earliest time that CloudWatch Logs takes, and one that is later than all logs.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
#: The most digits of a limit.
_DIGITS = 9


class Limits(NamedTuple):
    """When a search ends although more lines may be there. ``pages``: of FilterLogEvents, up to 1 MB each."""

    pages: int = 200
    seconds: float = 120
    bytes: int = 100 * _SIZE
    requests: int = 100


def moment(text: str, now: datetime) -> datetime:
    """Return the time that the text names: ``15m`` ago, or an ISO 8601 time, in UTC unless it has a zone.

    A time before 1970 or after the year 9998 is the first or last one of these years. Raises ValueError.
    """
    try:
        if match := _AGO.fullmatch(text):
            read = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            read = datetime.fromisoformat(text)
            read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError:  # before the year 1, or after the year 9999
        return _LAST if text.startswith("9999") and match is None else _FIRST
    return min(max(_FIRST, read), _LAST)


def _moment(text: str) -> str:
    """Check the text, which is read when the search begins."""
    try:
        moment(text, _FIRST)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: use 30s, 15m, 2h, 3d or 1w (ago), or 2026-12-24T18:00 (UTC), or with a zone"
        ) from error
    return text


def _number(text: str) -> int:
    if not re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number: use 1 or more, of at most {_DIGITS} digits")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m logs",
        description="Show the requests to an API Gateway stage, each with its access log line and the timeline of its "
        "execution log. Nothing is changed. A search costs nothing, unless --insights is given.",
        epilog=_EXIT_CODES + "".join(f"  {why}\n{_wrapped(actions)}" for why, actions in READING.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(made)
    _add_stage(made.add_argument_group("the stage"))
    _add_requests(made.add_argument_group("the requests"))
    _add_outputs(made.add_argument_group("what to write", "Text for a terminal, unless you choose another form."))
    _add_limits(made.add_argument_group("limits", "A search that reaches one of them shows what it has found so far."))
    return made


def _wrapped(actions: tuple[str, ...]) -> str:
    return textwrap.fill(", ".join(actions), 78, initial_indent="    ", subsequent_indent="    ") + "\n"


def _add_stage(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--api", required=True, metavar="NAME-OR-ID", help="name or id of the REST, HTTP or WebSocket API"
    )
    group.add_argument("--stage", metavar="NAME", help="name of the stage; default: the only one of the API")
    group.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
    group.add_argument("--region", help="region of the API; default: AWS_REGION, or the region of your configuration")


def _add_requests(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="begin of the search: 15m (ago), or 2026-12-24T18:00 (UTC); default: 15m, and 1d with --request-id",
    )
    group.add_argument("--until", type=_moment, metavar="TIME", help="end of the search; default: now")
    group.add_argument(
        "--errors", action="store_true", help="only requests with a 4xx or 5xx answer or a failed integration"
    )
    group.add_argument(
        "--request-id",
        metavar="ID",
        help="only the request of this id: requestId, extendedRequestId, or the header x-amzn-RequestId, "
        "x-amz-apigw-id or apigw-requestid of its answer",
    )
    group.add_argument("--follow", action="store_true", help="show new requests as they are logged, until Ctrl-C")
    group.add_argument(
        "--insights",
        action="store_true",
        help="read log groups of the class Infrequent Access with Logs Insights, which costs money: how much is shown "
        "before",
    )
    group.add_argument("--yes", action="store_true", help="with --insights: do not ask, only show the cost")
    group.add_argument(
        "--info-tag-key",
        default="execution-logs",
        metavar="KEY",
        help="InfoTagKey of Log Keeper's stack, for the commands that are shown; default: execution-logs",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", action="store_true", help="write JSON: one document, or with --follow one per line")
    group.add_argument("--html", metavar="FILE", help="write an HTML page to FILE; FILE - is stdout, without the text")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    usual = Limits()
    for name, default, what in (
        ("requests", usual.requests, "show the latest N requests"),
        ("pages", usual.pages, "read at most N pages, up to 1 MB each"),
        ("megabytes", usual.bytes // _SIZE, "read at most N MB of lines"),
        ("seconds", int(usual.seconds), "search for at most N seconds"),
    ):
        group.add_argument(
            f"--most-{name}", type=_number, default=default, metavar="N", help=f"{what}; default: {default}"
        )


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Return the limits that the command line gives."""
    return Limits(
        arguments.most_pages, arguments.most_seconds, arguments.most_megabytes * _SIZE, arguments.most_requests
    )


def mistake(arguments: argparse.Namespace) -> str | None:
    """Return what is wrong with the combination of options; None if it is right."""
    if arguments.json and arguments.html == "-":
        return "--json and --html - write to stdout: choose one of them"
    if arguments.follow and arguments.html is not None:
        return "--follow writes no page: leave out --html"
    if arguments.follow and (arguments.until is not None or arguments.request_id is not None):
        return "--follow shows new requests: leave out --until and --request-id"
    if arguments.follow and arguments.insights:
        return "--follow reads nothing with Logs Insights: leave out --insights"
    if arguments.request_id is not None and not re.fullmatch(r"[!-~]{1,200}", arguments.request_id):
        return f"{arguments.request_id!r} is not the id of a request"
    return None
