"""A release: uploaded by the real command with the permissions that it lists, deployed from its quick-create link."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from testing.accounts import get_stage, make_rest_stage
from testing.operators import Operator
from testing.stacks import FURTHER_REGION, Deployed
from testing.templates import FORWARDING_RULES
from tools import release
from tools.version import version

PREFIX = "acme"
REGIONS = ("us-east-1", FURTHER_REGION)
FOLDER = f"log-keeper/{version()}"


def listed_statements() -> list[dict[str, object]]:
    """Return statements with the permissions that ``--help`` lists, on the resources that it names."""
    section = release.parser().epilog.split("permissions:")[1].split("A bucket must")[0]  # type: ignore[union-attr]
    everywhere, rest = section.split("on each bucket PREFIX-REGION")
    buckets, objects = rest.split("on its objects, log-keeper/VERSION/*")
    places = {everywhere: "*", buckets: f"arn:aws:s3:::{PREFIX}-*", objects: f"arn:aws:s3:::{PREFIX}-*/{FOLDER}/*"}
    return [
        {"Effect": "Allow", "Action": re.findall(r"\w+:\w+", text), "Resource": resource}
        for text, resource in places.items()
    ]


@dataclass(frozen=True)
class Releaser:
    """Runs the command as a user who has the listed permissions only."""

    operator: Operator
    output: Path

    @property
    def account(self) -> Sandbox:
        return self.operator.account

    def run(self, *arguments: str, built: Path = release.BUILT, regions: tuple[str, ...] = REGIONS) -> tuple[int, str]:
        """Run the command. Return its exit code and what it printed."""
        given = ("--bucket-prefix", PREFIX, "--regions", ",".join(regions), "--built", str(built))
        return self.operator.run("tools.release", *given, "--output", str(self.output), *arguments)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return the folder of a built application with two small files to upload, instead of two packages of megabytes."""
    folder = tmp_path / "built"
    for name in ("EnforceFunction", "SweepFunction"):
        (folder / name).mkdir(parents=True)
        (folder / name / "handler.py").write_text(f"NAME = {name!r}\n")
    resources = {
        name: {
            "Type": "AWS::Serverless::Function",
            "Properties": {"CodeUri": name, "Handler": "handler.handler", "Runtime": "python3.13"},
        }
        for name in ("EnforceFunction", "SweepFunction")
    }
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"Log Keeper {version()}: small",
        "Resources": resources,
    }
    (folder / "template.yaml").write_text(json.dumps(template))
    return folder


def create_buckets(account: Sandbox, prefix: str) -> None:
    for region in REGIONS:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        account.client("s3", region).create_bucket(Bucket=f"{prefix}-{region}", **where)


@pytest.fixture(scope="module")
def releaser(account: Sandbox, built: None, tmp_path_factory: pytest.TempPathFactory) -> Releaser:
    create_buckets(account, PREFIX)
    operator = Operator.with_permissions(account, "releaser", listed_statements())
    return Releaser(operator, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def printed(releaser: Releaser) -> str:
    """Release, and return what was printed."""
    since = len(releaser.account.calls)
    code, printed = releaser.run("--yes")
    assert code == 0, printed
    made = [each.call for each in releaser.account.calls[since:]]
    # Nothing is made public: no call changes who may read, and no object gets an ACL.
    assert {call.operation for call in made if call.service == "s3"} <= {
        *("HeadBucket", "HeadObject", "GetObject", "PutObject", "CreateMultipartUpload", "UploadPart"),
        "CompleteMultipartUpload",
    }
    assert not [call for call in made if {"ACL", "GrantRead", "GrantFullControl"} & call.params.keys()]
    return printed


def links(printed: str) -> dict[str, str]:
    return dict(re.findall(r"^(\S+) +(https://\S+)$", printed, re.MULTILINE))


def test_links_are_printed_and_written(releaser: Releaser, printed: str) -> None:
    assert list(links(printed)) == list(REGIONS)
    page = (releaser.output / version() / "links.md").read_text()
    assert all(link in page for link in links(printed).values())


@pytest.mark.parametrize("region", REGIONS)
def test_checksums_are_those_of_the_objects(releaser: Releaser, printed: str, region: str) -> None:
    s3, bucket = releaser.account.client("s3", region), f"{PREFIX}-{region}"
    text = s3.get_object(Bucket=bucket, Key=f"{FOLDER}/SHA256SUMS")["Body"].read().decode()
    assert text == (releaser.output / version() / region / "SHA256SUMS").read_text()
    objects = {
        each["Key"].removeprefix(f"{FOLDER}/"): s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        for each in s3.list_objects_v2(Bucket=bucket)["Contents"]
    }
    del objects["SHA256SUMS"]
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in objects.items()}
    # A package, two templates of nested stacks, three of stack sets, and the template itself.
    assert len(expected) >= 7
    assert dict(reversed(line.split("  ")) for line in text.splitlines()) == expected


