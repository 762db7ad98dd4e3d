"""The release of one version in one region: its bucket, its objects, its quick-create link."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import boto3
from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from tools.aws_session import ToolError, one_line

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Names of the two objects that ``sam package`` does not upload.
TEMPLATE, CHECKSUMS = "template.yaml", "SHA256SUMS"

#: The host of the console, and the last part of the host names of S3, by partition.
#: *Source:* AWS GovCloud (US) user guide, "AWS GovCloud (US) compared to standard AWS Regions"; Amazon Web Services in
#: China, "Endpoints and ARNs for Amazon Web Services in China". The outputs of the template name the same consoles.
_HOSTS = {
    "aws": ("console.aws.amazon.com", "amazonaws.com"),
    "aws-cn": ("console.amazonaws.cn", "amazonaws.com.cn"),
    "aws-us-gov": ("console.amazonaws-us-gov.com", "amazonaws.com"),
}
#: *Source:* Amazon S3 user guide, "General purpose bucket naming rules". Without dots: the certificate of S3 is valid
#: for one label in front of its host name.
_BUCKET = re.compile(r"[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])")


@dataclass(frozen=True)
class Target:
    """Where a version is uploaded in one region."""

    region: str
    partition: str
    bucket: str
    prefix: str

    @property
    def location(self) -> str:
        """Return the folder in the bucket, as ``s3://BUCKET/PREFIX/``."""
        return f"s3://{self.bucket}/{self.prefix}/"

    def key(self, name: str) -> str:
        """Return the key of the object with this name."""
        return f"{self.prefix}/{name}"

    @property
    def template_url(self) -> str:
        """Return the HTTPS address of the packaged template."""
        suffix = _HOSTS[self.partition][1]
        return f"https://{self.bucket}.s3.{self.region}.{suffix}/{self.key(TEMPLATE)}"

    def quick_create_link(self, stack_name: str) -> str:
        """Return the address of the console's page that creates the stack, with Mode=Audit filled in.

        *Source:* AWS CloudFormation user guide, "Create quick-create links for stacks"
        """
        console = _HOSTS[self.partition][0]
        query = urlencode({"templateURL": self.template_url, "stackName": stack_name, "param_Mode": "Audit"})
        return f"https://{console}/cloudformation/home?region={self.region}#/stacks/create/review?{query}"


def new_target(region: str, bucket_prefix: str, version: str) -> Target:
    """Return the target of the version in the region. Raises ToolError if the bucket cannot have that name."""
    partition = boto3.Session().get_partition_for_region(region)
    if partition not in _HOSTS:
        raise ToolError(f"{region} is in the partition {partition}, for which Log Keeper has no template.")
    bucket = f"{bucket_prefix}-{region}"
    if not _BUCKET.fullmatch(bucket):
        raise ToolError(
            f"{one_line(bucket)} cannot be the name of a bucket: choose a prefix of lower-case letters, digits and "
            "hyphens, so that PREFIX-REGION has at most 63 characters."
        )
    return Target(region, partition, bucket, f"log-keeper/{version}")


