"""A preview of an organization as one HTML page, to filter by unit, account and region. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from log_keeper.policy.results import Outcome
from preview import html_parts as parts
from preview.html_page import text
from preview.members import Member, MemberPreview, Row, Totals, headline
from preview.model import Count

_COLUMNS = {
    "stage": "Stage",
    "outcome": "Outcome",
    "why": parts.COLUMNS["why"],
    "account": "Account",
    "unit": "Unit",
    "region": "Region",
    "protocol": "Protocol",
    "owner": "Owner",
}


class Html:
    """The page: totals, tables by unit, account and region, and all stages."""

    separator = "\n"

    def part(self, found: MemberPreview) -> str:
        """Return the rows of the account's stages."""
        if found.preview is None:
            return ""
        member, policy = found.member, found.preview.policy
        further = {"account": _account_cell(member), "unit": _unit_cell(member)}
        attributes = f' data-account="{member.account_id}" data-unit="{text("/".join(member.unit_ids))}"'
        return "\n".join(
            parts.stage_row(stage, policy, _COLUMNS, further, attributes) for stage in found.preview.stages
        )

    def before(self, totals: Totals) -> str:
        """Return the page up to the first row of its stages."""
        title = f"API Gateway logging in organization {text(totals.organization_id)}"
        number = len(totals.rows)
        what = f"{number} {'account' if number == 1 else 'accounts'}"
        counted = totals.count
        summary = parts.summary(
            headline(totals), counted, is_complete=not totals.errors, is_compliant=totals.is_compliant
        )
        return f"""{parts.page_begin(title, totals.generated_at, what)}\
{summary}
{parts.errors(totals.errors)}
<h2>Summary</h2>
{parts.protocols(totals.by_protocol)}
<h2>Organizational units</h2>
<p class="quiet">The numbers of a unit include those of the units below it. A link filters the stages.</p>
{_units(totals)}
<h2>Regions</h2>
{_regions(totals)}
<h2>Accounts</h2>
{_accounts(totals)}
{parts.findings(totals.all_findings)}
<h2>Stages</h2>
{parts.stages_begin(_COLUMNS, _selects(totals)) if counted.evaluated else "<p>There are no stages.</p>"}"""

    def after(self, totals: Totals) -> str:
        """Return the page after the last row of its stages."""
        return f"{parts.STAGES_END if totals.count.evaluated else ''}\n{parts.page_end(totals.policy)}"


def _account_cell(member: Member) -> str:
    name = text(member.name)
    return (
        f'<td{parts.label("Account", "words")} data-sort="{name} {member.account_id}">{name}<br>'
        f"<small><code>{member.account_id}</code></small></td>"
    )


def _unit_cell(member: Member) -> str:
    path = text(member.unit_path)
    return (
        f'<td{parts.label("Unit", "words unit")} data-sort="{path}">{path.replace("/", "/<wbr>")}<br>'
        f"<small><code>{text(member.unit_id)}</code></small></td>"
    )


def _link(shown: str, **choice: str) -> str:
    """Return a link that filters the stages."""
    return f'<a href="#{text(urlencode(choice))}">{text(shown)}</a>'


def _members(totals: Totals) -> list[Member]:
    return [rows[0].member for rows in totals.rows.values() if rows]


