"""``python -m verify``, which ``make verify`` runs: try each point about AWS in a real account."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from typing import Any

import boto3

from tools.aws_session import ERROR, ToolError, exit_with, one_line, open_session, run
from tools.version import add_version
from verify.account import RATE, Account, StoppedError
from verify.catalog import POINTS
from verify.ledger import Ledger
from verify.points import Point, Result
from verify.report import ALL_SAME, Report, leftovers_to_text, to_json, to_text
from verify.resource_types import PREFIX
from verify.run import Options, Run
from verify.work import try_points

_DESCRIPTION = """\
Find out, with your own credentials, what AWS does at each point for which Log
Keeper's authors found no record. It creates temporary APIs, log groups, roles,
schedules and a trail, named and tagged log-keeper-verify, calls them, and deletes
them. It changes nothing else in the account.
"""
_EPILOG = """\
exit codes:
  0  AWS does what the sandbox does at each point that was tried
  1  a point could not be decided, a resource could not be deleted, the run was
     stopped before its last point, or another error
  2  wrong usage of the command
  3  AWS differs from the sandbox at a point

docs/verify.md describes what it does and what it costs; docs/verify-policy.json has
the permissions.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="make verify",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(made)
    made.add_argument("--profile", help="profile of your AWS configuration (default: the one that boto3 chooses)")
    made.add_argument("--region", help="region to use (default: AWS_REGION, or the region of the profile)")
    made.add_argument("--yes", action="store_true", help="start without asking")
    made.add_argument("--json", action="store_true", help="write the report as JSON to stdout")
    made.add_argument("--list", action="store_true", help="list the points, and call nothing")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="POINT",
        help="try only this point, or the points that a pattern such as 'stack-*' matches; can be repeated",
    )
    made.add_argument("--clean-up", action="store_true", help="only delete what earlier runs have left")
    made.add_argument(
        "--with-account-settings",
        action="store_true",
        help="also set other log roles of API Gateway for about ten minutes, then restore the current one",
    )
    made.add_argument(
        "--minutes-for-cloudtrail",
        type=_minutes,
        default=0,
        metavar="N",
        help="also wait up to N minutes for CloudTrail's event history; 20 are enough (default: 0, do not wait)",
    )
    made.add_argument(
        "--stack-name",
        default="log-keeper",
        metavar="NAME",
        help="name of Log Keeper's stack, which is also tried if it is deployed (default: log-keeper)",
    )
    made.add_argument(
        "--minutes-for-stack",
        type=_minutes,
        default=10,
        metavar="N",
        help="time in which a new stage must become compliant (default: 10)",
    )
    made.add_argument(
        "--rate", type=_rate, default=RATE, metavar="N", help=f"calls per second, at most 8 (default: {RATE:g})"
    )
    return made


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate <= 8:
        raise argparse.ArgumentTypeError(f"{text} is not a rate: use a number above 0, at most 8")
    return rate


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1
    if not 0 <= minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes: use 0 to 1440")
    return minutes


def main(argv: Sequence[str] | None = None, session: boto3.Session | None = None, **account: Any) -> int:
    """Run the command line. Return the exit code.

    ``session``: a session to use instead of one with the user's credentials. ``account``: arguments for Account.
    """
    command_line = parser()
    arguments = command_line.parse_args(argv)
    unknown = [pattern for pattern in arguments.only if not any(fnmatchcase(point.name, pattern) for point in POINTS)]
    if unknown:
        command_line.error(f"no such point: {', '.join(unknown)}; --list shows them")
    if arguments.list:
        for point in POINTS:
            print(f"{point.name:34} {point.question}")
        return ALL_SAME

    def work() -> int:
        opened = session or open_session(arguments.profile, arguments.region)
        if not opened.region_name:
            raise ToolError("no region is set: name one with --region, or set AWS_REGION.")
        own_account = Account(opened, **{"rate": arguments.rate, **account})
        identity = own_account.client("sts").get_caller_identity()
        _ask(arguments, f"account {identity['Account']}, region {own_account.region}, as {one_line(identity['Arn'])}")
        with _stopping(own_account, is_clean_up=arguments.clean_up):
            return _clean_up(own_account, arguments) if arguments.clean_up else _verify(own_account, arguments)

    return run("verify", work, "stopped; nothing was created.")


