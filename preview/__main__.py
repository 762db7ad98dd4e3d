"""``python -m preview``: show what Log Keeper would change in an account, and change nothing. See ``make preview``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.stages import Account
from preview.accounts import choose, list_organization
from preview.members import Totals
from preview.model import Preview
from preview.options import mistake, parser, policy_of
from preview.organization import MemberReader, read_members
from preview.organization_data import Csv, Json
from preview.organization_html import Html
from preview.organization_report import Form, OrganizationReport
from preview.reading import ShowProgress, explain, identify, read_account, show_no_progress
from preview.report_data import to_csv, to_json
from preview.report_html import to_html
from preview.roles import RoleSessions
from tools.aws_session import ERROR, ToolError, check_writable, exit_with, open_session, run

if TYPE_CHECKING:
    import boto3

#: Exit codes; ``ERROR`` is another.
COMPLIANT, WRONG_USAGE, NON_COMPLIANT = 0, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Show the preview. Return the exit code that ``--help`` describes."""
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if (wrong := mistake(arguments)) is not None:
        command_line.error(wrong)

    def show() -> int:
        _check_output(arguments)
        found = _preview_account(arguments) if arguments.organization is None else _preview_organization(arguments)
        if found.errors:
            return ERROR
        return COMPLIANT if found.is_compliant else NON_COMPLIANT

    return run("preview", show, "stopped; nothing was changed.")


def _writes_tables(arguments: argparse.Namespace) -> bool:
    return not (arguments.json or arguments.csv or arguments.html == "-")


def _check_output(arguments: argparse.Namespace) -> None:
    """Raise ToolError if the preview could not be written, before minutes are spent on reading."""
    if _writes_tables(arguments) and find_spec("rich") is None:
        raise ToolError("the tables need the package rich: run pip install rich, or choose --json, --csv or --html -.")
    if arguments.html not in (None, "-"):
        check_writable(arguments.html)


class _Caller:
    """The caller's own account, and the regions to read. Raises ToolError if these cannot be found out."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.session = open_session(arguments.profile, None)
        home = self.session.region_name
        self.chosen = tuple(dict.fromkeys(arguments.region)) or ((home,) if home and not arguments.all_regions else ())
        for region in self.chosen:
            self.session.get_partition_for_region(region)
        if not self.chosen and not arguments.all_regions:
            raise ToolError("no region is set: name one with --region, set AWS_REGION, or choose --all-regions.")
        self.clients = Clients(lambda: Pace(arguments.rate), self.session)
        regions = [*([home] if home else []), *self.chosen]
        #: ``region``: one that accepts the credentials.
        self.account, self.region = identify(self.clients, regions or ["us-east-1"])


def _preview_account(arguments: argparse.Namespace) -> Preview:
    """Read the caller's account, and write what was found."""
    with _progress("APIs") as show_progress:
        try:
            caller = _Caller(arguments)
            account = caller.account
            policy = policy_of(arguments, account.partition, account.account_id)
            clients = caller.clients
            preview = read_account(lambda: clients, caller.session, account, caller.chosen, policy, show_progress)
        except (BotoCoreError, ClientError) as error:
            raise ToolError(explain(error)) from error
    if arguments.html == "-":
        sys.stdout.write(to_html(preview))
    elif arguments.html is not None:
        _write_page(arguments.html, lambda page: page.write(to_html(preview)))
    if arguments.json:
        sys.stdout.write(to_json(preview))
    elif arguments.csv:
        sys.stdout.write(to_csv(preview))
    elif _writes_tables(arguments):
        from preview.report_terminal import print_report

        print_report(preview)
    _write_end(arguments, preview.errors)
    return preview


def _preview_organization(arguments: argparse.Namespace) -> Totals:
    """Read the accounts of the caller's organization, and write what was found."""

    def new_clients(session: boto3.Session) -> Clients:
        return Clients(lambda: Pace(arguments.rate), session)

    def read(session: boto3.Session, account: Account, show_progress: ShowProgress) -> Preview:
        # New clients for each region, because those of a region take some MB.
        return read_account(lambda: new_clients(session), session, account, caller.chosen, totals.policy, show_progress)

    with _progress("accounts") as show_progress:
        try:
            caller = _Caller(arguments)
            show_progress("units of the organization", 0, None)
            organization = list_organization(caller.session, caller.region)
            members = choose(organization, arguments)
            sts, partition = caller.clients.sts(caller.region), caller.account.partition
            roles = RoleSessions(sts, partition, arguments.organization, arguments.external_id, arguments.profile)
        except (BotoCoreError, ClientError) as error:
            raise ToolError(explain(error)) from error
        totals = Totals(
            organization.organization_id,
            arguments.organization,
            policy_of(arguments, partition),
            datetime.now(UTC),
            len(organization.members) - len(members),
        )
        reports = _organization_reports(arguments)
        reader = MemberReader(caller.account, caller.session, roles, read)
        for found in read_members(members, reader.read_member, show_progress):
            totals.add(found)
            for report in reports.values():
                report.add(found)
    totals.arrange(members)
    for file, report in reports.items():
        if file == "-":
            report.write(totals, members, sys.stdout)
        else:
            _write_page(file, partial(report.write, totals, members))
    _write_end(arguments, totals.errors)
    return totals


def _organization_reports(arguments: argparse.Namespace) -> dict[str, OrganizationReport]:
    """Return the reports that the options ask for, each by its file; ``-`` is stdout."""
    form: Form
    if arguments.json:
        form = Json()
    elif arguments.csv:
        form = Csv()
    elif arguments.html == "-":
        form = Html()
    else:
        from preview.report_terminal import Terminal

        form = Terminal()
    reports = {"-": OrganizationReport(form)}
    if arguments.html not in (None, "-"):
        reports[arguments.html] = OrganizationReport(Html())
    return reports


@contextmanager
def _progress(unit: str) -> Iterator[ShowProgress]:
    """Show a progress bar if rich is installed and stderr is a terminal. ``unit``: what it counts."""
    if find_spec("rich") is None:
        yield show_no_progress
        return
    from preview.report_terminal import progress

    with progress(unit) as show_progress:
        yield show_progress


def _write_page(file: str, write: Callable[[TextIO], object]) -> None:
    try:
        with Path(file).open("w", encoding="utf-8") as page:
            write(page)
    except OSError as error:
        raise ToolError(f"{file} could not be written: {error.strerror}.") from error


def _write_end(arguments: argparse.Namespace, errors: Iterable[str]) -> None:
    """Write which file has the page, and the errors if they are not in the tables."""
    if arguments.html not in (None, "-"):
        print(f"The page is {arguments.html}.", file=sys.stdout if _writes_tables(arguments) else sys.stderr)
    if not _writes_tables(arguments):
        for sentence in errors:
            print(f"preview: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    exit_with("preview", main)
