"""A preview as one page for auditors and managers. Pure.

The page needs nothing but itself: no network, and no JavaScript but for the filter and the sorting, which hide nothing
when they are absent. Its own content security policy allows the one style and the one script below, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from log_keeper.results import Outcome
from log_keeper.settings import Settings
from log_keeper.stages import Protocol
from preview.outlook import Count, Preview, RegionPreview, StagePreview, count, count_by_protocol
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
    "why": "What would change, and why",
    "protocol": "Protocol",
    "region": "Region",
    "owner": "Stack",
}

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #17202c; --quiet: #56616f; --line: #d9dee5; --accent: #1b5fc1;
  --ok: #14683b; --ok-card: #e2f4e9; --act: #8a4b00; --act-card: #fdeed6; --exempt: #4b4f8f; --exempt-card: #ebebfa;
  --bad: #a1202c; --bad-card: #fdeaea; --head: #eef1f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2028; --ink: #e6ebf1; --quiet: #9fabb9; --line: #313a46; --accent: #82b1ff;
    --ok: #7fdba6; --ok-card: #16351f; --act: #ffc46b; --act-card: #402c0b; --exempt: #b9bcff; --exempt-card: #2a2b52;
    --bad: #ff9ba2; --bad-card: #451a1e; --head: #222a34;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.75rem 1.25rem 3rem; max-width: 82rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
p { margin: .25rem 0; }
.quiet, .why, small { color: var(--quiet); }
small { font-size: .85em; }
code { font: .87em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
[hidden] { display: none !important; }

.headline {
  margin: 1.1rem 0; padding: .9rem 1.1rem; border-radius: .5rem; border-left: .4rem solid; font-size: 1.15rem;
  font-weight: 600;
}
.headline.is-in-line { background: var(--ok-card); border-color: var(--ok); }
.headline.is-out { background: var(--act-card); border-color: var(--act); }
.headline.is-partial, .errors { background: var(--bad-card); border-color: var(--bad); }
.errors { padding: .7rem 1.1rem; border-radius: .5rem; border-left: .4rem solid var(--bad); }
.errors ul { margin: .25rem 0; padding-left: 1.1rem; }
.bar { display: block; width: 100%; height: .6rem; border-radius: .3rem; margin-bottom: .3rem; }
.bar .in-line, .key .in-line { fill: #2e9e5b; color: #2e9e5b; }
.bar .would-change, .key .would-change { fill: #e08a00; color: #e08a00; }
.bar .non-compliant, .key .non-compliant { fill: #c9303e; color: #c9303e; }
.bar .exempt, .key .exempt { fill: #7f84d6; color: #7f84d6; }
.key { margin-bottom: 1.1rem; }
.key span + span { margin-left: 1.1rem; }

.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--head); font-size: .85rem; white-space: nowrap; }
tbody th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.all > * { font-weight: 700; }
td ul { margin: 0; padding-left: 1rem; }
td li { overflow-wrap: anywhere; }
td li + li { margin-top: .25rem; }
td.why-cell { min-width: 22rem; width: 60%; }
td.stage-cell { overflow-wrap: anywhere; min-width: 11rem; }
td.words { overflow-wrap: anywhere; }
.pill { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-size: .85rem; white-space: nowrap; }
.pill.in-line { background: var(--ok-card); color: var(--ok); }
.pill.would-change { background: var(--act-card); color: var(--act); font-weight: 600; }
.pill.non-compliant { background: var(--bad-card); color: var(--bad); font-weight: 600; }
.pill.exempt { background: var(--exempt-card); color: var(--exempt); }

form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: 0 0 .6rem; }
form label { display: grid; gap: .15rem; font-size: .8rem; color: var(--quiet); }
form label.wide { flex: 1 1 16rem; }
input, select, form button {
  font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: .35rem;
  padding: .4rem .6rem; min-height: 2.35rem; width: 100%;
}
form button { width: auto; cursor: pointer; }
:is(input, select, button, summary):focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; white-space: nowrap;
}
th button::after { content: "\\2195"; margin-left: .4em; opacity: .4; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
#shown { display: block; margin: 0 0 .5rem; }

dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: .75rem; }
summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0 .75rem; font-size: .8rem; }

@media (max-width: 46rem) {
  body { padding: 1.1rem .8rem 2rem; }
  #stages thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  #stages, #stages tbody, #stages tr, #stages td { display: block; }
  #stages tr { padding: .6rem .8rem; border-bottom: 1px solid var(--line); }
  #stages tr:last-child { border-bottom: 0; }
  #stages td { padding: .12rem 0; border: 0; min-width: 0; width: auto; }
  #stages td:not(.stage-cell)::before {
    content: attr(data-label) ": "; color: var(--quiet); font-size: .85em;
  }
  #stages td.why-cell::before { display: block; }
  #stages td.is-empty { display: none; }
  #stages .stage-cell { font-size: 1.05rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  th, td { padding: .4rem .4rem; }
  thead th { white-space: normal; }
  tbody th { font-size: .9rem; }
}
@media print {
  :root {
    color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --quiet: #444; --line: #bbb; --head: #eee;
    --ok: #14683b; --ok-card: #fff; --act: #8a4b00; --act-card: #fff; --exempt: #4b4f8f; --exempt-card: #fff;
    --bad: #a1202c; --bad-card: #fff;
  }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  form, th button::after { display: none; }
  .scroll { overflow: visible; border: 0; }
  tr, .headline { break-inside: avoid; }
  h2 { break-after: avoid; }
  td.why-cell { min-width: 0; width: 50%; }
  td.stage-cell { min-width: 7rem; }
  .pill { padding: 0; }
}
"""