def check_bucket(s3: S3Client, target: Target, account: str) -> None:
    """Raise ToolError unless the bucket exists in the region and belongs to the account.

    The name of the bucket can be guessed, so somebody else may have created it to get the uploads.
    """
    try:
        answer = s3.head_bucket(Bucket=target.bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        raise ToolError(_explain_bucket(error, target, account)) from error
    found = answer.get("BucketRegion", target.region)
    if found != target.region:
        raise ToolError(
            f"the bucket {target.bucket} is in {found}: Lambda reads packages from buckets of its own region only. "
            f"Choose another prefix, and create the bucket in {target.region}."
        )


def _explain_bucket(error: ClientError, target: Target, account: str) -> str:
    match error_code(error):
        case "404" | "NoSuchBucket":
            return (
                f"there is no bucket {target.bucket}: create it (aws s3 mb s3://{target.bucket} --region "
                f"{target.region}), or choose another prefix."
            )
        case "403" | "AccessDenied":
            return (
                f"the bucket {target.bucket} cannot be used: it belongs to another account than {account}, or these "
                "credentials have no s3:ListBucket on it. Choose another prefix, or ask for the permission."
            )
        case code:
            return f"the bucket {target.bucket} cannot be read ({code}): {one_line(error)}."


def package(target: Target, built_template: Path, folder: Path, profile: str | None) -> Path:
    """Upload the packages and the other templates with ``sam package``. Return the packaged template.

    ``folder``: where the packaged template is written. The names of these objects are hashes of their content, so an
    object that exists already is not uploaded again. Raises ToolError if sam is missing, or fails.
    """
    program = shutil.which("sam")
    if program is None:
        raise ToolError("sam is not installed: run make release, which installs it in .venv-tools.")
    folder.mkdir(parents=True, exist_ok=True)
    packaged = folder / TEMPLATE
    command = [
        *(program, "package", "--template-file", str(built_template), "--output-template-file", str(packaged)),
        *("--s3-bucket", target.bucket, "--s3-prefix", target.prefix, "--region", target.region, "--no-progressbar"),
        *(["--profile", profile] if profile else []),
    ]
    ended = subprocess.run(  # noqa: S603 -- the command is ours
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode:
        last = next((line for line in reversed(ended.stdout.splitlines()) if line.strip()), "it printed nothing")
        raise ToolError(f"sam package failed for {target.region}: {one_line(last)}")
    return packaged


def object_names(target: Target, packaged: str) -> list[str]:
    """Return the names of the objects that the packaged template refers to, without the key prefix, sorted."""
    place = re.escape(f"{target.bucket}/{target.prefix}/")
    return sorted(set(re.findall(rf"{place}([^\s\"'?,}}]+)", packaged)))


def released_template(s3: S3Client, target: Target, account: str) -> bytes | None:
    """Return the template that this version already has in the region, or None. Raises ClientError."""
    try:
        return s3.get_object(Bucket=target.bucket, Key=target.key(TEMPLATE), ExpectedBucketOwner=account)["Body"].read()
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise


def publish(s3: S3Client, target: Target, account: str, packaged: Path) -> Path:
    """Upload the packaged template, and the checksums of all objects. Return the file of checksums.

    The packages are read back, so that their checksums are those of what is in the bucket. The template is uploaded
    last: a link to it works only when all that it refers to is there. Raises ClientError.
    """
    text = packaged.read_bytes()
    checksums = _checksums(s3, target, text.decode(), account) | {TEMPLATE: hashlib.sha256(text).hexdigest()}
    file = packaged.with_name(CHECKSUMS)
    file.write_text(checksum_lines(checksums), encoding="utf-8")
    _put(s3, target, CHECKSUMS, file.read_bytes(), account, "text/plain")
    _put(s3, target, TEMPLATE, text, account, "application/yaml")
    return file


def checksum_lines(checksums: dict[str, str]) -> str:
    """Return the checksums in the format that ``sha256sum --check`` reads."""
    return "".join(f"{checksum}  {name}\n" for name, checksum in sorted(checksums.items()))


def _checksums(s3: S3Client, target: Target, packaged: str, account: str) -> dict[str, str]:
    """Return the checksums of all objects that the packaged template needs, by name.

    The names of the templates of nested stacks, which refer to objects too, end in ``.template``.
    """
    found: dict[str, str] = {}
    left = object_names(target, packaged)
    while left:
        name = left.pop()
        body = s3.get_object(Bucket=target.bucket, Key=target.key(name), ExpectedBucketOwner=account)["Body"]
        digest, chunks = hashlib.sha256(), list[bytes]()
        for chunk in body.iter_chunks(1 << 20):
            digest.update(chunk)
            if name.endswith(".template"):
                chunks.append(chunk)
        found[name] = digest.hexdigest()
        left += [each for each in object_names(target, b"".join(chunks).decode()) if each not in found]
    return found


def _put(s3: S3Client, target: Target, name: str, text: bytes, account: str, content_type: str) -> None:
    """Upload the object without an ACL, encrypted as the bucket's settings say."""
    s3.put_object(
        Bucket=target.bucket, Key=target.key(name), Body=text, ContentType=content_type, ExpectedBucketOwner=account
    )


def links_page(version: str, targets: Sequence[Target], stack_name: str) -> str:
    """Return the quick-create links as a page in Markdown."""
    rows = "".join(
        f"| {target.region} | [create the stack]({target.quick_create_link(stack_name)}) | {target.template_url} |\n"
        for target in targets
    )
    return (
        f"# Log Keeper {version}\n\n"
        "Each link opens the console's page that creates the stack, with `Mode=Audit`: stages are evaluated, and "
        "nothing is changed. It works for people who may read the bucket.\n\n"
        f"| region | quick-create link | template |\n|---|---|---|\n{rows}"
    )
