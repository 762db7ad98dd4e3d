"""A preview as one HTML page for auditors and managers. Pure.

The page is one file and loads nothing from the network. JavaScript only filters and sorts the stages; without it the
page shows everything. The page's content security policy allows only ``page.css`` and ``page.js``, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path

from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol
from preview.model import Count, Preview, RegionPreview, StagePreview, count, count_by_protocol
from preview.outcomes import APPEARANCES
from preview.words import (
    Step,
    finding_in_words,
    headline,
    points,
    policy_parameters,
    printable,
    role_in_words,
    trail_in_words,
)

_COLUMNS = {
    "stage": "Stage",
    "outcome": "Outcome",
    "why": "Required changes, and why",
    "protocol": "Protocol",
    "region": "Region",
    "owner": "Stack",
}

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_FOLDER / "page.js").read_text(encoding="utf-8")


def to_html(preview: Preview) -> str:
    """Return the page. All text that comes from AWS or from the user is escaped."""
    when = f"{preview.generated_at:%Y-%m-%d %H:%M} UTC"
    title = f"API Gateway logging in account {_text(preview.account.account_id)}"
    regions = ", ".join(_text(region.region) for region in preview.regions)
    content_policy = f"default-src 'none'; style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'; base-uri 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(content_policy)}; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}, {when}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="quiet">Read on {when} in {regions} by Log Keeper's preview. Nothing was changed.</p>
</header>
<main>
{_summary(preview)}
{_errors(preview)}
<h2>Summary</h2>
{_protocols(preview)}
<h2>Regions</h2>
{_regions(preview)}
{_findings(preview)}
<h2>Stages</h2>
{_stages(preview)}
<h2>Policy</h2>
{_policy(preview.policy)}
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _summary(preview: Preview) -> str:
    """Return the headline, and below it a bar that shows the share of each outcome."""
    state = "is-incomplete" if preview.errors else "is-compliant" if preview.is_compliant else "is-non-compliant"
    counted = count(preview.stages)
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
    return f'<p class="headline {state}">{_text(headline(preview))}</p>\n{drawn}'


def _errors(preview: Preview) -> str:
    if not preview.errors:
        return ""
    items = "".join(f"<li>{_text(error)}</li>" for error in preview.errors)
    return f'<div class="errors" role="alert"><strong>Not everything could be read</strong><ul>{items}</ul></div>'


def _protocols(preview: Preview) -> str:
    rows = [_counted(f"{protocol} APIs", counted) for protocol, counted in count_by_protocol(preview.stages).items()]
    of_all = count(preview.stages)
    rows.append(_counted("all", of_all, "all"))
    heads = "".join(f'<th scope="col" class="number">{head[0].upper()}{head[1:]}</th>' for head in of_all.in_words)
    return _table(f'<th scope="col">Stages of</th>{heads}', rows)


def _counted(name: str, counted: Count, css_class: str = "") -> str:
    cells = "".join(f'<td class="number">{number}</td>' for number in counted.in_words.values())
    return f'<tr class="{css_class}"><th scope="row">{name}</th>{cells}</tr>'


def _regions(preview: Preview) -> str:
    heads = (
        '<th scope="col">Region</th><th scope="col" class="number">Stages</th>'
        f'<th scope="col" class="number">{Outcome.WOULD_BE_REMEDIATED.capitalize()}</th>'
        '<th scope="col">The account\'s CloudWatch log role</th><th scope="col">CloudTrail coverage</th>'
    )
    regions = _text(", ".join(preview.regions_not_enabled))
    left_out = f'<p class="quiet">Left out, because the account has not enabled them: {regions}.</p>' if regions else ""
    return _table(heads, [_region(region) for region in preview.regions]) + left_out


def _region(region: RegionPreview) -> str:
    counted = count(region.stages)
    numbers: tuple[object, object] = (counted.evaluated, counted.by_outcome[Outcome.WOULD_BE_REMEDIATED])
    evaluated, would_change = ("?", "?") if region.is_unread else numbers
    return (
        f'<tr><th scope="row">{_text(region.region)}</th><td class="number">{evaluated}</td>'
        f'<td class="number">{would_change}</td><td class="words">{_text(role_in_words(region))}</td>'
        f'<td class="words">{_text(trail_in_words(region))}</td></tr>'
    )


def _table(heads: str, rows: Iterable[str]) -> str:
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _findings(preview: Preview) -> str:
    """Return the list of findings with its heading; empty if there are none."""
    if not preview.findings:
        return ""
    items = "".join(
        f"<li><strong>{_text(region.region if stage is None else f'{region.region}, {stage.name}')}</strong>: "
        f"{_text(finding_in_words(finding))}</li>"
        for region, stage, finding in preview.findings
    )
    return f"<h2>Findings that need action</h2><ul>{items}</ul>"


def _stages(preview: Preview) -> str:
    if not preview.stages:
        return "<p>There are no stages.</p>"
    heads = "".join(f'<th scope="col" data-key="{key}">{name}</th>' for key, name in _COLUMNS.items())
    rows = "\n".join(_stage(stage, preview.policy) for stage in preview.stages)
    outcomes = dict.fromkeys(stage.outcome for stage in preview.stages)
    protocols = dict.fromkeys(stage.stage.protocol for stage in preview.stages)
    regions = [region.region for region in preview.regions if region.stages]
    selects = _select("outcome", "Outcome", outcomes) + _select("protocol", "Protocol", protocols)
    return f"""<form id="filter" hidden>
