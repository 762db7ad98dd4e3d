"""``python -m preview``, as ``make preview`` runs it: what Log Keeper would do in an account. Changes nothing."""

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

from log_keeper.access_log_format import FormatName
from log_keeper.aws import Clients
from log_keeper.pace import Pace
from log_keeper.settings import Settings
from preview.outlook import Preview
from preview.reading import Tell, enabled_regions, explain, gather, identify, tell_nobody
from preview.report_data import to_csv, to_json
from preview.report_html import to_html
from tools.aws_session import ERROR, ToolError, exit_with, open_session, run

ALL_IN_LINE, WRONG_USE, OUT_OF_LINE = 0, 2, 3

_EPILOG = """\
exit codes:
  0  everything is in line
  1  an error: no credentials, or something could not be read; the rest is shown
  2  wrong usage
  3  a stage, or the account's log role, is out of line

It reads with your own credentials: apigateway:GET, logs:DescribeLogGroups,
logs:DescribeDeliverySources, iam:GetRole, iam:SimulatePrincipalPolicy,
cloudtrail:DescribeTrails, cloudtrail:GetTrailStatus and
cloudtrail:GetEventSelectors; where log delivery takes execution logs elsewhere
also logs:DescribeDeliveries, logs:GetDeliveryDestination and
firehose:DescribeDeliveryStream; for a log role that may write to none of the
usual log groups also iam:ListRolePolicies, iam:GetRolePolicy,
iam:ListAttachedRolePolicies, iam:GetPolicy and iam:GetPolicyVersion. AWS's
managed policy ReadOnlyAccess has them all.

--all-regions takes no further permission: each region that botocore knows is
asked who you are (sts:GetCallerIdentity), and one that does not take your
credentials is not enabled, and left out by name. A region younger than your
botocore has to be named with --region.
"""


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 10")
    return rate