def test_link_creates_a_stack_that_audits_also_a_further_region(releaser: Releaser, printed: str) -> None:
    """CloudFormation reads the template, the packages and the stack set's template from the bucket."""
    account = releaser.account
    query = dict(parse_qsl(urlsplit(links(printed)["us-east-1"]).fragment.partition("?")[2]))
    assert query.pop("param_Mode") == "Audit"
    given = {"Mode": "Audit", "SettleSeconds": "0", "SweepRate": "10", "Regions": FURTHER_REGION}
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(
        StackName=query.pop("stackName"),
        TemplateURL=query.pop("templateURL"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    assert query == {}

    def outputs() -> dict[str, str]:
        stack = cloudformation.describe_stacks(StackName="log-keeper")["Stacks"][0]
        assert stack["StackStatus"] in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"), stack
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    deployed = Deployed(account, account.wait_until(outputs, timeout=120))
    assert deployed.outputs["Version"] == version()
    api_id = make_rest_stage(account)
    deployed.wait_until_logged("would be remediated", api_id)
    assert "accessLogSettings" not in get_stage(account, api_id, "prod")
    forwarding = account.client("events", FURTHER_REGION).list_rules(NamePrefix="log-keeper-")["Rules"]
    assert len(forwarding) == len(FORWARDING_RULES)


def test_template_is_small_enough_to_be_read_from_s3(releaser: Releaser, printed: str) -> None:
    """*Source:* AWS CloudFormation user guide, "Understand CloudFormation quotas": 1 MB for a template in S3."""
    packaged = releaser.output / version() / "us-east-1" / "template.yaml"
    assert packaged.stat().st_size < 1_000_000


def test_failure_in_one_region_leaves_no_template_in_another(releaser: Releaser, small: Path, tmp_path: Path) -> None:
    """A link must not lead to a template whose packages are missing. The next run completes the release."""
    account, prefix = releaser.account, f"{PREFIX}-late"
    arguments = ("--yes", "--bucket-prefix", prefix, "--output", str(tmp_path))
    create_buckets(account, prefix)

    def refuse(_: Account, call: Call) -> None:
        if call.operation == "PutObject" and call.params["Bucket"] == f"{prefix}-{FURTHER_REGION}":
            raise AwsError("AccessDenied", "no more", 403)

    def names() -> list[str]:
        listed = account.client("s3").list_objects_v2(Bucket=f"{prefix}-us-east-1")["Contents"]
        return [each["Key"].removeprefix(f"{FOLDER}/") for each in listed]

    account.hooks.append(refuse)
    code, text = releaser.run(*arguments, built=small)
    account.hooks.remove(refuse)
    assert code == 1
    assert f"release: sam package failed for {FURTHER_REGION}: " in text
    assert "no more" in text
    assert len(names()) == 2
    assert not {"template.yaml", "SHA256SUMS"} & set(names())
    assert releaser.run(*arguments, built=small)[0] == 0
    assert {"template.yaml", "SHA256SUMS"} <= set(names())


def test_second_run_changes_nothing(releaser: Releaser, printed: str) -> None:
    folder = releaser.output / version()
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    code, again = releaser.run("--yes")
    assert (code, links(again)) == (0, links(printed))
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_released_version_is_replaced_only_on_request(releaser: Releaser, small: Path, tmp_path: Path) -> None:
    account, prefix, region = releaser.account, f"{PREFIX}-again", REGIONS[:1]
    arguments = ("--yes", "--bucket-prefix", prefix, "--output", str(tmp_path))
    create_buckets(account, prefix)

    def content() -> str:
        found = account.client("s3").get_object(Bucket=f"{prefix}-us-east-1", Key=f"{FOLDER}/template.yaml")
        return str(found["Body"].read().decode())

    assert releaser.run(*arguments, built=small, regions=region)[0] == 0
    before = content()
    template = small / "template.yaml"
    template.write_text(template.read_text().replace(": small", ": smaller"))
    code, refused = releaser.run(*arguments, built=small, regions=region)
    assert code == 1
    assert f"version {version()} is in s3://{prefix}-us-east-1/{FOLDER}/ already" in refused
    assert content() == before
    code, replaced = releaser.run(*arguments, "--replace", built=small, regions=region)
    assert code == 0, replaced
    assert ": smaller" in content()


def test_nothing_is_uploaded_without_an_answer(releaser: Releaser) -> None:
    code, text = releaser.run()
    assert code == 1
    assert "--yes (make release YES=1) uploads without asking" in text
    assert f"s3://acme-us-east-1/{FOLDER}/" in text
