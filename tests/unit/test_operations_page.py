"""docs/operations.md lists every outcome, metric and finding."""

from __future__ import annotations

import json
import re
from pathlib import Path

from log_keeper import reporting
from log_keeper.policy.findings import Problem
from log_keeper.policy.log_groups import LogGroupStep
from log_keeper.policy.results import Outcome, Result
from log_keeper.stages import ApiVersion, StageRef

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table's rows below a heading of the page."""
    section = re.split(r"\n#+ ", PAGE.split(f"# {heading}\n", 1)[1])[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_member_of_a_stages_document_is_explained() -> None:
    explained = [row for row in rows("The log") if row[0].startswith("`")]  # not the line of a query below the table
    found = {name for cell, _ in explained for name in re.findall(r"`(\w+)`", cell)}
    ref = StageRef("123456789012", "us-east-1", ApiVersion.V1, "a1b2c3d4e5", "prod")
    of_member_accounts = {"accountId", "accountName", "organizationalUnitId"}
    assert found == {*Result.deleted(ref).to_dict(), "cause", *of_member_accounts}
    [log_groups] = [text for cell, text in explained if cell == "`logGroups`"]
    named = set(re.findall(r"`([\w ]+)`", log_groups))
    assert named == {text for step in LogGroupStep for text in (step.value, step.planned)}


def test_every_outcome_is_listed_with_its_metric() -> None:
    listed = {outcome: metric.strip("`") for outcome, metric, _ in rows("Outcomes")}
    assert listed == {str(outcome): metric for outcome, metric in reporting._STAGE_METRICS.items()}
    assert listed.keys() == set(Outcome)


def test_every_finding_has_a_remedy() -> None:
    """The page shortens what a finding says about the consequence."""
    listed = [finding for finding, _ in rows("Findings")]
    assert {problem for problem in Problem if not any(problem.startswith(each) for each in listed)} == set()
    assert {each for each in listed if not any(problem.startswith(each) for problem in Problem)} == set()


def test_every_metric_is_explained() -> None:
    source = Path(reporting.__file__).read_text()
    written = set(re.findall(r'"((?:Stages|LogRoles|Regions|Records|Messages|Events|Findings|Seconds)\w*)"', source))
    assert {name for name in written if f"`{name}`" not in PAGE} == set()


def test_query_for_all_changes_finds_every_outcome_with_changes() -> None:
    [outcomes] = re.findall(r"^\| filter stage.owner = .* and outcome in (\[.*\])$", PAGE, re.MULTILINE)
    assert set(json.loads(outcomes)) == {Outcome.REMEDIATED, Outcome.PARTLY_REMEDIATED}
