"""The sandbox answers as AWS was recorded to answer."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from testing.recorded import Case, cases, count, parts
from testing.replay import disagreements


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.part}: {case.name}")
def test_sandbox_answers_as_recorded(sandbox: Sandbox, case: Case) -> None:
    assert disagreements(sandbox, case) == []


def test_at_least_150_recorded_facts_are_checked() -> None:
    assert count() == sum(parts().values())
    assert count() >= 150


def test_each_case_checks_something_and_names_its_recording() -> None:
    for case in cases():
        assert case.checks, case.name
        assert case.source.repository.count("/") == 1, case.source
        assert case.source.path, case.source
        assert case.source.date[:2] == "20", case.source


def test_each_name_is_given_once() -> None:
    names = [(case.part, case.name) for case in cases()]
    assert len(set(names)) == len(names)