def _announcement(arguments: argparse.Namespace) -> str:
    """Return what the command will do in the account."""
    if arguments.clean_up:
        return (
            f"It deletes everything in this region that earlier runs have left: names with {PREFIX}- and a run's id. "
            "Do not use it while a run is in progress: that would lose its resources."
        )
    effort = "150 to 400 calls in about 5 minutes (up to 30 minutes more if Log Keeper is deployed)"
    if arguments.only:
        what = (
            f"It tries {len(_chosen(arguments))} of {len(POINTS)} points: it creates what they need (APIs, log groups, "
            f"roles, schedules, a trail that never logs), all named {PREFIX}-*, and deletes it again. All points "
            f"together take {effort}."
        )
    else:
        what = (
            "It creates APIs, log groups, roles, schedules and a trail that never logs, all named "
            f"{PREFIX}-*, makes {effort}, and deletes what it created."
        )
    what += " It costs less than 0.01 USD."
    if arguments.with_account_settings:
        what += (
            "\nIt also sets other log roles of API Gateway for about ten minutes. Meanwhile, other REST "
            "and WebSocket APIs of this region can lose log lines. Then it restores the current log role."
        )
    return what


def _ask(arguments: argparse.Namespace, where: str) -> None:
    """Print what will be done, and where. Raise ToolError unless the user agrees."""
    _say(f"{where}.\n{_announcement(arguments)}")
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise ToolError("there is no terminal to ask for your agreement: use --yes to start without asking.")
    try:
        answer = input("Start? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise ToolError("nothing was created.")


def _chosen(arguments: argparse.Namespace) -> list[Point]:
    """Return the points to try."""
    patterns = arguments.only or ["*"]
    return [point for point in POINTS if any(fnmatchcase(point.name, pattern) for pattern in patterns)]


@contextmanager
def _stopping(account: Account, *, is_clean_up: bool) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and a closed terminal: end the run before its next call, then delete what it created."""

    def stop(*_: object) -> None:
        account.is_stopping = True
        if account.is_deleting:
            text = "still deleting what the run created; please wait"
        elif is_clean_up:
            text = "stopping"
        else:
            text = "stopping; deleting what the run created"
        # Not print: a signal can arrive during a print. The terminal can be closed.
        with suppress(OSError):
            os.write(2, f"\nverify: {text}\n".encode())

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _verify(account: Account, arguments: argparse.Namespace) -> int:
    run_id = secrets.token_hex(4)
    say = _printer(account)
    ledger = Ledger(account, _options(account, arguments), say)
    current = Run(
        account,
        ledger,
        run_id,
        Options(
            account_settings=arguments.with_account_settings,
            stack_name=arguments.stack_name,
            minutes_for_stack=arguments.minutes_for_stack,
            minutes_for_cloudtrail=arguments.minutes_for_cloudtrail,
        ),
    )
    points = _chosen(arguments)
    results: list[Result] = []
    is_stopped = False
    try:
        try_points(current, points, _reporter(results, say))
    except StoppedError:
        is_stopped = True
    finally:
        account.is_deleting = True
        leftovers = ledger.undo_all(current.name)
        # Before anything that can fail: the user must see this in any case.
        with suppress(OSError):
            sys.stderr.write(leftovers_to_text(leftovers))
    report = Report(run_id, account.region, results, leftovers, account.calls, is_stopped)
    sys.stdout.write(to_json(report) if arguments.json else to_text(report, has_color=_has_color(sys.stdout)))
    return report.exit_code


def _clean_up(account: Account, arguments: argparse.Namespace) -> int:
    say = _printer(account)
    try:
        leftovers = Ledger(account, _options(account, arguments), say).delete_leftovers(f"{PREFIX}-")
    except StoppedError:
        say("some resources may be left: run --clean-up again.")
        return ERROR
    sys.stderr.write(leftovers_to_text(leftovers))
    if not leftovers:
        say("nothing is left.")
    return ERROR if leftovers else ALL_SAME


def _options(account: Account, arguments: argparse.Namespace) -> str:
    profile = f" --profile {shlex.quote(arguments.profile)}" if arguments.profile else ""
    return f"--region {account.region}{profile}"


def _printer(account: Account) -> Callable[[str], None]:
    """Return a function that writes a line to stderr. If stderr is closed, it stops the run, which then deletes."""

    def say(text: str) -> None:
        try:
            _say(text)
        except OSError:
            account.is_stopping = True

    return say


def _reporter(results: list[Result], say: Callable[[str], None]) -> Callable[[int, int, Point, Result | None], None]:
    """Return a function that writes a line for each point to stderr, and keeps the results."""

    def report(number: int, of: int, point: Point, result: Result | None) -> None:
        if result is None:
            say(f"[{number}/{of}] {point.question}")
            return
        results.append(result)
        answer = result.why if result.answer is None else point.in_words(result.answer)
        say(f"[{number}/{of}]   {result.status}: {answer}")

    return report


def _has_color(stream: Any) -> bool:
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def _say(text: str) -> None:
    print(f"verify: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    exit_with("verify", main)