_SCRIPT = """
"use strict";
(() => {
  const form = document.getElementById("filter");
  const table = document.getElementById("stages");
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const heads = [...table.tHead.rows[0].cells];
  const keys = heads.map((head) => head.dataset.key);
  const order = new Intl.Collator(undefined, { numeric: true });
  const choices = ["outcome", "protocol", "region"];
  let sort = "";

  const filter = () => {
    const words = form.q.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const wanted = choices.filter((name) => form[name].value);
    let count = 0;
    for (const { row, text } of rows) {
      const fits = words.every((word) => text.includes(word))
        && wanted.every((name) => row.dataset[name] === form[name].value);
      row.hidden = !fits;
      count += fits;
    }
    const by = [...words, ...wanted.map((name) => form[name].value)];
    shown.textContent = by.length
      ? `${count} of ${rows.length} shown, those with: ${by.join(", ")}`
      : `All ${rows.length} shown`;
    none.hidden = count > 0;
  };

  const arrange = () => {
    const key = sort.replace(/^-/, "");
    const column = keys.indexOf(key);
    heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const value = ({ row }) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const sorted = column < 0 ? rows : rows.toSorted((one, other) =>
      order.compare(value(one), value(other)) * (sort.startsWith("-") ? -1 : 1));
    body.append(...sorted.map(({ row }) => row));
  };

  const remember = () => {
    const state = new URLSearchParams(new FormData(form));
    if (sort) state.set("sort", sort);
    for (const [name, value] of [...state]) if (!value) state.delete(name);
    history.replaceState(null, "", `#${state}`);
  };

  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    form.q.value = state.get("q") ?? "";
    for (const name of choices) {
      form[name].value = state.get(name) ?? "";
      if (form[name].selectedIndex < 0) form[name].value = "";
    }
    sort = state.get("sort") ?? "";
    filter();
    arrange();
  };

  heads.forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const key = head.dataset.key;
      sort = sort === key ? `-${key}` : key;
      arrange();
      remember();
    });
    head.replaceChildren(button);
  });
  form.addEventListener("input", () => { filter(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { sort = ""; filter(); arrange(); remember(); }));
  addEventListener("hashchange", recall);
  form.hidden = false;
  recall();
})();
"""


def to_html(preview: Preview) -> str:
    """The page. All text that is not of this file is escaped."""
    settings, when = preview.settings, f"{preview.generated_at:%Y-%m-%d %H:%M} UTC"
    title = f"API Gateway logging in account {_text(settings.account)}"
    regions = ", ".join(_text(region.region) for region in preview.regions)
    policy = f"default-src 'none'; style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'; base-uri 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}; form-action 'none'">
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
{_verdict(preview)}
{_errors(preview)}
<h2>Summary</h2>
{_protocols(preview)}
<h2>Regions</h2>
{_regions(preview)}
{_findings(preview)}
<h2>Stages</h2>
{_stages(preview)}
<h2>The policy that was used</h2>
{_policy(settings)}
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _verdict(preview: Preview) -> str:
    kind = "is-partial" if preview.errors else "is-in-line" if preview.is_in_line else "is-out"
    counted = count(preview.stages)
    # Drawn, since the page's own policy allows no widths in style attributes.
    bar, begin = "", 0
    for outcome, number in counted.by_outcome.items():
        bar += f'<rect class="{_class(outcome)}" x="{begin}" width="{number}" height="1"></rect>'
        begin += number
    key = "".join(
        f'<span><b class="{_class(outcome)}">&#9632;</b> {number} {outcome}</span>'
        for outcome, number in counted.by_outcome.items()
    )
    drawn = (
        f'<svg class="bar" viewBox="0 0 {counted.seen} 1" preserveAspectRatio="none" aria-hidden="true">'
        f'{bar}</svg><p class="key quiet">{key}</p>'
        if counted.seen
        else ""
    )
    return f'<p class="headline {kind}">{_text(headline(preview))}</p>\n{drawn}'


def _class(outcome: Outcome) -> str:
    """That the style above knows it by."""
    return outcome.replace(" ", "-")


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


