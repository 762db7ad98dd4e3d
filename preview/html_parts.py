"""The parts of the preview's HTML pages, of one account or of an organization. Pure.

JavaScript only filters and sorts the stages; without it the page shows everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from log_keeper.policy.findings import Finding
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol
from preview import html_page
from preview.html_page import text
from preview.model import Count, StagePreview
from preview.outcomes import APPEARANCES
from preview.words import Step, finding_in_words, points, policy_parameters

#: The columns of the table of stages.
COLUMNS = {
    "stage": "Stage",
    "outcome": "Outcome",
    "why": "Required changes, and why",
    "protocol": "Protocol",
    "region": "Region",
    "owner": "Owner",
}

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_FOLDER / "page.js").read_text(encoding="utf-8")


def page_begin(title: str, when: datetime, what: str) -> str:
    """Return the page up to its first section. ``title``: escaped. ``what``: the source of the data, escaped."""
    at = f"{when:%Y-%m-%d %H:%M} UTC"
    return f"""{html_page.begin(f"{title}, {at}", _STYLE, _SCRIPT)}<header>
<h1>{title}</h1>
<p class="quiet">Read on {at} in {what} by Log Keeper's preview. Nothing was changed.</p>
</header>
<main>
"""


def page_end(policy: Policy) -> str:
    """Return the last section, which shows the policy, and the end of the page."""
    return f"""<h2>Policy</h2>
{_policy(policy)}
</main>
{html_page.end(_SCRIPT)}"""


def summary(headline: str, counted: Count, *, is_complete: bool, is_compliant: bool) -> str:
    """Return the headline, and below it a bar that shows the share of each outcome."""
    state = "is-incomplete" if not is_complete else "is-compliant" if is_compliant else "is-non-compliant"
    # The bar is an SVG image, because the page's content security policy forbids widths in style attributes.
    bar, begin = "", 0
    for outcome, number in counted.by_outcome.items():
        bar += f'<rect class="{APPEARANCES[outcome].css_class}" x="{begin}" width="{number}" height="1"></rect>'
        begin += number
    key = "".join(
        f'<span><b class="{APPEARANCES[outcome].css_class}">&#9632;</b> {number} {outcome}</span>'
        for outcome, number in counted.by_outcome.items()
    )
    drawn = (
        f'<svg class="bar" viewBox="0 0 {counted.evaluated} 1" preserveAspectRatio="none" aria-hidden="true">'
        f'{bar}</svg><p class="key quiet">{key}</p>'
        if counted.evaluated
        else ""
    )
    return f'<p class="headline {state}">{text(headline)}</p>\n{drawn}'


def errors(sentences: Iterable[str]) -> str:
    """Return the box that says what could not be read; empty without sentences."""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    if not items:
        return ""
    return f'<div class="errors" role="alert"><strong>Not everything could be read</strong><ul>{items}</ul></div>'


def protocols(by_protocol: Mapping[Protocol, Count]) -> str:
    """Return the table of the numbers of stages by protocol."""
    of_all = sum(by_protocol.values(), Count.none())
    rows = [counted_row(f'<th scope="row">{protocol} APIs</th>', counted) for protocol, counted in by_protocol.items()]
    rows.append(counted_row('<th scope="row">all</th>', of_all, "all"))
    return table(f'<th scope="col">Stages of</th>{count_heads()}', rows)


def count_heads() -> str:
    """Return the headings of the columns of numbers."""
    return "".join(f'<th scope="col" class="number">{head[0].upper()}{head[1:]}</th>' for head in Count.none().in_words)


def counted_row(first: str, counted: Count, css_class: str = "") -> str:
    """Return a row of numbers. ``first``: the cells before them, as HTML."""
    cells = "".join(f'<td class="number">{number}</td>' for number in counted.in_words.values())
    return f'<tr class="{css_class}">{first}{cells}</tr>'


def table(heads: str, rows: Iterable[str]) -> str:
    """Return a table of these headings and rows."""
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def findings(found: Iterable[tuple[str, Finding]]) -> str:
    """Return the list of findings, each with its place, and with its heading; empty if there are none."""
    items = "".join(
        f"<li><strong>{text(where)}</strong>: {text(finding_in_words(finding))}</li>" for where, finding in found
    )
    return f"<h2>Findings that need action</h2><ul>{items}</ul>" if items else ""


def stages_begin(columns: Mapping[str, str], selects: str) -> str:
    """Return the filter, and the table of stages up to its first row. ``selects``: the lists to choose from."""
    heads = "".join(f'<th scope="col" data-key="{key}">{name}</th>' for key, name in columns.items())
    return f"""<form id="filter" hidden>
