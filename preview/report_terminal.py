"""A preview for people at a terminal: tables on stdout, a progress bar on stderr.

The only module that imports rich, which is not in the functions' packages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from log_keeper.policy.findings import Finding
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol
from preview.members import MemberPreview, Row, Totals
from preview.members import headline as organization_headline
from preview.model import Count, Preview, StagePreview, count, count_by_protocol
from preview.outcomes import APPEARANCES
from preview.reading import ShowProgress, show_no_progress
from preview.words import finding_in_words, headline, points, printable, role_in_words, trail_in_words


@contextmanager
def progress(unit: str) -> Iterator[ShowProgress]:
    """Show a progress bar on stderr meanwhile; show nothing if stderr is not a terminal. ``unit``: what is counted."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield show_no_progress
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda region, done, of: bar.update(task, description=region, completed=done, total=of)


def print_report(preview: Preview) -> None:
    """Print the stages of each region with their required changes; then the summary, the regions and the findings."""
    console = _console()
    for region in preview.regions:
        if region.stages:
            console.print(_stages(region.region, region.stages, preview.policy))
    console.print(_summary(f"Account {preview.account.account_id}", count_by_protocol(preview.stages)))
    console.print(_regions(preview))
    if preview.regions_not_enabled:
        regions = ", ".join(preview.regions_not_enabled)
        console.print(Text(f"Left out, because the account has not enabled them: {regions}\n"))
    findings = [
        (region.region if stage is None else f"{region.region}, {stage.name}", finding)
        for region, stage, finding in preview.findings
    ]
    _print_end(console, findings, preview.errors, headline(preview), is_compliant=preview.is_compliant)


class Terminal:
    """The preview of an organization: stages that need something, then a table of all accounts, then the summary."""

    separator = ""

    def __init__(self) -> None:
        self._console = _console()

    def part(self, found: MemberPreview) -> str:
        """Return the tables of the account's stages. Compliant stages are only counted, in the table of accounts."""
        if found.preview is None:
            return ""
        member = found.member
        with self._console.capture() as captured:
            for region in found.preview.regions:
                stages = [stage for stage in region.stages if points(stage, found.preview.policy)]
                if stages:
                    title = f"{member.label}, {member.unit_path}, {region.region}"
                    self._console.print(_stages(title, stages, found.preview.policy))
        return captured.get()

    def before(self, _: Totals) -> str:
        """Return nothing."""
        return ""

    def after(self, totals: Totals) -> str:
        """Return the summary, the table of accounts, and what needs action."""
        console = self._console
        with console.capture() as captured:
            console.print(_summary(f"Organization {totals.organization_id}", totals.by_protocol))
            console.print(_accounts(totals))
            if totals.left_out:
                console.print(Text(f"Left out by the options: {totals.left_out} accounts.\n"))
            for account_id, regions in totals.not_enabled.items():
                if regions:
                    said = f"{', '.join(regions)} in {account_id}, because the account has not enabled them"
                    console.print(Text(f"Left out: {said}\n"))
            _print_end(
                console,
                totals.all_findings,
                totals.errors,
                organization_headline(totals),
                is_compliant=totals.is_compliant,
            )
        return captured.get()


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def _print_end(
    console: Console, findings: list[tuple[str, Finding]], errors: list[str], headline: str, *, is_compliant: bool
) -> None:
    for where, finding in findings:
        console.print(Text(f"Needs action: {where}: {finding_in_words(finding)}", style="magenta"))
    for error in errors:
        console.print(Text(error, style="bold red"))
    style = "bold red" if errors else "bold green" if is_compliant else "bold yellow"
    console.print(Text(f"{headline} Nothing was changed.", style=style))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, expand=True)


def _stages(title: str, stages: Iterable[StagePreview], policy: Policy) -> Table:
    table = _table(title)
    table.add_column("stage", ratio=3, overflow="fold")
    table.add_column("required changes, and why", ratio=7, overflow="fold")
    for number, stage in enumerate(stages):
        if number:
            table.add_row()
        ref, owner = stage.stage.ref, stage.evaluation.owner
        name = Text(stage.name, style="bold").append(f"\n{stage.outcome}", style=APPEARANCES[stage.outcome].colour)
        name.append(f"\n{stage.stage.protocol} {ref.api_id}", style="not bold dim")
        if owner is not None:
            name.append(f"\nowner {printable(owner)}", style="not bold dim")
        table.add_row(name, _reasons(stage, policy))
    return table


def _reasons(stage: StagePreview, policy: Policy) -> Table | Text:
    """Return the cell with the changes of one stage, one row for each, so that wrapped lines are indented."""
    said = points(stage, policy)
    if not said:
        return Text("none", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for point in said:
        text = Text(point.what).append(f": {point.why}", style="dim") if point.why else Text(point.what, style="cyan")
        grid.add_row("-", text)
    return grid


def _summary(title: str, by_protocol: Mapping[Protocol, Count]) -> Table:
    table = _table(title)
    table.add_column("protocol")
    of_all = sum(by_protocol.values(), Count.none())
    for word in of_all.in_words:
        # The width of the longest word: with widths of its own, rich cuts off a word of the heading at 80 columns.
        table.add_column(word, justify="right", width=max(map(len, word.split())))
    for protocol, counted in by_protocol.items():
        table.add_row(protocol, *map(str, counted.in_words.values()))
    table.add_section()
    table.add_row("all", *map(str, of_all.in_words.values()), style="bold")
    return table


def _regions(preview: Preview) -> Table:
    table = _table("Regions")
    table.add_column("region", no_wrap=True)
    table.add_column("stages", justify="right")
    table.add_column(Outcome.WOULD_BE_REMEDIATED, justify="right")
    table.add_column("the account's log role", ratio=3, overflow="fold")
    table.add_column("CloudTrail coverage", ratio=2, overflow="fold")
    for region in preview.regions:
        counted = count(region.stages)
        table.add_row(
            region.region,
            "?" if region.is_unread else str(counted.evaluated),
            "?" if region.is_unread else str(counted.by_outcome[Outcome.WOULD_BE_REMEDIATED]),
            Text(role_in_words(region), style="yellow" if region.needs_valid_role else ""),
            Text(trail_in_words(region), style="" if region.has_trail else "magenta"),
        )
    return table


def _accounts(totals: Totals) -> Table:
    """Return the table of accounts, with a row for each region, or with the reason why the account was not read."""
    table = _table("Accounts")
    table.add_column("account", ratio=4, overflow="fold")
    table.add_column("region", no_wrap=True)
    table.add_column("stages", justify="right", width=6)
    table.add_column(Outcome.WOULD_BE_REMEDIATED, justify="right", width=10)
    table.add_column("log role, CloudTrail coverage", ratio=5, overflow="fold")
    for rows in totals.rows.values():
        for number, row in enumerate(rows):
            member = row.member
            name = Text("") if number else Text(member.name, style="bold")
            if not number:
                name.append(f"\n{member.account_id}\n{member.unit_path}\n{member.unit_id}", style="not bold dim")
            if not row.region:
                table.add_row(name, "-", "?", "?", Text("could not be read: see below", style="bold red"))
                continue
            counted = row.count
            table.add_row(
                name,
                row.region,
                "?" if counted is None else str(counted.evaluated),
                "?" if counted is None else str(counted.by_outcome[Outcome.WOULD_BE_REMEDIATED]),
                _coverage(row),
            )
    return table


def _coverage(row: Row) -> Text:
    role = Text(row.role, style="yellow" if row.needs_valid_role else "")
    return role if row.has_trail else role.append(f"\nCloudTrail: {row.trail}", style="magenta")
