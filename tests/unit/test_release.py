"""The names and links of a release, and what the command refuses before it uploads anything."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tools import release, release_bucket
from tools.aws_session import ToolError
from tools.release_bucket import Target, check_bucket, checksum_lines, links_page, new_target, object_names
from tools.version import version

TARGET = new_target("eu-west-1", "acme", "1.2.3")


@pytest.mark.parametrize(
    ("region", "console", "template"),
    [
        ("eu-west-1", "console.aws.amazon.com", "acme-eu-west-1.s3.eu-west-1.amazonaws.com"),
        ("cn-north-1", "console.amazonaws.cn", "acme-cn-north-1.s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com", "acme-us-gov-west-1.s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_link_is_to_the_console_of_the_partition(region: str, console: str, template: str) -> None:
    link = urlsplit(new_target(region, "acme", "1.2.3").quick_create_link("log-keeper"))
    path, _, query = link.fragment.partition("?")
    assert (link.scheme, link.netloc, link.path, link.query) == (
        "https",
        console,
        "/cloudformation/home",
        f"region={region}",
    )
    assert path == "/stacks/create/review"
    assert parse_qsl(query) == [
        ("templateURL", f"https://{template}/log-keeper/1.2.3/template.yaml"),
        ("stackName", "log-keeper"),
        ("param_Mode", "Audit"),
    ]


@pytest.mark.parametrize("prefix", ["", "Acme", "acme.tools", "-acme", "a" * 54, "acme/x", "acme\x1b"])
def test_prefix_that_no_bucket_can_have_is_refused(prefix: str) -> None:
    with pytest.raises(ToolError, match="cannot be the name of a bucket: choose a prefix") as refused:
        new_target("eu-west-1", prefix, "1.2.3")
    assert str(refused.value).isprintable()


def test_region_of_a_partition_without_template_is_refused() -> None:
    with pytest.raises(ToolError, match="us-iso-east-1 is in the partition aws-iso"):
        new_target("us-iso-east-1", "acme", "1.2.3")


class Bucket:
    """An S3 client whose HeadBucket answers a region or an error code."""

    def __init__(self, region: str = "", code: str = "") -> None:
        self.region, self.code = region, code

    def head_bucket(self, **given: str) -> dict[str, str]:
        assert given == {"Bucket": "acme-eu-west-1", "ExpectedBucketOwner": "123456789012"}
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "HeadBucket")
        return {"BucketRegion": self.region}


@pytest.mark.parametrize(
    ("bucket", "says"),
    [
        (Bucket(code="404"), "create it .aws s3 mb s3://acme-eu-west-1 --region eu-west-1."),
        (Bucket(code="403"), "it belongs to another account than 123456789012, or these credentials have no"),
        (Bucket(code="500"), r"cannot be read \(500\)"),
        (Bucket("us-east-1"), "is in us-east-1: Lambda reads packages from buckets of its own region only"),
    ],
)
def test_bucket_that_cannot_be_used_is_reported_with_a_remedy(bucket: Bucket, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        check_bucket(bucket, TARGET, "123456789012")  # type: ignore[arg-type]
    check_bucket(Bucket("eu-west-1"), TARGET, "123456789012")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "packaged",
    [
        (
            "CodeUri: s3://acme-eu-west-1/log-keeper/1.2.3/aa11\nTemplateURL: https://s3.eu-west-1.amazonaws.com/"
            "acme-eu-west-1/log-keeper/1.2.3/bb22.template\nOther: s3://other/log-keeper/1.2.3/cc33\n"
        ),
        (
            '{"CodeUri": "s3://acme-eu-west-1/log-keeper/1.2.3/aa11", "TemplateURL":'
            '"https://s3.eu-west-1.amazonaws.com/acme-eu-west-1/log-keeper/1.2.3/bb22.template?versionId=1",'
            '"Again": "s3://acme-eu-west-1/log-keeper/1.2.3/aa11"}'
        ),
    ],
)
def test_objects_of_a_packaged_template_are_found(packaged: str) -> None:
    assert object_names(TARGET, packaged) == ["aa11", "bb22.template"]


def test_checksums_have_the_format_of_sha256sum() -> None:
    assert checksum_lines({"b": "22", "a": "11"}) == "11  a\n22  b\n"


def test_page_has_a_row_for_each_region() -> None:
    targets = [TARGET, new_target("us-east-1", "acme", "1.2.3")]
    rows = [line for line in links_page("1.2.3", targets, "logs").splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| region", "| eu-west-1", "| us-east-1"]
    assert all(target.quick_create_link("logs") in row for target, row in zip(targets, rows[1:], strict=True))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as sam build leaves it, in an environment with credentials and a region."""
    variables = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "template.yaml").write_text(f"Description: 'Log Keeper {version()}: ...'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("template", "says"),
    [(None, "run make build, or name the folder"), ("Description: 'Log Keeper 0.0.9: ...'\n", "of another version")],
)
def test_application_that_is_not_built_is_refused(
    built: Path, capsys: pytest.CaptureFixture[str], template: str | None, says: str
) -> None:
    (built / "template.yaml").unlink()
    if template:
        (built / "template.yaml").write_text(template)
    assert release.main(["--bucket-prefix", "acme", "--built", str(built)]) == 1
    printed = capsys.readouterr()
    assert (printed.out, says in printed.err) == ("", True)


def test_region_that_cannot_exist_is_refused(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--bucket-prefix", "acme", "--built", str(built), "--regions", "eu-west-1,Frankfurt"]) == 1
    assert "Name a region such as eu-west-1" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--bucket-prefix", "acme", "--stack-name", "9"]])
def test_wrong_usage_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        release.main(arguments)
    assert ended.value.code == release.WRONG_USAGE
    assert "usage: python -m tools.release" in capsys.readouterr().err


class Terminal(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_only_yes_agrees(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    shown = io.StringIO()
    assert release._is_agreed(Console(file=shown)) is agreed
    assert shown.getvalue() == "Upload? [y/N] "


def test_missing_sam_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="sam is not installed: run make release"):
        release_bucket.package(TARGET, tmp_path / "template.yaml", tmp_path / "out", None)


def test_failure_of_sam_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sam = tmp_path / "sam"
    sam.write_text("#!/bin/sh\necho 'Uploading'\necho 'Error: Access Denied' >&2\necho\nexit 1\n")
    sam.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ToolError, match=r"sam package failed for eu-west-1: Error: Access Denied$"):
        release_bucket.package(TARGET, tmp_path / "template.yaml", tmp_path / "out", None)


def test_target_names_its_folder() -> None:
    assert Target("eu-west-1", "aws", "acme-eu-west-1", "log-keeper/1.2.3").location == (
        "s3://acme-eu-west-1/log-keeper/1.2.3/"
    )
