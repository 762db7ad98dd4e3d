"""What was found as one HTML page, to filter and to open. Pure.

JavaScript only filters the requests; without it the page shows everything. The style is that of the preview's page with
a few rules more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from logs.errors_in_words import errors_of
from logs.model import Found, Kind, Request, Step
from logs.report_text import at, callers, measures, summary
from preview import html_page
from preview.html_page import text

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER.parent / "preview" / "page.css").read_text(encoding="utf-8") + (_FOLDER / "page.css").read_text(
    encoding="utf-8"
)
_SCRIPT = (_FOLDER / "page.js").read_text(encoding="utf-8")


def to_html(found: Found) -> str:
    """Return the page. All text that comes from AWS, from clients or from the user is escaped."""
    sources, ref = found.sources, found.sources.stage.ref
    name = "/".join(filter(None, (sources.api_name, ref.stage_name)))
    title = f"Requests to {text(name)}"
    where = f"{sources.protocol} API <code>{text(ref.api_id)}</code> in {text(ref.region)}, account {text(ref.account)}"
    groups = "".join(f"<li><code>{text(group)}</code></li>" for group in (*sources.access, *sources.execution))
    failed = any(request.is_failed for request in found.requests)
    state = "is-incomplete" if not found.is_complete else "is-non-compliant" if failed else "is-compliant"
    notes = "".join(f"<li>{text(note)}</li>" for note in found.notes)
    shown_notes = f'<div class="notes"><strong>What these logs do not show</strong><ul>{notes}</ul></div>'
    return f"""{html_page.begin(title, _STYLE, _SCRIPT)}<header>
<h1>{title}</h1>
<p class="quiet">{where}</p>
</header>
<main>
<p class="headline {state}">{text(summary(found))}</p>
{shown_notes if notes else ""}
<details><summary>Log groups</summary><ul>{groups}</ul></details>
<h2>Requests</h2>
{_requests(found.requests)}
</main>
{html_page.end(_SCRIPT)}"""


def _requests(requests: tuple[Request, ...]) -> str:
    if not requests:
        return "<p>No request was found.</p>"
    outcomes = "".join(f'<option value="{value}">{value}</option>' for value in ("failed", "succeeded"))
    methods = _options(request.method for request in requests)
    statuses = _options(str(request.status) for request in requests if request.status is not None)
    return f"""<form id="filter" hidden>
<label class="wide">Search
<input name="q" type="search" autocomplete="off" placeholder="path, id, address, text of a line, ..."></label>
{html_page.select("outcome", "Outcome", outcomes)}
{html_page.select("method", "Method", methods)}
{html_page.select("status", "Status", statuses)}
<button type="reset">Show all</button>
</form>
<output id="shown" class="quiet" form="filter"></output>
<div id="requests">
{"".join(map(_request, requests))}</div>
<p id="none" hidden>No request matches the filter.</p>"""


def _options(values: Iterable[str | None]) -> str:
    known = sorted({value for value in values if value is not None})
    return "".join(f"<option>{text(value)}</option>" for value in known)


def _request(request: Request) -> str:
    outcome = "failed" if request.is_failed else "succeeded"
    status, method = str(request.status or "-"), request.method or "-"
    data = f'data-outcome="{outcome}" data-method="{text(method)}" data-status="{status}"'
    pill = f'<span class="pill {"bad" if request.is_failed else "ok"}">{status}</span>'
    errors = "".join(f'<p class="error">{text(sentence)}</p>' for sentence in errors_of(request))
    what = f"<strong>{text(method)} {text(request.path or '-')}</strong>"
    quick = "".join(f" <span>{text(measure)}</span>" for measure in measures(request))
    return f"""<details class="request" {data}>
<summary><span class="when">{at(request.started)}</span> {pill} {what}<small>{quick}</small></summary>
{errors}
<p class="quiet">{text(" ".join(callers(request)))} <code>{text(request.request_id)}</code></p>
{_timeline(request.steps)}
{_access(request)}
</details>
"""


def _timeline(steps: tuple[Step, ...]) -> str:
    if not steps:
        return '<p class="quiet">No execution log lines.</p>'
    rows = "".join(
        f'<tr class="{"error" if step.kind is Kind.ERROR else ""}"><td class="number">{step.milliseconds} ms</td>'
        f"<td>{step.kind}</td><td><code>{text(step.text)}</code></td></tr>"
        for step in steps
    )
    heads = '<th scope="col" class="number">After</th><th scope="col">Part</th><th scope="col">Execution log</th>'
    table = f'<table class="timeline"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _access(request: Request) -> str:
    if request.access is None:
        return '<p class="quiet">No access log line.</p>'
    values = "".join(
        f"<dt>{text(name)}</dt><dd><code>{text(value)}</code></dd>" for name, value in request.access.values.items()
    )
    line = f"<pre>{text(request.access.line.message)}</pre>"
    return f"<details><summary>Access log line</summary><dl>{values}</dl>{line}</details>"
