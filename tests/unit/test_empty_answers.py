"""``make deploy EMPTY=...``: saved answers become empty, and nothing else in the file changes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tools.aws_session import ToolError
from tools.empty_answers import emptied, main

#: As sam 1.170.0 saves the answers.
SAVED = (
    r"""# Comment.
version = 0.1

[default.deploy.parameters]
stack_name = "log-keeper"
parameter_overrides = "Mode=\"Audit\" MemberOUs=\"r-ab12\" """
    r"""RestAccessLogFormat=\"{\\\"a\\\": \\\"$context.apiId Regions=\\\"}\" """
    r"""AccessLogGroupName=\"/access-logs/${apiId}/${stage}\" Regions=\"\""
image_repositories = []
"""
)


def answers(text: str) -> str:
    return str(tomllib.loads(text)["default"]["deploy"]["parameters"]["parameter_overrides"])


def test_answers_become_empty_and_the_rest_stays() -> None:
    after = emptied(SAVED, ["MemberOUs", "AccessLogGroupName"])
    expected = answers(SAVED).replace("r-ab12", "").replace("/access-logs/${apiId}/${stage}", "")
    assert answers(after) == expected
    different = [line for line in after.splitlines() if line not in SAVED.splitlines()]
    assert [line.split(" = ")[0] for line in different] == ["parameter_overrides"]


def test_value_that_contains_quotation_marks_becomes_empty() -> None:
    assert ' RestAccessLogFormat="" AccessLogGroupName=' in answers(emptied(SAVED, ["RestAccessLogFormat"]))


def test_empty_answer_stays_as_it_is() -> None:
    assert emptied(SAVED, ["Regions"]) == SAVED


def test_parameter_that_sam_has_never_asked_for_gets_an_empty_answer() -> None:
    assert answers(emptied(SAVED, ["ForwardRoleArn"])) == f'{answers(SAVED)} ForwardRoleArn=""'


@pytest.mark.parametrize(
    "overrides",
    [
        '["Mode=Audit", "MemberOUs=r-ab12"]',
        "\"Mode=Audit MemberOUs='r-ab12'\"",
        '"ParameterKey=MemberOUs,ParameterValue=r-ab12"',
        '"""\nMemberOUs=r-ab12"""',
        '"MemberOUs=r-ab12',
    ],
    ids=["list", "single quotes", "the longer form", "several lines", "no TOML"],
)
def test_answers_in_another_form_are_refused(overrides: str) -> None:
    text = f"[default.deploy.parameters]\nparameter_overrides = {overrides}\n"
    with pytest.raises(ToolError, match="edit parameter_overrides"):
        emptied(text, ["MemberOUs"])


def test_file_without_answers_is_refused() -> None:
    with pytest.raises(ToolError, match="edit parameter_overrides"):
        emptied('[default.deploy.parameters]\nstack_name = "log-keeper"\n', ["MemberOUs"])


@pytest.mark.parametrize("names", [["MemberOUs", "Regions"], ["MemberOUs,Regions"]], ids=["spaces", "commas"])
def test_file_is_changed(tmp_path: Path, names: list[str]) -> None:
    file = tmp_path / "samconfig.local.toml"
    file.write_text(SAVED)
    assert main([str(file), *names]) == 0
    assert file.read_text() == SAVED.replace("r-ab12", "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OrganisationId", "OrganisationId is no parameter of Log Keeper"),
        ("Mode", "Mode cannot be empty. Its default is Enforce."),
    ],
)
def test_parameter_that_cannot_be_emptied_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    file = tmp_path / "samconfig.local.toml"
    file.write_text(SAVED)
    assert main([str(file), "MemberOUs", name]) == 1
    assert message in capsys.readouterr().err
    assert file.read_text() == SAVED


def test_first_deployment_has_nothing_to_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "samconfig.local.toml"), "MemberOUs"]) == 1
    assert "run make deploy without EMPTY" in capsys.readouterr().err
