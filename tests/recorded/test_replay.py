"""The replay of recorded answers finds what differs, and counts what it checks."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.recorded import Case, Source, Step, Tagged
from testing.replay import disagreements

GROUP = {"logGroupName": "/pets"}


def step(call: str, parameters: Any = None, **members: Any) -> Step:
    defaults: dict[str, Any] = {"record": None, "credentials": None, "region": "us-east-1", "answer": None}
    defaults |= {"error": None, "save": {}, "each": ({},)}
    return Step(call=call, parameters=parameters or {}, **(defaults | members))


def case(*steps: Step) -> Case:
    return Case("logs", "a case", Source("owner/name", "file", "2026"), (), steps, "")


CREATE = step("logs.create_log_group", GROUP)


def described(expected: Any) -> Step:
    return step("logs.describe_log_groups", answer={"logGroups": [expected]})


@pytest.mark.parametrize(
    "expected",
    [
        {"logGroupName": "/dogs"},
        {"retentionInDays": Tagged("any")},
        {"logGroupName": Tagged("absent")},
        {"logGroupName": Tagged("re", "pets")},
        {"storedBytes": False},
        Tagged("only", {"logGroupName": "/pets"}),
    ],
)
def test_value_that_differs_is_reported(sandbox: Sandbox, expected: Any) -> None:
    (found,) = disagreements(sandbox, case(CREATE, described(expected)))
    assert found.startswith("step 2 (logs.describe_log_groups): answer.logGroups[0]")


@pytest.mark.parametrize(
    "expected",
    [
        {"logGroupName": "/pets", "retentionInDays": Tagged("absent")},
        {"logGroupName": Tagged("re", "/p.*"), "arn": Tagged("any")},
    ],
)
def test_value_that_agrees_is_not_reported(sandbox: Sandbox, expected: Any) -> None:
    assert disagreements(sandbox, case(CREATE, described(expected))) == []


def test_list_of_another_length_is_reported(sandbox: Sandbox) -> None:
    assert disagreements(sandbox, case(CREATE, step("logs.describe_log_groups", answer={"logGroups": []})))


def test_refusal_that_was_not_recorded_is_reported(sandbox: Sandbox) -> None:
    (found,) = disagreements(sandbox, case(CREATE, CREATE))
    assert "refused" in found


def test_recorded_refusal_that_does_not_come_is_reported(sandbox: Sandbox) -> None:
    error = {"code": "ResourceAlreadyExistsException", "message": Tagged("any"), "status": 400}
    (found,) = disagreements(sandbox, case(step("logs.create_log_group", GROUP, error=error)))
    assert "not refused" in found


def test_refusal_in_other_words_is_reported(sandbox: Sandbox) -> None:
    error = {"code": "ResourceAlreadyExistsException", "message": "other words", "status": 400}
    (found,) = disagreements(sandbox, case(CREATE, step("logs.create_log_group", GROUP, error=error)))
    assert "error.message" in found


def test_values_are_saved_and_filled_in(sandbox: Sandbox) -> None:
    save = step("logs.describe_log_groups", save={"name": "logGroups.0.logGroupName"})
    again = step("logs.create_log_group", {"logGroupName": "${name}/${part}"}, each=({"part": "a"}, {"part": "b"}))
    groups = [{"logGroupName": "/pets"}, {"logGroupName": "/pets/a"}, {"logGroupName": "${name}/b"}]
    shown = step("logs.describe_log_groups", answer={"logGroups": groups})
    assert disagreements(sandbox, case(CREATE, save, again, shown)) == []


def test_each_asserted_value_is_counted_once_for_each_entry() -> None:
    answer = {"a": 1, "b": Tagged("only", {"c": "x", "d": Tagged("absent")}), "e": [1, {}], "f": None}
    assert step("logs.x", answer=answer).checks == 7
    assert step("logs.x", answer=answer, each=({}, {})).checks == 14
    assert step("logs.x", error={"code": "A", "message": "B", "status": 400}).checks == 1
    assert step("logs.x").checks == 0
