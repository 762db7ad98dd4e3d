"""The sandbox answers as AWS was recorded to answer."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from testing.recorded import Case, Tagged, cases, count, parts
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


def test_no_expected_value_is_an_object_that_any_other_object_would_match() -> None:
    """An object without members asserts nothing; ``!only {}`` asserts that there are none."""

    def empty(value: object) -> bool:
        match value:
            case Tagged("only"):
                return value.value != {} and empty(value.value)
            case Tagged():
                return empty(value.value)
            case dict():
                return not value or any(map(empty, value.values()))
            case list():
                return any(map(empty, value))
        return False

    assert [case.name for case in cases() for step in case.steps if empty(step.answer)] == []
