"""The report of a run: a table for people, JSON for programs, and the exit code."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from verify.ledger import Leftover
from verify.points import Result, Status

ALL_SAME, UNCLEAR, DIFFERENT = 0, 1, 3

_COLORS = {Status.SAME: "32", Status.DIFFERENT: "31;1", Status.UNCLEAR: "33", Status.NOT_TRIED: "2"}
_HEADINGS = ("point", "what AWS did", "the sandbox's default", "status")
_WIDTHS = (48, 26, 26, 14)


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run, and what it could not delete. ``is_stopped``: the user stopped it."""

    run_id: str
    region: str
    results: Sequence[Result]
    leftovers: Sequence[Leftover]
    calls: int
    is_stopped: bool = False

    @property
    def exit_code(self) -> int:
        """Return 3 if AWS differs at a point, else 1 if something is unclear, left over or was stopped, else 0."""
        statuses = {result.status for result in self.results}
        if Status.DIFFERENT in statuses:
            return DIFFERENT
        return UNCLEAR if Status.UNCLEAR in statuses or self.leftovers or self.is_stopped else ALL_SAME


def to_json(report: Report) -> str:
    """Return the report as one JSON object."""
    points = [
        {
            "point": result.point.name,
            "question": result.point.question,
            "switch": result.point.switch,
            "status": str(result.status),
            "aws": result.answer,
            "sandbox": result.point.expected,
            "why": result.why or None,
        }
        for result in report.results
    ]
    left = [{"what": each.what, "why": each.why, "byHand": each.by_hand} for each in report.leftovers]
    document = {
        "run": report.run_id,
        "region": report.region,
        "calls": report.calls,
        "stopped": report.is_stopped,
        "points": points,
        "leftovers": left,
    }
    return json.dumps(document, indent=2) + "\n"


def to_text(report: Report, *, has_color: bool) -> str:
    """Return the table of the points that were tried, those that were not, and a summary."""
    lines = [_row(_HEADINGS), _row(tuple("-" * width for width in _WIDTHS))]
    for result in report.results:
        if result.status is Status.NOT_TRIED:
            continue
        point = result.point
        did = result.why if result.answer is None else point.in_words(result.answer)
        row = _row((point.question, did, point.in_words(point.expected), str(result.status)))
        lines.append(_colored(row, result.status, has_color=has_color))
    lines += ["", *_not_tried(report), _summary(report)]
    return "\n".join(lines) + "\n"


def _not_tried(report: Report) -> list[str]:
    """Return lines with what was not tried, grouped by what it needs; none if everything was tried."""
    questions: dict[str, list[str]] = {}
    for result in report.results:
        if result.status is Status.NOT_TRIED:
            questions.setdefault(result.why, []).append(result.point.question)
    lines = []
    for why, points in questions.items():
        lines += textwrap.wrap(f"not tried, because {why}:", 118, subsequent_indent="  ")
        for each in points:
            lines += textwrap.wrap(f"  - {each}", 118, subsequent_indent="    ")
        lines.append("")
    return lines


def leftovers_to_text(leftovers: Sequence[Leftover]) -> str:
    """Return a line for each resource that could not be deleted, with the command that deletes it; empty for none."""
    lines = [f"could not delete {each.what}: {each.why}\n  {each.by_hand}" for each in leftovers]
    return "".join(f"{line}\n" for line in lines)


def _summary(report: Report) -> str:
    counts = {status: sum(result.status is status for result in report.results) for status in Status}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    wrong = [result.point for result in report.results if result.status is Status.DIFFERENT]
    switches = ", ".join(point.switch or point.name for point in wrong)
    hint = f"\nThe sandbox is wrong about AWS here: {switches}. Please report it." if wrong else ""
    stop = " It was stopped before the end." if report.is_stopped else ""
    return f"{report.region}: {said or 'nothing was tried'}; {report.calls} calls.{stop}{hint}"


def _row(cells: Sequence[str]) -> str:
    """Return the cells side by side, each broken to its width."""
    broken = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
    height = max(map(len, broken))
    padded = [[*cell, *[""] * (height - len(cell))] for cell in broken]
    rows = zip(*padded, strict=True)
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, _WIDTHS, strict=True)).rstrip() for row in rows
    )


def _colored(text: str, status: Status, *, has_color: bool) -> str:
    if not has_color:
        return text
    return "\n".join(f"\x1b[{_COLORS[status]}m{line}\x1b[0m" for line in text.split("\n"))
