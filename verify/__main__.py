"""``python -m verify``, as ``make verify`` runs it: ask the real account about each point that is not recorded."""

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
from verify.account import RATE, Account, StoppedError
from verify.bench import Bench, Options
from verify.catalog import POINTS
from verify.kinds import PREFIX
from verify.ledger import Ledger
from verify.points import Point, Result
from verify.report import ALL_SAME, Report, leftovers_to_text, to_json, to_text
from verify.work import try_points

_DESCRIPTION = """\
Find out, with your own credentials, what AWS does at each point that Log Keeper's
authors could not look up: create throwaway APIs, log groups, roles, schedules and a
trail, named and tagged log-keeper-verify, call them, and delete them again.
Nothing else in the account is changed.
"""
_EPILOG = """\
exit codes:
  0  AWS does what the sandbox does; points that are not tried do not count
  1  something could not be told or deleted, it was stopped, or an error
  2  wrong usage
  3  AWS differs at a point

docs/verify.md has what it does, costs and needs, docs/verify-policy.json the
permissions.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="make verify",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--profile", help="profile of the AWS configuration")
    made.add_argument("--region", help="region to ask (default: AWS_REGION, or the profile's)")
    made.add_argument("--yes", action="store_true", help="do not ask before it begins")
    made.add_argument("--json", action="store_true", help="write JSON to stdout")
    made.add_argument("--list", action="store_true", help="list the points, call nothing")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="POINT",
        help="try this point only, or those that it fits, such as stack-*; may be repeated",
    )
    made.add_argument("--clean-up", action="store_true", help="delete what an earlier run has left, and try nothing")
    made.add_argument(
        "--with-account-settings",
        action="store_true",
        help="also set other log roles of API Gateway for some ten minutes, and restore the one that is set",
    )
    made.add_argument(
        "--minutes-for-cloudtrail",
        type=_minutes,
        default=0,
        metavar="N",
        help="also wait so long for CloudTrail's event history; 20 will do (default: 0, do not)",
    )
    made.add_argument(
        "--stack-name",
        default="log-keeper",
        metavar="NAME",
        help="Log Keeper's stack, which is tried too if it is deployed (default: log-keeper)",
    )
    made.add_argument(
        "--minutes-for-stack",
        type=_minutes,
        default=10,
        metavar="N",
        help="how long a new stage may take to become compliant (default: 10)",
    )
    made.add_argument(
        "--rate", type=_rate, default=RATE, metavar="N", help=f"calls a second, at most 8 (default: {RATE:g})"
    )
    return made


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate <= 8:
        raise argparse.ArgumentTypeError(f"{text} is no rate: more than 0, at most 8")
    return rate


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1
    if not 0 <= minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes: at least 0, at most a day's")
    return minutes


def main(argv: Sequence[str] | None = None, session: boto3.Session | None = None, **account: Any) -> int:
    """Run the command line. Return the exit code.

    ``session``: in place of one with the user's credentials; ``account``: what Account is to be made with.
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
        made = Account(opened, **{"rate": arguments.rate, **account})
        identity = made.client("sts").get_caller_identity()
        _ask(arguments, f"account {identity['Account']}, region {made.region}, as {one_line(identity['Arn'])}")
        with _stopping(made, is_clean_up=arguments.clean_up):
            return _clean_up(made, arguments) if arguments.clean_up else _verify(made, arguments)

    return run("verify", work, "stopped; nothing was created.")