def parser() -> argparse.ArgumentParser:
    """The command line; the defaults of the policy are the template's."""
    parser = argparse.ArgumentParser(
        prog="python -m preview",
        description="Shows what Log Keeper would change of every API Gateway stage, and why.\nChanges nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = parser.add_argument_group("what is read")
    where.add_argument("--profile", help="profile of your AWS configuration; default: boto3's usual chain")
    regions = where.add_mutually_exclusive_group()
    regions.add_argument(
        "--region",
        action="append",
        default=[],
        help="a region; may be repeated; default: AWS_REGION, or your configuration's",
    )
    regions.add_argument("--all-regions", action="store_true", help="every region that the account has enabled")
    where.add_argument(
        "--rate",
        type=_rate,
        default=4.0,
        metavar="CALLS",
        help="API Gateway calls a second at most, of the 10 that the account has; default: 4",
    )
    shown = parser.add_argument_group("what is shown", "Tables, unless one of the first two is chosen.")
    shown.add_argument("--json", action="store_true", help="one JSON document on stdout")
    shown.add_argument("--csv", action="store_true", help="CSV on stdout, a row for each stage")
    shown.add_argument("--html", metavar="FILE", help="also a page for auditors and managers; - for stdout, instead")
    policy = parser.add_argument_group("the policy", "As the parameters of the template, with the same defaults.")
    policy.add_argument("--info-tag-key", default="execution-logs", metavar="KEY", help="default: execution-logs")
    policy.add_argument("--allow-bodies", action="store_true", help="a tag may keep bodies in the execution logs")
    policy.add_argument(
        "--access-log-format", type=FormatName, choices=list(FormatName), default=FormatName.JSON, help="default: JSON"
    )
    policy.add_argument("--detailed-metrics", action="store_true", help="detailed metrics are wanted of every stage")
    policy.add_argument("--exempt-tag-key", default="", metavar="KEY", help="stages with this tag are left alone")
    policy.add_argument("--access-log-retention-days", type=_days, default=365, metavar="DAYS", help="default: 365")
    policy.add_argument("--execution-log-retention-days", type=_days, default=30, metavar="DAYS", help="default: 30")
    return parser


def settings(arguments: argparse.Namespace, account: str, partition: str, regions: tuple[str, ...]) -> Settings:
    """The policy that the command line asks for, in an account: in audit mode, and with no names of a stack."""
    return Settings(
        account=account,
        partition=partition,
        regions=regions,
        info_tag_key=arguments.info_tag_key,
        access_log_retention=arguments.access_log_retention_days,
        execution_log_retention=arguments.execution_log_retention_days,
        access_log_format=arguments.access_log_format,
        allows_bodies=arguments.allow_bodies,
        wants_metrics=arguments.detailed_metrics,
        exempt_tag_key=arguments.exempt_tag_key or None,
        is_audit=True,
        own_role_arn="",
        log_role_name="",
        log_role_arn=None,
        log_role_path="/",
        log_role_boundary_arn=None,
        log_group_kms_key_arn=None,
        schedule_group="",
        schedule_role_arn="",
        forwarding_rules=(),
        forwarding_queue="",
        forwarding_stack_set="",
        stage_queue_arn="",
        stage_queue_url="",
        sweep_queue_url="",
        sweep_rate=0,
        missing_log_group_minutes=0,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The preview is shown; gives the exit code."""
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if arguments.json + arguments.csv + (arguments.html == "-") > 1:
        command_line.error("--json, --csv and --html - all write to stdout: choose one")

    def show() -> int:
        _look_before(arguments)
        preview = _read(arguments)
        _show(preview, arguments)
        if preview.errors:
            return ERROR
        return ALL_IN_LINE if preview.is_in_line else OUT_OF_LINE

    return run("preview", show, "stopped; nothing was changed.")


def _writes_tables(arguments: argparse.Namespace) -> bool:
    return not (arguments.json or arguments.csv or arguments.html == "-")


def _look_before(arguments: argparse.Namespace) -> None:
    """What would be in the way of showing is found before the reading, which can take minutes."""
    if _writes_tables(arguments) and find_spec("rich") is None:
        raise ToolError("the tables need the package rich: pip install rich, or choose --json, --csv or --html -.")
    if arguments.html not in (None, "-"):
        page = Path(arguments.html)
        if page.is_dir() or not os.access(page if page.exists() else page.parent, os.W_OK):
            raise ToolError(f"{page} cannot be written: name a file in a directory that exists and is yours.")


def _read(arguments: argparse.Namespace) -> Preview:
    with _progress() as tell:
        try:
            session = open_session(arguments.profile, None)
            home = session.region_name
            asked = tuple(dict.fromkeys(arguments.region)) or ((home,) if home and not arguments.all_regions else ())
            for region in asked:
                session.get_partition_for_region(region)
            if not asked and not arguments.all_regions:
                raise ToolError("no region is set: name one with --region, set AWS_REGION, or choose --all-regions.")
            clients = Clients(lambda: Pace(arguments.rate), session)
            doors = [*([home] if home else []), *asked]
            account, partition = identify(clients, doors or ["us-east-1"])
            left_out: tuple[str, ...] = ()
            if arguments.all_regions:
                asked, left_out = enabled_regions(clients, session, partition, tell)
        except (BotoCoreError, ClientError) as error:
            raise ToolError(explain(error)) from error
        policy = settings(arguments, account, partition, asked)
        regions = gather(clients, policy, lambda: datetime.now(UTC), tell)
        return Preview(policy, datetime.now(UTC), regions, left_out)


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar where rich is installed and stderr is a terminal."""
    if find_spec("rich") is None:
        yield tell_nobody
        return
    from preview.terminal import progress

    with progress() as tell:
        yield tell


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
        from preview.terminal import print_report

        print_report(preview)
    if not _writes_tables(arguments):
        for sentence in preview.errors:
            print(f"preview: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    exit_with("preview", main)
