"""How the command line tools print errors. Integration tests: tests/integration/test_tool_credentials.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoRegionError
from botocore.parsers import QueryParser

from tools.aws_session import ERROR, ToolError, explain, run

ROOT = Path(__file__).resolve().parents[2]


def test_result_of_the_program_is_the_exit_code() -> None:
    assert run("tool", lambda: 3, "stopped.") == 3


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ToolError("no such stack: name it."), "tool: no such stack: name it.\n"),
        (NoRegionError(), "tool: no region is set: name one with --region, or set AWS_REGION.\n"),
        (KeyboardInterrupt(), "tool: stopped.\n"),
        (
            ConnectTimeoutError(endpoint_url="https://x"),
            "your connection and your proxy.\n",
        ),
    ],
)
def test_expected_error_is_one_line(capsys: pytest.CaptureFixture[str], error: BaseException, says: str) -> None:
    def fail() -> int:
        raise error

    assert run("tool", fail, "stopped.") == ERROR
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.endswith(says)
    assert output.err.count("\n") == 1


def test_error_of_the_program_itself_keeps_its_traceback() -> None:
    def fail() -> int:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        run("tool", fail, "stopped.")


def test_answer_that_boto3_cannot_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        QueryParser().parse({"status_code": 200, "headers": {}, "body": b"<html>"}, None)
        return 0

    assert run("tool", fail, "stopped.") == ERROR
    assert capsys.readouterr().err.startswith("tool: the answer did not come from AWS")


def test_message_of_aws_is_one_line_without_control_characters() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "not\n\tauthorized \x1b[31m."}}, "GetRestApis")
    assert explain(error) == (
        "access is denied to these credentials; --help lists the permissions. "
        "not authorized \N{REPLACEMENT CHARACTER}[31m."
    )


def test_packages_of_functions_have_no_dependency_that_only_tools_need() -> None:
    """The CRT has 12 MB. A function has the credentials of its role and does not need it."""
    assert "awscrt" in (ROOT / "requirements" / "dev.txt").read_text()
    assert "awscrt" not in (ROOT / "src" / "requirements.txt").read_text()
