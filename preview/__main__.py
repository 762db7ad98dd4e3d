"""``python -m preview``: show what Log Keeper would change in an account, and change nothing. See ``make preview``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.inventory import Inventory
from log_keeper.policy.access_log_format import FormatName
from log_keeper.policy.policy import Policy
from preview.model import Preview
from preview.reading import ShowProgress, enabled_regions, explain, identify, read_region, show_no_progress
from preview.report_data import to_csv, to_json
from preview.report_html import to_html
from tools.aws_session import ERROR, ToolError, exit_with, open_session, run
from tools.version import add_version

#: Exit codes; ``ERROR`` is another.
COMPLIANT, WRONG_USAGE, NON_COMPLIANT = 0, 2, 3

_EPILOG = """\
exit codes:
  0  every stage is compliant or exempt, and each log role that is needed is valid
  1  an error: there are no credentials, or something could not be read
     (everything else is shown)
  2  wrong usage of the command
  3  a stage is not compliant, or a log role that is needed is not valid

permissions (the AWS managed policy ReadOnlyAccess has them all):
  always
    apigateway:GET, logs:DescribeLogGroups, logs:DescribeDeliverySources,
    iam:GetRole, iam:SimulatePrincipalPolicy, cloudtrail:DescribeTrails,
    cloudtrail:GetTrailStatus, cloudtrail:GetEventSelectors
  if a stage delivers its execution logs to other destinations
    logs:DescribeDeliveries, logs:GetDeliveryDestination,
    firehose:DescribeDeliveryStream
  if the log role may not write to any of the usual log groups
    iam:ListRolePolicies, iam:GetRolePolicy, iam:ListAttachedRolePolicies,
    iam:GetPolicy, iam:GetPolicyVersion