<label class="wide">Search
<input name="q" type="search" autocomplete="off" placeholder="name of an API, a setting, ..."></label>
{selects}
<button type="reset">Show all</button>
</form>
<output id="shown" class="quiet" form="filter"></output>
<div class="scroll"><table id="stages"><thead><tr>{heads}</tr></thead>
<tbody>
"""


STAGES_END = """
</tbody></table></div>
<p id="none" hidden>No stage matches the filter.</p>"""


def select(name: str, label: str, values: Iterable[str] | Mapping[str, str]) -> str:
    """Return a list to choose from. ``values``: those of the rows, or a mapping from them to what is shown."""
    if isinstance(values, Mapping):
        options = "".join(f'<option value="{text(value)}">{text(shown)}</option>' for value, shown in values.items())
    else:
        options = "".join(f"<option>{text(value)}</option>" for value in values)
    return html_page.select(name, label, options)


def outcome_and_protocol(outcomes: Iterable[Outcome], used: Iterable[Protocol]) -> str:
    """Return the lists of outcomes and protocols to choose from."""
    return select("outcome", "Outcome", list(outcomes)) + select("protocol", "Protocol", list(used))


def stage_row(
    preview: StagePreview,
    policy: Policy,
    columns: Mapping[str, str] = COLUMNS,
    further: Mapping[str, str] | None = None,
    attributes: str = "",
) -> str:
    """Return the row of a stage. ``further``: other cells, by column. ``attributes``: further ones of the row."""
    stage, outcome, owner = preview.stage, preview.outcome, preview.evaluation.owner
    said = points(preview, policy)
    name, api_id, region = text(preview.name), text(stage.ref.api_id), text(stage.ref.region)
    cells = {
        "stage": f'<td class="stage-cell" data-sort="{name}"><strong>{name.replace("/", "/<wbr>")}</strong><br>'
        f"<small><code>{api_id}</code></small></td>",
        "outcome": f'<td{label("Outcome")}><span class="pill {APPEARANCES[outcome].css_class}">{outcome}</span></td>',
        "why": f'<td{label(columns["why"], "why-cell", empty=not said)} data-sort="{len(said)}">'
        f"{f'<ul>{"".join(map(_point, said))}</ul>' if said else '<span class="quiet">none</span>'}</td>",
        "protocol": f"<td{label('Protocol')}>{stage.protocol}</td>",
        "region": f"<td{label('Region')}>{region}</td>",
        "owner": f"<td{label('Owner', 'words', empty=owner is None)}>{text(owner or '')}</td>",
        **(further or {}),
    }
    row = "".join(cells[key] for key in columns)
    data = f'data-outcome="{outcome}" data-protocol="{stage.protocol}" data-region="{region}"'
    return f"<tr {data}{attributes}>{row}</tr>"


def _point(point: Step) -> str:
    why = f': <span class="why">{text(point.why)}</span>' if point.why else ""
    group = f" <code>{text(point.log_group)}</code>" if point.log_group else ""
    return f"<li>{text(point.what)}{why}{group}</li>"


def label(heading: str, css_class: str = "", *, empty: bool = False) -> str:
    """Return the attributes of a cell. A narrow screen shows no head of the table, but the label of each cell."""
    return f' class="{" ".join(filter(None, (css_class, "is-empty" if empty else "")))}" data-label="{heading}"'


def _policy(policy: Policy) -> str:
    parameters = "".join(
        f"<dt>{name}</dt><dd><code>{text(value) or 'empty'}</code></dd>"
        for name, value in policy_parameters(policy).items()
    )
    formats = "".join(
        f"<dt>{protocol}</dt><dd><pre>{text(policy.access_log_formats[protocol])}</pre></dd>" for protocol in Protocol
    )
    return (
        f"<p>The preview used this policy. Access logs are always on. Execution logs are at ERROR, and at INFO while a "
        f"stage has the tag <code>{text(policy.info_tag_key)}</code>. The parameters are those of Log Keeper's "
        f"template.</p>"
        f"<dl>{parameters}</dl><details><summary>Access log format, by protocol</summary>"
        f"<dl>{formats}</dl></details>"
    )