def _counted(name: str, counted: Count, kind: str = "") -> str:
    cells = "".join(f'<td class="number">{number}</td>' for number in counted.in_words.values())
    return f'<tr class="{kind}"><th scope="row">{name}</th>{cells}</tr>'


def _regions(preview: Preview) -> str:
    heads = (
        '<th scope="col">Region</th><th scope="col" class="number">Stages</th>'
        '<th scope="col" class="number">Would change</th><th scope="col">The account\'s CloudWatch log role</th>'
        '<th scope="col">A trail that tells of changes</th>'
    )
    left_out = (
        f'<p class="quiet">Left out, since not enabled for the account: {_text(", ".join(preview.left_out))}.</p>'
        if preview.left_out
        else ""
    )
    return _table(heads, [_region(region) for region in preview.regions]) + left_out


def _region(region: RegionPreview) -> str:
    counted = count(region.stages)
    seen, out_of_line = ("?", "?") if region.is_closed else (counted.seen, counted.out_of_line)
    return (
        f'<tr><th scope="row">{_text(region.region)}</th><td class="number">{seen}</td>'
        f'<td class="number">{out_of_line}</td><td class="words">{_text(role_in_words(region))}</td>'
        f'<td class="words">{_text(trail_in_words(region))}</td></tr>'
    )


def _table(heads: str, rows: Iterable[str]) -> str:
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _findings(preview: Preview) -> str:
    """What is for somebody to look at."""
    if not preview.findings:
        return ""
    items = "".join(
        f"<li><strong>{_text(region.region if stage is None else f'{region.region}, {stage.name}')}</strong>: "
        f"{_text(finding_in_words(finding))}</li>"
        for region, stage, finding in preview.findings
    )
    return f"<h2>For somebody to look at</h2><ul>{items}</ul>"


def _stages(preview: Preview) -> str:
    if not preview.stages:
        return "<p>There are none.</p>"
    heads = "".join(f'<th scope="col" data-key="{key}">{name}</th>' for key, name in _COLUMNS.items())
    rows = "\n".join(_stage(stage, preview.settings) for stage in preview.stages)
    outcomes = dict.fromkeys(stage.outcome for stage in preview.stages)
    protocols = dict.fromkeys(stage.stage.protocol for stage in preview.stages)
    regions = [region.region for region in preview.regions if region.stages]
    selects = _select("outcome", "Outcome", outcomes) + _select("protocol", "Protocol", protocols)
    return f"""<form id="filter" hidden>
<label class="wide">Containing
<input name="q" type="search" autocomplete="off" placeholder="an API, a setting, ..."></label>
{selects}{_select("region", "Region", regions)}
<button type="reset">Show all</button>
</form>
<output id="shown" class="quiet" form="filter"></output>
<div class="scroll"><table id="stages"><thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
<p id="none" hidden>No stage fits the filter.</p>"""


def _select(name: str, label: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{_text(value)}</option>" for value in values)
    return f'<label>{label}<select name="{name}"><option value="">all</option>{options}</select></label>'


def _stage(preview: StagePreview, settings: Settings) -> str:
    stage, outcome = preview.stage, preview.outcome
    said = points(preview, settings)
    name, api_id, region = _text(preview.name), _text(stage.ref.api_id), _text(stage.ref.region)
    cells = {
        "stage": f'<td class="stage-cell" data-sort="{name}"><strong>{name.replace("/", "/<wbr>")}</strong><br>'
        f"<small><code>{api_id}</code></small></td>",
        "outcome": f'<td{_label("outcome")}><span class="pill {_class(outcome)}">{outcome}</span></td>',
        "why": f'<td{_label("why", "why-cell", empty=not said)} data-sort="{len(said)}">'
        f"{f'<ul>{"".join(map(_point, said))}</ul>' if said else '<span class="quiet">nothing</span>'}</td>",
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


def _label(key: str, kind: str = "", *, empty: bool = False) -> str:
    """Attributes of a cell: on a narrow screen, where there is no head, it is named by its label."""
    return f' class="{" ".join(filter(None, (kind, "is-empty" if empty else "")))}" data-label="{_COLUMNS[key]}"'


def _policy(settings: Settings) -> str:
    parameters = "".join(
        f"<dt>{name}</dt><dd><code>{_text(value) or 'empty'}</code></dd>"
        for name, value in policy_parameters(settings).items()
    )
    formats = "".join(
        f"<dt>{protocol}</dt><dd><pre>{_text(settings.policy.access_log_formats[protocol])}</pre></dd>"
        for protocol in Protocol
    )
    return (
        f"<p>Access logs are always on; execution logs are at ERROR, and at INFO while a stage is tagged "
        f"<code>{_text(settings.info_tag_key)}</code>. The parameters are those of Log Keeper's template.</p>"
        f"<dl>{parameters}</dl><details><summary>A line of the access log, by protocol</summary>"
        f"<dl>{formats}</dl></details>"
    )
