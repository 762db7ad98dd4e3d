"""A preview for programs: one JSON document, or CSV with a row for each stage. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Result
from preview.model import Count, Preview, RegionPreview, StagePreview, count, count_by_protocol
from preview.outcomes import APPEARANCES
from preview.words import finding_in_words, policy_parameters, printable, steps

#: Increased when a member of the JSON document is removed or changes its meaning; not when members are added.
VERSION = 1

COLUMNS = (
    "region",
    "protocol",
    "apiId",
    "apiName",
    "stageName",
    "outcome",
    "owner",
    "isOptedIn",
    "infoUntil",
    "exemptUntil",
    "exemptReason",
    "changes",
    "reasons",
    "findings",
)
#: Characters at which a spreadsheet begins a formula.
#: *Source:* OWASP, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def to_json(preview: Preview) -> str:
    """Return the preview as one JSON document, in ASCII."""
    document = {
        "version": VERSION,
        "generatedAt": preview.generated_at.isoformat(timespec="seconds"),
        "account": preview.account.account_id,
        "policy": policy_parameters(preview.policy),
        "isCompliant": preview.is_compliant,
        "isComplete": not preview.errors,
        "summary": {
            "stages": count_to_dict(count(preview.stages)),
            "byProtocol": {
                protocol: count_to_dict(counted) for protocol, counted in count_by_protocol(preview.stages).items()
            },
            "findings": len(preview.findings),
        },
        "regions": [region_to_dict(region, preview.policy) for region in preview.regions],
        "regionsNotEnabled": list(preview.regions_not_enabled),
    }
    return json.dumps(document, indent=2) + "\n"


def count_to_dict(counted: Count) -> dict[str, int]:
    """Return the numbers by their names in the JSON document."""
    outcomes = {APPEARANCES[outcome].key: number for outcome, number in counted.by_outcome.items()}
    return {"evaluated": counted.evaluated} | outcomes | {"optedIn": counted.opted_in}


def region_to_dict(region: RegionPreview, policy: Policy) -> dict[str, Any]:
    """Return the region as in the JSON document."""
    role = region.role
    return {
        "region": region.region,
        "logRole": None
        if role is None
        else {
            "status": role.status,
            "roleArn": role.role_arn,
            "fault": role.fault,
            "limits": role.limits,
            "isNeeded": region.needs_role,
        },
        "hasTrail": region.has_trail,
        "findings": [finding.to_dict() for finding in region.findings],
        "errors": list(region.errors),
        "stages": [stage_to_dict(stage, policy) for stage in region.stages],
    }


def stage_to_dict(preview: StagePreview, policy: Policy) -> dict[str, Any]:
    """Return the stage as in the JSON document."""
    found = Result.evaluated(preview.evaluation, preview.findings).to_dict()
    stage = found["stage"]
    return {
        "region": stage["region"],
        "protocol": stage["protocol"],
        "apiId": stage["apiId"],
        "apiName": preview.api_name,
        "stageName": stage["stageName"],
        "owner": stage["owner"],
        "outcome": found["outcome"],
        "isOptedIn": preview.is_opted_in,
        "infoUntil": found["infoUntil"],
        "exemption": found["exemption"],
        "changes": found["changes"],
        "logGroups": [
            {"name": group.name, "step": change.planned, "retentionDays": group.retention}
            for group, change in preview.evaluation.log_groups.items()
        ],
        "description": [
            {"what": step.what, "why": step.why, "logGroup": step.log_group} for step in steps(preview, policy)
        ],
        "findings": found["findings"],
    }


def to_csv(preview: Preview) -> str:
    """Return the preview as CSV: the names of the columns, then a row for each stage.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for stage in preview.stages:
        fields = stage_to_row(stage, preview.policy)
        writer.writerow([cell(fields[column]) for column in COLUMNS])
    return text.getvalue()


def stage_to_row(stage: StagePreview, policy: Policy) -> dict[str, Any]:
    """Return the stage with the texts of its CSV row, by column."""
    fields = stage_to_dict(stage, policy)
    exemption = fields["exemption"] or {}
    return fields | {
        "exemptUntil": exemption.get("until"),
        "exemptReason": exemption.get("reason"),
        "isOptedIn": "yes" if stage.is_opted_in else "no",
        "changes": "; ".join(step["what"] for step in fields["description"]),
        "reasons": "; ".join(dict.fromkeys(step["why"] for step in fields["description"])),
        "findings": "; ".join(finding_in_words(finding) for finding in stage.findings),
    }


def cell(value: str | None) -> str:
    """Return the text for a cell, which no spreadsheet takes for a formula."""
    text = value or ""
    guard = "'" if text.lstrip(" ").startswith(_FORMULA) else ""
    return guard + printable(text)