--all-regions needs no other permission. It calls sts:GetCallerIdentity in each
region that the installed botocore knows. A region that refuses your credentials
is not enabled: it is left out, and the output names it. Name a region that your
botocore does not know yet with --region.
"""


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days: use 1 or more")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: use a number above 0, at most 10")
    return rate


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Options of the policy have the defaults of the template."""
    parser = argparse.ArgumentParser(
        prog="python -m preview",
        description="Show what Log Keeper would change in each API Gateway stage, and why. Nothing is changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    where = parser.add_argument_group("what to read")
    where.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
    regions = where.add_mutually_exclusive_group()
    regions.add_argument(
        "--region",
        action="append",
        default=[],
        help="region to read; can be repeated; default: AWS_REGION, or the region of your configuration",
    )
    regions.add_argument("--all-regions", action="store_true", help="read every region that the account has enabled")
    where.add_argument(
        "--rate",
        type=_rate,
        default=4.0,
        metavar="CALLS",
        help="highest number of API Gateway calls per second in a region, of the account's 10; default: 4",
    )
    shown = parser.add_argument_group("what to write", "Tables for a terminal, unless you choose another form.")
    shown.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    shown.add_argument("--csv", action="store_true", help="write CSV to stdout, one row for each stage")
    shown.add_argument(
        "--html",
        metavar="FILE",
        help="write an HTML page to FILE, beside the tables; FILE - is stdout, without the tables",
    )
    policy = parser.add_argument_group("policy", "The parameters of the template, with the same defaults.")
    policy.add_argument(
        "--info-tag-key",
        default="execution-logs",
        metavar="KEY",
        help="tag that keeps execution logs of a stage at INFO; default: execution-logs",
    )
    policy.add_argument(
        "--allow-data-trace",
        action="store_true",
        help="allow the tag KEY-data-trace, which keeps request and response bodies in execution logs",
    )
    policy.add_argument(
        "--access-log-format",
        type=FormatName,
        choices=list(FormatName),
        default=FormatName.JSON,
        help="format of access logs that Log Keeper sets; default: JSON",
    )
    policy.add_argument(
        "--detailed-metrics", action="store_true", help="switch on detailed CloudWatch metrics of every stage"
    )
    policy.add_argument(
        "--exempt-tag-key", default="", metavar="KEY", help="never change stages with this tag; default: no such tag"
    )
    policy.add_argument(
        "--access-log-retention-days",
        type=_days,
        default=365,
        metavar="DAYS",
        help="retention of new access log groups; default: 365",
    )
    policy.add_argument(
        "--execution-log-retention-days",
        type=_days,
        default=30,
        metavar="DAYS",
        help="retention of new execution log groups; default: 30",
    )
    return parser


def policy_of(arguments: argparse.Namespace, partition: str) -> Policy:
    """Return the policy that the command line describes."""
    return Policy(
        partition=partition,
        info_tag_key=arguments.info_tag_key,
        access_log_format=arguments.access_log_format,
        access_log_retention=arguments.access_log_retention_days,
        execution_log_retention=arguments.execution_log_retention_days,
        allows_data_trace=arguments.allow_data_trace,
        wants_detailed_metrics=arguments.detailed_metrics,
        exempt_tag_key=arguments.exempt_tag_key or None,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Show the preview. Return the exit code that ``--help`` describes."""
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if arguments.json + arguments.csv + (arguments.html == "-") > 1:
        command_line.error("--json, --csv and --html - write to stdout: choose one of them")

    def show() -> int:
        _check_output(arguments)
        preview = _read(arguments)
        _show(preview, arguments)
        if preview.errors:
            return ERROR
        return COMPLIANT if preview.is_compliant else NON_COMPLIANT

    return run("preview", show, "stopped; nothing was changed.")


def _writes_tables(arguments: argparse.Namespace) -> bool:
    return not (arguments.json or arguments.csv or arguments.html == "-")


def _check_output(arguments: argparse.Namespace) -> None:
    """Raise ToolError if the preview could not be written, before minutes are spent on reading."""
    if _writes_tables(arguments) and find_spec("rich") is None:
        raise ToolError("the tables need the package rich: run pip install rich, or choose --json, --csv or --html -.")
    if arguments.html not in (None, "-"):
        page = Path(arguments.html)
        if page.is_dir() or not os.access(page if page.exists() else page.parent, os.W_OK):
            raise ToolError(
                f"{page} cannot be written: name a file in a directory that exists and to which you can write."
            )


def _read(arguments: argparse.Namespace) -> Preview:
    with _progress() as show_progress:
        try:
            session = open_session(arguments.profile, None)
            home = session.region_name
            chosen = tuple(dict.fromkeys(arguments.region)) or ((home,) if home and not arguments.all_regions else ())
            for region in chosen:
                session.get_partition_for_region(region)
            if not chosen and not arguments.all_regions:
                raise ToolError("no region is set: name one with --region, set AWS_REGION, or choose --all-regions.")
            clients = Clients(lambda: Pace(arguments.rate), session)
            regions = [*([home] if home else []), *chosen]
            account = identify(clients, regions or ["us-east-1"])
            not_enabled: tuple[str, ...] = ()
            if arguments.all_regions:
                chosen, not_enabled = enabled_regions(clients, session, account.partition, show_progress)
        except (BotoCoreError, ClientError) as error:
            raise ToolError(explain(error)) from error
        policy = policy_of(arguments, account.partition)
        read = tuple(
            read_region(Inventory(clients, account, region, policy), lambda: datetime.now(UTC), show_progress)
            for region in chosen
        )
        return Preview(account, policy, datetime.now(UTC), read, not_enabled)


@contextmanager
def _progress() -> Iterator[ShowProgress]:
    """Show a progress bar if rich is installed and stderr is a terminal."""
    if find_spec("rich") is None:
        yield show_no_progress
        return
    from preview.report_terminal import progress

    with progress() as show_progress:
        yield show_progress


def _show(preview: Preview, arguments: argparse.Namespace) -> None:
    if arguments.html == "-":
        sys.stdout.write(to_html(preview))
    elif arguments.html is not None:
        try:
            Path(arguments.html).write_text(to_html(preview), encoding="utf-8")
        except OSError as error:
            raise ToolError(f"{arguments.html} could not be written: {error.strerror}.") from error
    if arguments.json:
        sys.stdout.write(to_json(preview))
    elif arguments.csv:
        sys.stdout.write(to_csv(preview))
    elif _writes_tables(arguments):
        from preview.report_terminal import print_report

        print_report(preview)
    if arguments.html not in (None, "-"):
        print(f"The page is {arguments.html}.", file=sys.stdout if _writes_tables(arguments) else sys.stderr)
    if not _writes_tables(arguments):
        for sentence in preview.errors:
            print(f"preview: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    exit_with("preview", main)