def _paths(members: Iterable[Member]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the units that contain the accounts, and those above them: IDs and names from the root on."""
    paths: dict[tuple[str, ...], tuple[str, ...]] = {}
    for member in members:
        for depth in range(1, len(member.unit_ids) + 1):
            paths.setdefault(member.unit_ids[:depth], member.unit_names[:depth])
    return paths


def _sum(rows: Iterable[Row]) -> Count:
    return sum((row.count for row in rows if row.count is not None), Count.none())


def _units(totals: Totals) -> str:
    """Return the table of units: those that contain an account that was chosen, and those above them."""
    rows = []
    for ids, names in _paths(_members(totals)).items():
        inside = [row for row in totals.all_rows if row.member.unit_ids[: len(ids)] == ids]
        accounts = len({row.member.account_id for row in inside})
        path = "/".join(names)
        shown = _link(path, unit="/".join(ids)) if _sum(inside).evaluated else text(path)
        first = (
            f'<th scope="row" class="words">{shown}<br>'
            f'<small><code>{text(ids[-1])}</code></small></th><td class="number">{accounts}</td>'
        )
        rows.append(parts.counted_row(first, _sum(inside)))
    heads = f'<th scope="col">Unit</th><th scope="col" class="number">Accounts</th>{parts.count_heads()}'
    return parts.table(heads, rows)


def _regions(totals: Totals) -> str:
    regions = sorted({row.region for row in totals.all_rows if row.region})
    rows = []
    for region in regions:
        inside = [row for row in totals.all_rows if row.region == region]
        shown = _link(region, region=region) if _sum(inside).evaluated else text(region)
        first = f'<th scope="row">{shown}</th><td class="number">{len(inside)}</td>'
        rows.append(parts.counted_row(first, _sum(inside)))
    heads = f'<th scope="col">Region</th><th scope="col" class="number">Accounts</th>{parts.count_heads()}'
    return parts.table(heads, rows)


def _accounts(totals: Totals) -> str:
    heads = (
        '<th scope="col">Account</th><th scope="col">Unit</th><th scope="col">Region</th>'
        f'<th scope="col" class="number">Stages</th><th scope="col" class="number">'
        f"{Outcome.WOULD_BE_REMEDIATED.capitalize()}</th>"
        '<th scope="col">The account\'s CloudWatch log role</th><th scope="col">CloudTrail coverage</th>'
    )
    return parts.table(heads, map(_row, totals.all_rows)) + _left_out(totals)


def _row(row: Row) -> str:
    member = row.member
    name = _link(member.name, account=member.account_id) if row.count and row.count.evaluated else text(member.name)
    first = (
        f'<th scope="row" class="words">{name}<br>'
        f"<small><code>{member.account_id}</code></small></th>"
        f'<td class="words unit">{text(member.unit_path).replace("/", "/<wbr>")}<br>'
        f"<small><code>{text(member.unit_id)}</code></small></td>"
    )
    if not row.region:
        return f'<tr>{first}<td colspan="5">could not be read: the reason is at the top of the page</td></tr>'
    evaluated = "?" if row.count is None else row.count.evaluated
    would_change = "?" if row.count is None else row.count.by_outcome[Outcome.WOULD_BE_REMEDIATED]
    return (
        f"<tr>{first}<td>{text(row.region)}</td>"
        f'<td class="number">{evaluated}</td><td class="number">{would_change}</td>'
        f'<td class="words">{text(row.role)}</td><td class="words">{text(row.trail)}</td></tr>'
    )


def _left_out(totals: Totals) -> str:
    said = [f"{totals.left_out} accounts of the organization, by the options"] if totals.left_out else []
    said += [
        f"{', '.join(regions)} in {totals.rows[account_id][0].member.label}, because the account has not enabled them"
        for account_id, regions in totals.not_enabled.items()
        if regions and totals.rows[account_id]
    ]
    return "".join(f'<p class="quiet">Left out: {text(each)}.</p>' for each in said)


def _selects(totals: Totals) -> str:
    """Return the lists to choose from: only what a stage has, and each unit above it."""
    counted = totals.count
    used = [row for row in totals.all_rows if row.count is not None and row.count.evaluated]
    outcomes = [outcome for outcome, number in counted.by_outcome.items() if number]
    protocols = [protocol for protocol, number in totals.by_protocol.items() if number.evaluated]
    accounts = {row.member.account_id: row.member.label for row in used}
    paths = _paths(row.member for row in used)
    units = {"/".join(ids): "/".join(names) for ids, names in paths.items()}
    return (
        parts.outcome_and_protocol(outcomes, protocols)
        + parts.select("unit", "Unit", units)
        + parts.select("account", "Account", accounts)
        + parts.select("region", "Region", sorted({row.region for row in used}))
    )