def _ask(arguments: argparse.Namespace, where: str) -> None:
    """Say what is about to be done, and where. Raise ToolError unless the user agrees."""
    if arguments.clean_up:
        what = (
            f"It deletes what earlier runs have left: everything whose name begins with {PREFIX}-, in this region. "
            "A run that is under way would lose what it works on."
        )
    else:
        what = (
            f"It creates APIs, log groups, roles, schedules and a trail that never logs, all named {PREFIX}-*, makes "
            "150 to 400 calls in some 5 minutes (up to 30 more if Log Keeper is deployed), and deletes what it "
            "created. It costs less than 0.01 USD."
        )
        if arguments.with_account_settings:
            what += (
                "\nIt also sets other log roles of API Gateway for some ten minutes: meanwhile, other REST and "
                "WebSocket APIs of this region can lose log lines. Then it restores the one that is set."
            )
    _say(f"{where}.\n{what}")
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise ToolError("there is no terminal to ask at: --yes begins without asking.")
    try:
        answer = input("Begin? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise ToolError("nothing was created.")


@contextmanager
def _stopping(account: Account, *, is_clean_up: bool) -> Iterator[None]:
    """Take Ctrl-C, SIGTERM and a closed terminal as a wish: the run ends before its next call, and deletes then."""

    def stop(*_: object) -> None:
        account.is_stopping = True
        if account.is_deleting:
            text = "what the run created is still being deleted; please wait"
        elif is_clean_up:
            text = "stopping"
        else:
            text = "stopping; what the run created is deleted first"
        # Not print: a signal may come while something is being printed. The terminal may be closed.
        with suppress(OSError):
            os.write(2, f"\nverify: {text}\n".encode())

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which is nohup's doing
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _verify(account: Account, arguments: argparse.Namespace) -> int:
    run_id = secrets.token_hex(4)
    say = _sayer(account)
    ledger = Ledger(account, _options(account, arguments), say)
    bench = Bench(
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
    patterns = arguments.only or ["*"]
    points = [point for point in POINTS if any(fnmatchcase(point.name, pattern) for pattern in patterns)]
    results: list[Result] = []
    is_stopped = False
    try:
        try_points(bench, points, _teller(results, say))
    except StoppedError:
        is_stopped = True
    finally:
        account.is_deleting = True
        leftovers = ledger.undo_all(bench.name)
        # Before anything that can fail: whoever reads nothing else must read this.
        with suppress(OSError):
            sys.stderr.write(leftovers_to_text(leftovers))
    report = Report(run_id, account.region, results, leftovers, account.calls, is_stopped)
    sys.stdout.write(to_json(report) if arguments.json else to_text(report, has_color=_has_color(sys.stdout)))
    return report.exit_code


def _clean_up(account: Account, arguments: argparse.Namespace) -> int:
    say = _sayer(account)
    try:
        leftovers = Ledger(account, _options(account, arguments), say).delete_leftovers(f"{PREFIX}-")
    except StoppedError:
        say("something may be left: run --clean-up again.")
        return ERROR
    sys.stderr.write(leftovers_to_text(leftovers))
    if not leftovers:
        say("nothing is left.")
    return ERROR if leftovers else ALL_SAME


def _options(account: Account, arguments: argparse.Namespace) -> str:
    profile = f" --profile {shlex.quote(arguments.profile)}" if arguments.profile else ""
    return f"--region {account.region}{profile}"


def _sayer(account: Account) -> Callable[[str], None]:
    """Return what writes a line to stderr. Where nobody reads it any more, the run is to stop, and must delete yet."""

    def say(text: str) -> None:
        try:
            _say(text)
        except OSError:
            account.is_stopping = True

    return say


def _teller(results: list[Result], say: Callable[[str], None]) -> Callable[[int, int, Point, Result | None], None]:
    """Return what writes one line per point to stderr, and keeps each result."""

    def tell(number: int, of: int, point: Point, result: Result | None) -> None:
        if result is None:
            say(f"[{number}/{of}] {point.question}")
            return
        results.append(result)
        answer = result.why if result.answer is None else point.in_words(result.answer)
        say(f"[{number}/{of}]   {result.status}: {answer}")

    return tell


def _has_color(stream: Any) -> bool:
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR")


def _say(text: str) -> None:
    print(f"verify: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    exit_with("verify", main)
