"""A preview for people at a terminal: tables on stdout, a progress bar on stderr.

The only module that imports rich, which is not in the functions' packages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from preview.model import Preview, RegionPreview, StagePreview, count, count_by_protocol
from preview.outcomes import APPEARANCES
from preview.reading import ShowProgress, show_no_progress
from preview.words import finding_in_words, headline, points, printable, role_in_words, trail_in_words


@contextmanager
def progress() -> Iterator[ShowProgress]:
    """Show a progress bar on stderr while regions are read; show nothing if stderr is not a terminal."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield show_no_progress
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("APIs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda region, done, of: bar.update(task, description=region, completed=done, total=of)


def print_report(preview: Preview) -> None:
    """Print the stages of each region with their required changes; then the summary, the regions and the findings."""
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for region in preview.regions:
        if region.stages:
            console.print(_stages(region, preview.policy))
    console.print(_summary(preview))
    console.print(_regions(preview))
    if preview.regions_not_enabled:
        regions = ", ".join(preview.regions_not_enabled)
        console.print(Text(f"Left out, because the account has not enabled them: {regions}\n"))
    for region, stage, finding in preview.findings:
        where = region.region if stage is None else f"{region.region}, {stage.name}"
        console.print(Text(f"Needs action: {where}: {finding_in_words(finding)}", style="magenta"))
    for error in preview.errors:
        console.print(Text(error, style="bold red"))
    style = "bold red" if preview.errors else "bold green" if preview.is_compliant else "bold yellow"
    console.print(Text(f"{headline(preview)} Nothing was changed.", style=style))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, expand=True)


def _stages(region: RegionPreview, policy: Policy) -> Table:
    table = _table(region.region)
    table.add_column("stage", ratio=3, overflow="fold")
    table.add_column("required changes, and why", ratio=7, overflow="fold")
    for number, stage in enumerate(region.stages):
        if number:
            table.add_row()
        ref, owner = stage.stage.ref, stage.stage.owner
        name = Text(stage.name, style="bold").append(f"\n{stage.outcome}", style=APPEARANCES[stage.outcome].colour)
        name.append(f"\n{stage.stage.protocol} {ref.api_id}", style="not bold dim")
        if owner is not None:
            name.append(f"\nstack {printable(owner)}", style="not bold dim")
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


def _summary(preview: Preview) -> Table:
    table = _table(f"Account {preview.account.account_id}")
    table.add_column("protocol")
    of_all = count(preview.stages)
    for word in of_all.in_words:
        # The width of the longest word: with widths of its own, rich cuts off a word of the heading at 80 columns.
        table.add_column(word, justify="right", width=max(map(len, word.split())))
    for protocol, counted in count_by_protocol(preview.stages).items():
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