<label class="wide">Search
<input name="q" type="search" autocomplete="off" placeholder="name of an API, a setting, ..."></label>
{selects}{_select("region", "Region", regions)}
<button type="reset">Show all</button>
</form>
<output id="shown" class="quiet" form="filter"></output>
<div class="scroll"><table id="stages"><thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
<p id="none" hidden>No stage matches the filter.</p>"""


def _select(name: str, label: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{_text(value)}</option>" for value in values)
    return f'<label>{label}<select name="{name}"><option value="">all</option>{options}</select></label>'


def _stage(preview: StagePreview, policy: Policy) -> str:
    stage, outcome = preview.stage, preview.outcome
    said = points(preview, policy)
    name, api_id, region = _text(preview.name), _text(stage.ref.api_id), _text(stage.ref.region)
    cells = {
        "stage": f'<td class="stage-cell" data-sort="{name}"><strong>{name.replace("/", "/<wbr>")}</strong><br>'
        f"<small><code>{api_id}</code></small></td>",
        "outcome": f'<td{_label("outcome")}><span class="pill {APPEARANCES[outcome].css_class}">{outcome}</span></td>',
        "why": f'<td{_label("why", "why-cell", empty=not said)} data-sort="{len(said)}">'
        f"{f'<ul>{"".join(map(_point, said))}</ul>' if said else '<span class="quiet">none</span>'}</td>",
        "protocol": f"<td{_label('protocol')}>{stage.protocol}</td>",
        "region": f"<td{_label('region')}>{region}</td>",
        "owner": f"<td{_label('owner', 'words', empty=stage.owner is None)}>{_text(stage.owner or '')}</td>",
    }
    row = "".join(cells[key] for key in _COLUMNS)
    return f'<tr data-outcome="{outcome}" data-protocol="{stage.protocol}" data-region="{region}">{row}</tr>'


def _point(point: Step) -> str:
    why = f': <span class="why">{_text(point.why)}</span>' if point.why else ""
    group = f" <code>{_text(point.log_group)}</code>" if point.log_group else ""
    return f"<li>{_text(point.what)}{why}{group}</li>"


def _label(key: str, css_class: str = "", *, empty: bool = False) -> str:
    """Return the attributes of a cell. A narrow screen shows no head of the table, but the label of each cell."""
    return f' class="{" ".join(filter(None, (css_class, "is-empty" if empty else "")))}" data-label="{_COLUMNS[key]}"'


def _policy(policy: Policy) -> str:
    parameters = "".join(
        f"<dt>{name}</dt><dd><code>{_text(value) or 'empty'}</code></dd>"
        for name, value in policy_parameters(policy).items()
    )
    formats = "".join(
        f"<dt>{protocol}</dt><dd><pre>{_text(policy.access_log_formats[protocol])}</pre></dd>" for protocol in Protocol
    )
    return (
        f"<p>The preview used this policy. Access logs are always on. Execution logs are at ERROR, and at INFO while a "
        f"stage has the tag <code>{_text(policy.info_tag_key)}</code>. The parameters are those of Log Keeper's "
        f"template.</p>"
        f"<dl>{parameters}</dl><details><summary>Access log format, by protocol</summary>"
        f"<dl>{formats}</dl></details>"
    )
