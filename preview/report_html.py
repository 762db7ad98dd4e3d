"""A preview as one HTML page for auditors and managers. Pure."""

from __future__ import annotations

from log_keeper.policy.results import Outcome
from preview import html_parts as parts
from preview.html_page import text
from preview.model import Preview, RegionPreview, count, count_by_protocol
from preview.words import headline, role_in_words, trail_in_words


def to_html(preview: Preview) -> str:
    """Return the page. All text that comes from AWS or from the user is escaped."""
    title = f"API Gateway logging in account {text(preview.account.account_id)}"
    regions = ", ".join(text(region.region) for region in preview.regions)
    findings = [
        (region.region if stage is None else f"{region.region}, {stage.name}", finding)
        for region, stage, finding in preview.findings
    ]
    sentence, counted = headline(preview), count(preview.stages)
    return f"""{parts.page_begin(title, preview.generated_at, regions)}\
{parts.summary(sentence, counted, is_complete=not preview.errors, is_compliant=preview.is_compliant)}
{parts.errors(preview.errors)}
<h2>Summary</h2>
{parts.protocols(count_by_protocol(preview.stages))}
<h2>Regions</h2>
{_regions(preview)}
{parts.findings(findings)}
<h2>Stages</h2>
{_stages(preview)}
{parts.page_end(preview.policy)}"""


def _regions(preview: Preview) -> str:
    heads = (
        '<th scope="col">Region</th><th scope="col" class="number">Stages</th>'
        f'<th scope="col" class="number">{Outcome.WOULD_BE_REMEDIATED.capitalize()}</th>'
        '<th scope="col">The account\'s CloudWatch log role</th><th scope="col">CloudTrail coverage</th>'
    )
    regions = text(", ".join(preview.regions_not_enabled))
    left_out = f'<p class="quiet">Left out, because the account has not enabled them: {regions}.</p>' if regions else ""
    return parts.table(heads, [_region(region) for region in preview.regions]) + left_out


def _region(region: RegionPreview) -> str:
    counted = count(region.stages)
    numbers: tuple[object, object] = (counted.evaluated, counted.by_outcome[Outcome.WOULD_BE_REMEDIATED])
    evaluated, would_change = ("?", "?") if region.is_unread else numbers
    return (
        f'<tr><th scope="row">{text(region.region)}</th><td class="number">{evaluated}</td>'
        f'<td class="number">{would_change}</td><td class="words">{text(role_in_words(region))}</td>'
        f'<td class="words">{text(trail_in_words(region))}</td></tr>'
    )


def _stages(preview: Preview) -> str:
    if not preview.stages:
        return "<p>There are no stages.</p>"
    outcomes = dict.fromkeys(stage.outcome for stage in preview.stages)
    protocols = dict.fromkeys(stage.stage.protocol for stage in preview.stages)
    regions = [region.region for region in preview.regions if region.stages]
    selects = parts.outcome_and_protocol(outcomes, protocols) + parts.select("region", "Region", regions)
    rows = "\n".join(parts.stage_row(stage, preview.policy) for stage in preview.stages)
    return parts.stages_begin(parts.COLUMNS, selects) + rows + parts.STAGES_END
