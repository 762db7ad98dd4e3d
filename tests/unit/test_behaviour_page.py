"""docs/aws-behaviour.md lists the behaviour switches and the number of recorded answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core.behaviour import POINTS
from testing import recorded
from tools import behaviour_page
from tools.recorded_points import RECORDED


def test_page_is_up_to_date() -> None:
    fresh = behaviour_page.page()
    assert behaviour_page.PAGE.read_text() == fresh, "run: .venv/bin/python -m tools.behaviour_page"


def test_check_finds_a_page_that_is_out_of_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour_page, "PAGE", tmp_path / "page.md")
    assert behaviour_page.main(["--check"]) == 1
    assert behaviour_page.main([]) == 0
    assert behaviour_page.main(["--check"]) == 0
    behaviour_page.PAGE.write_text(behaviour_page.page() + "more")
    assert behaviour_page.main(["--check"]) == 1


def test_page_has_every_switch_with_every_position() -> None:
    rows = behaviour_page.page().splitlines()
    for name, point in POINTS.items():
        [row] = [row for row in rows if f"<br>`{name}`" in row]
        assert all(f"`{position}`" in row for position in point.positions)
        assert row.count("(default") == 1
        assert point.source in row


def test_every_recorded_point_has_a_source() -> None:
    assert all(each.source and each.fact and each.consequence for part in RECORDED.values() for each in part)


def test_page_counts_the_recorded_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "count", lambda: 3)
    monkeypatch.setattr(recorded, "parts", lambda: {"logs": 1, "stages": 2})
    assert "3 checks (logs: 1, stages: 2)" in behaviour_page.page()
