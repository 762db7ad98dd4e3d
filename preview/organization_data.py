"""A preview of an organization for programs: one JSON document, or CSV with a row for each stage. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from log_keeper.policy.policy import Policy
from preview.members import Member, MemberPreview, Totals
from preview.model import RegionPreview, count
from preview.report_data import (
    COLUMNS,
    VERSION,
    cell,
    count_to_dict,
    region_to_dict,
    stage_to_row,
)
from preview.words import policy_parameters

#: ``error``: what could not be read of the account or the region; such a row has no stage.
ORGANIZATION_COLUMNS = ("accountId", "accountName", "organizationalUnitId", *COLUMNS, "error")


class Csv:
    """CSV: the names of the columns, then a row for each stage, and one for each error of an account or a region."""

    separator = ""

    def part(self, found: MemberPreview) -> str:
        """Return the rows of the account."""
        of_account: dict[str, Any] = found.member.to_dict()
        if found.preview is None:
            return _csv_row(of_account | {"error": found.reason})
        rows = [
            _csv_row(of_account | stage_to_row(stage, found.preview.policy))
            for region in found.preview.regions
            for stage in region.stages
        ]
        rows += [
            _csv_row(of_account | {"region": region.region, "error": error})
            for region in found.preview.regions
            for error in region.errors
        ]
        return "".join(rows)

    def before(self, _: Totals) -> str:
        """Return the names of the columns."""
        return _csv_row({column: column for column in ORGANIZATION_COLUMNS})

    def after(self, _: Totals) -> str:
        """Return nothing."""
        return ""


def _csv_row(fields: dict[str, Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([cell(fields.get(column)) for column in ORGANIZATION_COLUMNS])
    return text.getvalue()


class Json:
    """One JSON document, in ASCII."""

    separator = ",\n"

    def part(self, found: MemberPreview) -> str:
        """Return the object of the account."""
        return _indented(_account(found))

    def before(self, totals: Totals) -> str:
        """Return the document up to its accounts, which are its last member."""
        document = {
            "version": VERSION,
            "generatedAt": totals.generated_at.isoformat(timespec="seconds"),
            "organization": totals.organization_id,
            "role": totals.role,
            "policy": policy_parameters(totals.policy),
            "isCompliant": totals.is_compliant,
            "isComplete": not totals.errors,
            "summary": {
                "accounts": len(totals.rows),
                "accountsNotRead": totals.unread,
                "accountsLeftOut": totals.left_out,
                "stages": count_to_dict(totals.count),
                "byProtocol": {protocol: count_to_dict(counted) for protocol, counted in totals.by_protocol.items()},
                "findings": len(totals.all_findings),
            },
        }
        return json.dumps(document, indent=2).removesuffix("\n}") + ',\n  "accounts": [\n'

    def after(self, _: Totals) -> str:
        """Return the end of the document."""
        return "\n  ]\n}\n"


def _indented(value: object) -> str:
    """Return the value as JSON with the indentation of an item of ``accounts``."""
    return "\n".join(f"    {line}" for line in json.dumps(value, indent=2).splitlines())


def _account(found: MemberPreview) -> dict[str, Any]:
    member, preview = found.member, found.preview
    return {
        **member.to_dict(),
        "organizationalUnitPath": member.unit_path,
        "state": member.state,
        "isRead": preview is not None,
        "error": found.reason or None,
        "isCompliant": None if preview is None else preview.is_compliant,
        "stages": None if preview is None else count_to_dict(count(preview.stages)),
        "regions": [] if preview is None else [_region(member, each, preview.policy) for each in preview.regions],
        "regionsNotEnabled": [] if preview is None else list(preview.regions_not_enabled),
    }


def _region(member: Member, region: RegionPreview, policy: Policy) -> dict[str, Any]:
    """Return the region as in the document of one account. Each row has the fields of its account, too."""
    fields = region_to_dict(region, policy)
    return {**member.to_dict(), **fields, "stages": [{**member.to_dict(), **stage} for stage in fields["stages"]]}
