"""A preview for programs: one JSON document, or CSV with a row for each stage. Pure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from log_keeper.settings import Settings
from preview.outlook import Preview, RegionPreview, StagePreview, count, count_by_protocol
from preview.words import finding_in_words, policy_parameters, printable, steps

#: Raised when a member of the JSON document is taken away or changes its meaning; more may be added at any time.
VERSION = 1

COLUMNS = (
    "region",
    "protocol",
    "api_id",
    "api_name",
    "stage_name",
    "outcome",
    "owner",
    "is_at_info",
    "info_until",
    "changes",
    "reasons",
    "findings",
)
#: What a spreadsheet takes for the beginning of a formula.
#: *Source:* OWASP, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def to_json(preview: Preview) -> str:
    """One document, in ASCII."""
    document = {
        "version": VERSION,
        "generated_at": preview.generated_at.isoformat(timespec="seconds"),
        "account": preview.settings.account,
        "policy": policy_parameters(preview.settings),
        "is_in_line": preview.is_in_line,
        "is_complete": not preview.errors,
        "summary": {
            "stages": asdict(count(preview.stages)),
            "by_protocol": {
                protocol: asdict(counted) for protocol, counted in count_by_protocol(preview.stages).items()
            },
            "findings": len(preview.findings),
        },
        "regions": [_region(region, preview.settings) for region in preview.regions],
        "regions_left_out": list(preview.left_out),
    }
    return json.dumps(document, indent=2) + "\n"


def _region(region: RegionPreview, settings: Settings) -> dict[str, Any]:
    role = region.role
    return {
        "region": region.region,
        "log_role": None
        if role is None
        else {
            "verdict": role.verdict,
            "role_arn": role.role_arn,
            "fault": role.fault,
            "limits": role.limits,
            "is_needed": region.needs_role,
        },
        "has_trail": region.has_trail,
        "findings": _findings(region),
        "errors": list(region.errors),
        "stages": [_stage(stage, settings) for stage in region.stages],
    }


def _stage(preview: StagePreview, settings: Settings) -> dict[str, Any]:
    stage, judgement = preview.stage, preview.judgement
    until = judgement.plan.opt_in.until
    return {
        "region": stage.ref.region,
        "protocol": stage.protocol,
        "api_id": stage.ref.api_id,
        "api_name": preview.api_name,
        "stage_name": stage.ref.stage_name,
        "owner": stage.owner,
        "outcome": preview.outcome,
        "is_at_info": preview.is_at_info,
        "info_until": None if until is None else until.isoformat(),
        "changes": [change.to_dict() for change in judgement.plan.changes],
        "log_groups": [
            {"name": group.name, "change": change, "retention_days": group.retention}
            for group, change in judgement.log_groups.items()
        ],
        "in_words": [asdict(step) for step in steps(preview, settings)],
        "findings": _findings(preview),
    }


def _findings(found: RegionPreview | StagePreview) -> list[dict[str, str]]:
    return [{"problem": finding.problem, "detail": finding.detail} for finding in found.findings]


def to_csv(preview: Preview) -> str:
    """A row for each stage below the names of the columns. No cell is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for stage in preview.stages:
        fields = _stage(stage, preview.settings)
        fields |= {
            "is_at_info": "yes" if stage.is_at_info else "no",
            "changes": "; ".join(step["what"] for step in fields["in_words"]),
            "reasons": "; ".join(dict.fromkeys(step["why"] for step in fields["in_words"])),
            "findings": "; ".join(finding_in_words(finding) for finding in stage.findings),
        }
        writer.writerow([_cell(fields[column]) for column in COLUMNS])
    return text.getvalue()


def _cell(value: str | None) -> str:
    text = value or ""
    guard = "'" if text.lstrip(" ").startswith(_FORMULA) else ""
    return guard + printable(text)
